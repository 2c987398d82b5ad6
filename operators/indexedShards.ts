import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import type { Observable } from 'rxjs';
import { faultOf } from '../core/data/annotations.ts';
import { checkLabel } from '../core/data/label.ts';
import { type Found, pull } from '../core/data/pull.ts';
import type { Box, Sample, SourceOptions } from '../core/data/sample.ts';
import { parseBoxes } from '../core/data/shardBoxes.ts';
import { type ShardIndex, sampleKey } from '../core/data/shardIndex.ts';
import { places, type Visit } from '../core/data/visit.ts';
import { fail, MillraceError } from '../core/errors.ts';

/** Shards with their indexes, the labels of all samples one after the other. */
export interface Shards {
  readonly shards: readonly string[];
  readonly indexes: readonly ShardIndex[];
  /** −1 where a sample has a fault. */
  readonly labels: Int32Array;
  /** By place among all samples: why one cannot be used. */
  readonly faults: ReadonlyMap<number, string>;
  readonly classes: number;
}

/** Joins shards with their indexes. A label that is not below the number of classes is its sample's fault. Errors: no sample is left. */
export function joinShards(shards: readonly string[], indexes: readonly ShardIndex[], classes: number): Shards {
  const labels = new Int32Array(indexes.reduce((sum, index) => sum + index.labels.length, 0));
  const faults = new Map<number, string>();
  let at = 0;
  for (const [shard, index] of indexes.entries()) {
    for (const [i, label] of index.labels.entries()) {
      labels[at + i] = label;
      const known = index.faults.get(i);
      if (known !== undefined) faults.set(at + i, known);
      if (label < classes) continue;
      try {
        checkLabel(label, `${basename(shards[shard])}/${sampleKey(index, i)}`, classes);
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        labels[at + i] = -1;
        faults.set(at + i, faultOf(error));
      }
    }
    at += index.labels.length;
  }
  const all = { shards, indexes, labels, faults, classes };
  for (const [place, fault] of faults) {
    if (faults.size < labels.length) break;
    const fix = 'Make the shards again, or list every class in classes.txt, one per line.';
    throw fail('data', basename(shards[0]), 'a sample that can be used', `none; ${keyAt(all, place)}: ${fault}`, fix);
  }
  return all;
}

/** The sample at a place among all, as errors call it. */
export function keyAt({ shards, indexes }: Pick<Shards, 'shards' | 'indexes'>, place: number): string {
  let shard = 0;
  let i = place;
  for (; i >= indexes[shard].labels.length; shard++) i -= indexes[shard].labels.length;
  return `${basename(shards[shard])}/${sampleKey(indexes[shard], i)}`;
}

/** The samples of WebDataset shards that have an index, each read in place by the worker that decodes it.
 *
 *   indexedShards(joinShards(paths, indexes, 1000))
 *     out: --a--b----c--|      pulled: each as soon as there is room; c waited for it
 *
 *  Shapes: picture kind `range`.  Order: as in the shards, one after the other; with `order: 'random'` a permutation of all
 *  samples of all shards drawn from (seed, epoch).  Holds: the indexes and the labels; with 'random' or `keep` also four bytes a sample.
 *  Runs: main thread.  Owns: one open shard while it reads boxes; workers keep theirs open.
 *  Errors: none of its own. What is wrong about one sample, its label or its boxes, is its `fault`; a shard that changed since is a
 *  bad sample too, told by `decode`.
 *  See also: {@link webDataset}, {@link openDataSet}. */
export function indexedShards(all: Shards, { order, keep, ...options }: SourceOptions = {}): Observable<Sample> {
  return pull(scope => visit(all, { order, keep, ...scope }, options.boxes === false ? () => false : scope.wanted), options, {
    jumps: true,
    order,
  });
}

/** `boxed`: by position, whether boxes are wanted. */
function* visit(
  { shards, indexes, labels, faults, classes }: Shards,
  visit: Visit,
  boxed: (position: number) => boolean,
): Generator<Found> {
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
      let fault = faults.get(index);
      let boxes: readonly Box[] | undefined;
      if (fault === undefined && own.boxSizes[i] > 0 && boxed(position)) {
        try {
          boxes = parseBoxes(reader.read(path, own.boxOffsets[i], own.boxSizes[i]), key, classes);
        } catch (error) {
          if (!(error instanceof MillraceError)) throw error;
          fault = faultOf(error);
        }
      }
      const picture = { kind: 'range', path, offset: own.offsets[i], bytes: own.sizes[i] } as const;
      yield { key, label: labels[index], index, picture, ...(boxes && { boxes }), ...(fault !== undefined && { fault }) };
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
