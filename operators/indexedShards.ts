import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import type { Observable } from 'rxjs';
import { checkLabel } from '../core/data/label.ts';
import { type Found, pull } from '../core/data/pull.ts';
import type { Box, Sample, SourceOptions } from '../core/data/sample.ts';
import { parseBoxes } from '../core/data/shardBoxes.ts';
import { type ShardIndex, sampleKey } from '../core/data/shardIndex.ts';
import { places, type Visit } from '../core/data/visit.ts';

/** Shards with their indexes, the labels of all samples one after the other. */
export interface Shards {
  readonly shards: readonly string[];
  readonly indexes: readonly ShardIndex[];
  readonly labels: Int32Array;
  readonly classes: number;
}

/** Joins shards with their indexes. Errors, naming the sample, for a label that is not below the number of classes. */
export function joinShards(shards: readonly string[], indexes: readonly ShardIndex[], classes: number): Shards {
  const labels = new Int32Array(indexes.reduce((sum, index) => sum + index.labels.length, 0));
  let at = 0;
  for (const [shard, index] of indexes.entries()) {
    labels.set(index.labels, at);
    at += index.labels.length;
    const odd = index.labels.findIndex(label => label >= classes);
    if (odd >= 0) checkLabel(index.labels[odd], `${basename(shards[shard])}/${sampleKey(index, odd)}`, classes);
  }
  return { shards, indexes, labels, classes };
}

/** The samples of WebDataset shards that have an index, each read in place by the worker that decodes it.
 *
 *   indexedShards(joinShards(paths, indexes, 1000))
 *     out: --a--b----c--|      pulled: each as soon as there is room; c waited for it
 *
 *  Shapes: picture kind `range`.  Order: as in the shards, one after the other; with `order: 'random'` a permutation of all
 *  samples of all shards drawn from (seed, epoch).  Holds: the indexes and the labels; with 'random' or `keep` also four bytes a sample.
 *  Runs: main thread.  Owns: one open shard while it reads boxes; workers keep theirs open.
 *  Errors: boxes that cannot be read; a shard that changed since is a bad sample, told by `decode`.
 *  See also: {@link webDataset}, {@link openDataSet}. */
export function indexedShards(all: Shards, { order, keep, ...options }: SourceOptions = {}): Observable<Sample> {
  return pull(scope => visit(all, { order, keep, ...scope }, options.boxes === false ? () => false : scope.wanted), options, {
    jumps: true,
    order,
  });
}

/** `boxed`: by position, whether boxes are wanted. */
function* visit({ shards, indexes, labels, classes }: Shards, visit: Visit, boxed: (position: number) => boolean): Generator<Found> {
  const ends: number[] = [];
  for (const index of indexes) ends.push((ends.at(-1) ?? 0) + index.labels.length);
  const names = shards.map(shard => basename(shard));
  const reader = new TextReader();
  try {
    let position = visit.start ?? 0;
    for (const index of places(labels, visit)) {
      const shard = firstBeyond(ends, index);
      const own = indexes[shard];
      const i = index - (shard === 0 ? 0 : ends[shard - 1]);
      const path = shards[shard];
      const key = `${names[shard]}/${sampleKey(own, i)}`;
      let boxes: readonly Box[] | undefined;
      if (own.boxSizes[i] > 0 && boxed(position)) boxes = parseBoxes(reader.read(path, own.boxOffsets[i], own.boxSizes[i]), key, classes);
      const picture = { kind: 'range', path, offset: own.offsets[i], bytes: own.sizes[i] } as const;
      yield { key, label: labels[index], index, picture, ...(boxes && { boxes }) };
      position++;
    }
  } finally {
    reader.close();
  }
}

/** The first place whose end lies beyond `index`, by halving. */
function firstBeyond(ends: readonly number[], index: number): number {
  let [low, high] = [0, ends.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] > index) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Keeps the file that it read last open. */
class TextReader {
  #path = '';
  #fd = -1;
  read(path: string, offset: number, size: number): string {
    if (path !== this.#path) {
      this.close();
      this.#fd = openSync(path, 'r');
      this.#path = path;
    }
    const text = Buffer.alloc(size);
    const length = readSync(this.#fd, text, 0, size, offset);
    return text.toString('utf8', 0, length);
  }
  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.#path = '';
  }
}
