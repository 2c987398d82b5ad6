import { basename } from 'node:path';
import type { Observable } from 'rxjs';
import { faultOf } from '../core/data/annotations.ts';
import { isImageExtension } from '../core/data/imageFiles.ts';
import { parseLabel } from '../core/data/label.ts';
import { checkReaches } from '../core/data/pipelineState.ts';
import { type Found, pull } from '../core/data/pull.ts';
import type { Sample, SourceOptions } from '../core/data/sample.ts';
import { parseBoxes } from '../core/data/shardBoxes.ts';
import {
  boxesExtension,
  missingImage,
  missingLabel,
  mostBytes,
  oversized,
  type ShardGroup,
  splitName,
  twice,
} from '../core/data/shardGroup.ts';
import { listShards } from '../core/data/shards.ts';
import { fail, MillraceError } from '../core/errors.ts';
import { readTar } from '../core/formats/tar.ts';

export interface WebDatasetOptions extends SourceOptions {
  /** A label from this on is an error; by default any integer from 0 will do. */
  readonly classes?: number;
  /** Samples in each shard by its path, where known: a shard with another number is an error. */
  readonly counts?: ReadonlyMap<string, number>;
}

/** WebDataset shards: .tar, .tar.gz or .tgz archives in which the files of one sample share their name up to the first dot
 * (`0001.png`, `0001.cls`) and stand one after the other. Source: https://github.com/webdataset/webdataset (the format).
 *
 *   webDataset(dir)                     shards [a.png a.cls b.png b.cls] [c.png c.cls]
 *     out: --a--b----c--|      pulled: each as soon as there is room; c waited for it
 *
 * `from` is a folder (all its shards, sorted by name) or a list of shards in the order wanted. A sample needs a `.cls` file
 * holding the label as an integer, and one image; boxes may lie in a `.boxes.json`; other files of a sample are skipped.
 *
 *  Shapes: picture kind `encoded`, the bytes of the image file in memory of their own.  Order: as in the shards, one shard after the other.
 *  Holds: one sample and a few chunks of 64 KiB; shards are streamed.  Runs: main thread, gzip on libuv's threads.
 *  Owns: one open shard; closed at its end, on error and at once on unsubscribe.
 *  Errors: no shards; a shard cut off or damaged. A sample without label or image, or with two, with a label that is no integer or out
 *  of range, with wrong boxes or a file too large to be meant, has a `fault` and label 0: `decode` makes it a bad sample.
 *  See also: {@link imageFolder}, {@link idx}, {@link openDataSet}, which uses the indexes of `data DIR shard` to reach any sample. */
export function webDataset(from: string | readonly string[], { classes, counts, ...options }: WebDatasetOptions = {}): Observable<Sample> {
  return pull(
    async function* ({ start, wanted }, signal) {
      const shards = typeof from === 'string' ? await listShards(from) : from;
      if (shards.length === 0)
        throw fail('data', 'webDataset', 'at least one shard', 'an empty list', 'Name the .tar or .tar.gz files to read.');
      let index = 0;
      for (const shard of shards) {
        const first = index;
        const expected = counts?.get(shard);
        // a shard that holds nothing that is wanted need not be opened if its number of samples is known
        if (expected !== undefined && first + expected <= start) {
          index += expected;
          continue;
        }
        for await (const sample of readShard(shard, { classes, ...options }, () => index >= start && wanted(index), signal)) {
          if (index >= start) yield sample && { ...sample, index };
          index++;
        }
        if (expected !== undefined && index - first !== expected) {
          const fix = 'The shard was cut off between two samples, or the index is of another version: fetch or make both again.';
          throw fail('data', shard, `${expected} samples, as the index says`, String(index - first), fix);
        }
      }
      checkReaches('webDataset', index, start);
    },
    options,
    { jumps: true },
  );
}

/** `wanted` is asked when a sample's first file is met; of others nothing is read, and undefined stands for them. */
async function* readShard(
  shard: string,
  { classes, boxes = true }: Pick<WebDatasetOptions, 'classes' | 'boxes'>,
  wanted: () => boolean,
  signal: AbortSignal,
): AsyncGenerator<Omit<Found, 'index'> | undefined> {
  let group: Group | undefined;
  for await (const entry of readTar(shard, signal)) {
    const name = splitName(entry.name);
    if (!name) continue;
    if (group?.key !== name.key) {
      if (group) yield finish(group, classes);
      group = { shard, key: name.key, wanted: wanted(), extensions: [], label: undefined, image: undefined, boxes: undefined };
    }
    if (!group.wanted) continue;
    group.extensions.push(name.extension);
    const kind = kindOf(name.extension);
    if (!kind || group.fault || (kind === 'boxes' && !boxes)) continue;
    if (kind !== 'boxes' && group[kind] !== undefined) group.fault = twice(group, kind);
    else if (entry.bytes > mostBytes[kind]) group.fault = oversized(group, entry.bytes, mostBytes[kind]);
    else if (kind === 'image') group.image = await entry.read(mostBytes.image);
    else group[kind] = new TextDecoder().decode(await entry.read(mostBytes[kind]));
  }
  if (group) yield finish(group, classes);
}

/** The files of one sample while they are collected. */
interface Group extends ShardGroup {
  readonly wanted: boolean;
  label: string | undefined;
  image: Uint8Array | undefined;
  boxes: string | undefined;
  /** The first thing that is wrong with it; the rest of it is not read. */
  fault?: MillraceError;
}

function kindOf(extension: string): keyof typeof mostBytes | undefined {
  if (extension === 'cls') return 'label';
  if (isImageExtension(extension)) return 'image';
  return extension === boxesExtension ? 'boxes' : undefined;
}

function finish(group: Group, classes: number | undefined): Omit<Found, 'index'> | undefined {
  if (!group.wanted) return undefined;
  const { shard, label, image, boxes, fault } = group;
  const key = `${basename(shard)}/${group.key}`;
  try {
    if (fault) throw fault;
    if (label === undefined) throw missingLabel(group);
    if (!image) throw missingImage(group);
    return {
      key,
      label: parseLabel(label, key, classes),
      picture: { kind: 'encoded', bytes: image },
      ...(boxes !== undefined && { boxes: parseBoxes(boxes, key, classes) }),
    };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return { key, label: 0, picture: { kind: 'encoded', bytes: new Uint8Array(0) }, fault: faultOf(error) };
  }
}
