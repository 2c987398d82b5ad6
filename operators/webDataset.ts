import { basename } from 'node:path';
import type { Observable } from 'rxjs';
import { isImageExtension } from '../core/data/imageFiles.ts';
import { parseLabel } from '../core/data/label.ts';
import { type Found, pull } from '../core/data/pull.ts';
import type { Sample, SourceOptions } from '../core/data/sample.ts';
import { listShards } from '../core/data/shards.ts';
import { fail } from '../core/errors.ts';
import { readTar } from '../core/formats/tar.ts';

export interface WebDatasetOptions extends SourceOptions {
  /** A label from this on is an error; by default any integer from 0 will do. */
  readonly classes?: number;
  /** Samples in each shard by its path, where known: a shard with another number is an error. */
  readonly counts?: ReadonlyMap<string, number>;
}

/** A longer picture or label is taken for a mistake rather than into memory. */
const mostBytes = { image: 2 ** 28, label: 64 } as const;

/** WebDataset shards: .tar, .tar.gz or .tgz archives in which the files of one sample share their name up to the first dot
 * (`0001.png`, `0001.cls`) and stand one after the other. Source: https://github.com/webdataset/webdataset (the format).
 *
 *   webDataset(dir)                     shards [a.png a.cls b.png b.cls] [c.png c.cls]
 *     out: --a--b----c--|      pulled: each as soon as there is room; c waited for it
 *
 * `from` is a folder (all its shards, sorted by name) or a list of shards in the order wanted. A sample needs a `.cls` file
 * holding the label as an integer, and one image; other files of a sample are skipped.
 *
 *  Shapes: picture kind `encoded`, the bytes of the image file in memory of their own.  Order: as in the shards, one shard after the other.
 *  Holds: one sample and a few chunks of 64 KiB; shards are streamed.  Runs: main thread, gzip on libuv's threads.
 *  Owns: one open shard; closed at its end, on error and at once on unsubscribe.
 *  Errors: no shards; a shard cut off or damaged; a sample without label or image, or with two; a label that is no integer or out of range.
 *  See also: {@link imageFolder}, {@link idx}, {@link openDataSet}. */
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
        for await (const sample of readShard(shard, classes, () => index >= start && wanted(index), signal)) {
          if (index >= start) yield sample && { ...sample, index };
          index++;
        }
        if (expected !== undefined && index - first !== expected) {
          const fix = 'The shard was cut off between two samples, or the index is of another version: fetch or make both again.';
          throw fail('data', shard, `${expected} samples, as the index says`, String(index - first), fix);
        }
      }
    },
    options,
    { jumps: true },
  );
}

/** `wanted` is asked when a sample's first file is met; of others nothing is read, and undefined stands for them. */
async function* readShard(
  shard: string,
  classes: number | undefined,
  wanted: () => boolean,
  signal: AbortSignal,
): AsyncGenerator<Omit<Found, 'index'> | undefined> {
  let group: Group | undefined;
  for await (const entry of readTar(shard, signal)) {
    const name = splitName(entry.name);
    if (!name) continue;
    if (group?.key !== name.key) {
      if (group) yield finish(group, classes);
      group = { shard, key: name.key, wanted: wanted(), extensions: [], label: undefined, image: undefined };
    }
    if (!group.wanted) continue;
    group.extensions.push(name.extension);
    if (name.extension === 'cls') {
      if (group.label !== undefined) throw twice(group, 'label');
      group.label = new TextDecoder().decode(await entry.read(mostBytes.label));
    } else if (isImageExtension(name.extension)) {
      if (group.image) throw twice(group, 'image');
      group.image = await entry.read(mostBytes.image);
    }
  }
  if (group) yield finish(group, classes);
}

/** The files of one sample while they are collected. */
interface Group {
  readonly shard: string;
  readonly key: string;
  readonly wanted: boolean;
  readonly extensions: string[];
  label: string | undefined;
  image: Uint8Array | undefined;
}

function finish(group: Group, classes: number | undefined): Omit<Found, 'index'> | undefined {
  if (!group.wanted) return undefined;
  const { shard, label, image } = group;
  if (label === undefined) throw missing(group, 'a label (.cls)');
  if (!image) throw missing(group, 'an image (.png, .jpg or another that sharp reads)');
  const key = `${basename(shard)}/${group.key}`;
  return { key, label: parseLabel(label, key, classes), picture: { kind: 'encoded', bytes: image } };
}

function missing({ shard, key, extensions }: Group, what: string) {
  const got = `only ${extensions.map(extension => `.${extension}`).join(', ')}`;
  const fix = 'Put the files of one sample next to each other, with the same name up to the first dot.';
  return fail('data', `${shard}, sample ${JSON.stringify(key)}`, what, got, fix);
}

function twice({ shard, key, extensions }: Group, what: string) {
  const got = `two (${extensions.map(extension => `.${extension}`).join(', ')})`;
  return fail('data', `${shard}, sample ${JSON.stringify(key)}`, `one ${what}`, got, 'Give every sample a name of its own.');
}

/** The path up to the first dot of the file name, and the rest in lower case; undefined for dot files and names without one. */
function splitName(path: string): { key: string; extension: string } | undefined {
  const file = path.lastIndexOf('/') + 1;
  const dot = path.indexOf('.', file);
  if (dot <= file) return undefined;
  return { key: path.slice(0, dot).replace(/^\.\//, ''), extension: path.slice(dot + 1).toLowerCase() };
}
