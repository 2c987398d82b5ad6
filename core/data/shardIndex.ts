import { closeSync, openSync, readSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fail } from '../errors.ts';
import { readArrays, writeArrays } from '../formats/arrayFile.ts';
import { type TarPlace, tarPlaces } from '../formats/tarPlaces.ts';
import { unreadable } from '../formats/unreadable.ts';
import { isImageExtension } from './imageFiles.ts';
import { parseLabel } from './label.ts';
import { boxesExtension, missingImage, missingLabel, mostBytes, type ShardGroup, splitName, twice } from './shardGroup.ts';

/**
 * Where the samples of one shard lie, in their order, and their labels: shuffling, resuming and counting classes need no
 * look at the shard. About 60 bytes a sample.
 */
export interface ShardIndex {
  /** First byte and length of each image. */
  readonly offsets: Float64Array;
  readonly sizes: Uint32Array;
  readonly labels: Int32Array;
  /** Of each `.boxes.json`, length 0 where a sample has none; both are empty if no sample has. */
  readonly boxOffsets: Float64Array;
  readonly boxSizes: Uint32Array;
  /** UTF-8, one after the other; `nameEnds[i]` is where the key of sample i ends. */
  readonly names: Uint8Array;
  readonly nameEnds: Uint32Array;
}

const VERSION = 1;
const MAGIC = 'millrace shard index';
const BLOCK = 512;
const turnMs = 8;

/** Its place: beside the shard. */
export const indexOf = (shard: string): string => `${shard}.index`;

export function sampleKey({ names, nameEnds }: Pick<ShardIndex, 'names' | 'nameEnds'>, i: number): string {
  return decoder.decode(names.subarray(i === 0 ? 0 : nameEnds[i - 1], nameEnds[i]));
}
const decoder = new TextDecoder();

/**
 * Makes the index of an uncompressed shard: reads headers and labels, not images.
 * Errors: those of `tarPlaces`; a sample without image or label, or with two; a label that is no integer.
 */
export async function indexShard(shard: string): Promise<ShardIndex> {
  const { size } = await stat(shard).catch(error => {
    throw unreadable(shard, 'a shard that can be read', error);
  });
  const fd = openSync(shard, 'r');
  try {
    const samples: Entry[] = [];
    let entry: (Entry & ShardGroup) | undefined;
    const close = () => {
      if (!entry) return;
      if (entry.label < 0) throw missingLabel(entry);
      if (!entry.image) throw missingImage(entry);
      samples.push({ key: entry.key, label: entry.label, image: entry.image, boxes: entry.boxes });
    };
    let turnEnds = performance.now() + turnMs;
    for (const place of tarPlaces(shard, fd, { start: 0, end: size, within: '' })) {
      const name = place.file ? splitName(place.name) : undefined;
      if (!name) continue;
      if (entry?.key !== name.key) {
        close();
        entry = { shard, key: name.key, extensions: [], label: -1, image: undefined, boxes: undefined };
      }
      entry.extensions.push(name.extension);
      if (name.extension === 'cls') {
        if (entry.label >= 0) throw twice(entry, 'label');
        entry.label = parseLabel(textOf(fd, place, mostBytes.label, shard), `${shard}, sample ${JSON.stringify(name.key)}`, undefined);
      } else if (isImageExtension(name.extension)) {
        if (entry.image) throw twice(entry, 'image');
        entry.image = place;
      } else if (name.extension === boxesExtension) entry.boxes = place;
      if (performance.now() > turnEnds) {
        await nextTurn();
        turnEnds = performance.now() + turnMs;
      }
    }
    close();
    return packed(samples);
  } finally {
    closeSync(fd);
  }
}

interface Entry {
  readonly key: string;
  label: number;
  image: TarPlace | undefined;
  boxes: TarPlace | undefined;
}

function textOf(fd: number, { name, offset, size }: TarPlace, most: number, shard: string): string {
  if (size > most) {
    const fix = 'Make the shard again without the oversized file.';
    throw fail('data', `${shard}, entry ${JSON.stringify(name)}`, `at most ${most} bytes`, `${size} bytes`, fix);
  }
  const text = Buffer.alloc(size);
  readSync(fd, text, 0, size, offset);
  return text.toString();
}

function packed(samples: readonly Entry[]): ShardIndex {
  const names = samples.map(({ key }) => Buffer.from(key));
  const boxed = samples.some(({ boxes }) => boxes) ? samples : [];
  let end = 0;
  return {
    offsets: Float64Array.from(samples, ({ image }) => image!.offset),
    sizes: Uint32Array.from(samples, ({ image }) => image!.size),
    labels: Int32Array.from(samples, ({ label }) => label),
    boxOffsets: Float64Array.from(boxed, ({ boxes }) => boxes?.offset ?? 0),
    boxSizes: Uint32Array.from(boxed, ({ boxes }) => boxes?.size ?? 0),
    names: new Uint8Array(Buffer.concat(names)),
    nameEnds: Uint32Array.from(names, ({ length }) => {
      end += length;
      return end;
    }),
  };
}

/** Nothing in it but what follows from the shard's bytes, so that two runs write the same. Throws the system's error. */
export async function saveShardIndex(index: ShardIndex, place: string, shardBytes: number): Promise<void> {
  const { offsets, sizes, labels, boxOffsets, boxSizes, names, nameEnds } = index;
  const counts = { samples: labels.length, boxes: boxSizes.length, nameBytes: names.length };
  const head = { magic: MAGIC, version: VERSION, bytes: shardBytes, ...counts };
  await writeArrays(place, head, [offsets, boxOffsets, sizes, labels, boxSizes, nameEnds, names]);
}

/** What `openShardIndexes` found. */
export interface ShardIndexes {
  readonly indexes: readonly ShardIndex[];
  /** How many were there but of another shard, and were made anew. */
  readonly madeAnew: number;
}

/**
 * The indexes of all these shards; undefined if one has none, and then they are read front to back. One that is damaged, older
 * than its shard, or of a shard of another length or other first and last samples is made anew, and saved where that is possible.
 */
export async function openShardIndexes(shards: readonly string[]): Promise<ShardIndexes | undefined> {
  const there = await Promise.all(shards.map(shard => stat(indexOf(shard)).catch(() => undefined)));
  if (shards.length === 0 || there.some(facts => !facts)) return undefined;
  const indexes: ShardIndex[] = [];
  let madeAnew = 0;
  for (const [i, shard] of shards.entries()) {
    const facts = await stat(shard).catch(error => {
      throw unreadable(shard, 'a shard that can be read', error);
    });
    const saved = facts.mtimeMs <= there[i]!.mtimeMs ? await load(indexOf(shard), facts.size) : undefined;
    if (saved && belongs(shard, saved)) {
      indexes.push(saved);
      continue;
    }
    const index = await indexShard(shard);
    // where it cannot be saved it is made anew the next time too: no reason to stop
    await saveShardIndex(index, indexOf(shard), facts.size).catch(() => undefined);
    indexes.push(index);
    madeAnew++;
  }
  return { indexes, madeAnew };
}

async function load(place: string, shardBytes: number): Promise<ShardIndex | undefined> {
  const index = await readArrays(place, ({ magic, version, bytes, samples, boxes, nameBytes }) => {
    if (magic !== MAGIC || version !== VERSION || bytes !== shardBytes) return undefined;
    const [offsets, boxOffsets] = [new Float64Array(samples), new Float64Array(boxes)];
    const [sizes, labels, boxSizes] = [new Uint32Array(samples), new Int32Array(samples), new Uint32Array(boxes)];
    const [nameEnds, names] = [new Uint32Array(samples), new Uint8Array(nameBytes)];
    const value: ShardIndex = { offsets, sizes, labels, boxOffsets, boxSizes, names, nameEnds };
    return { value, arrays: [offsets, boxOffsets, sizes, labels, boxSizes, nameEnds, names] };
  });
  return index && isSound(index, shardBytes) ? index : undefined;
}

/** Nothing in it points beyond the shard or the names. */
function isSound({ offsets, sizes, labels, boxOffsets, boxSizes, names, nameEnds }: ShardIndex, bytes: number): boolean {
  let before = 0;
  for (let i = 0; i < offsets.length; i++) {
    if (!(offsets[i] >= BLOCK && offsets[i] + sizes[i] <= bytes && labels[i] >= 0 && nameEnds[i] >= before)) return false;
    if (i < boxSizes.length && !(boxOffsets[i] + boxSizes[i] <= bytes)) return false;
    before = nameEnds[i];
  }
  return before === names.length && (boxSizes.length === 0 || boxSizes.length === labels.length);
}

/** The first and the last image lie in the shard where it says, by the names in their headers. */
function belongs(shard: string, index: ShardIndex): boolean {
  const ends = index.labels.length === 0 ? [] : [0, index.labels.length - 1];
  const fd = openSync(shard, 'r');
  try {
    const header = Buffer.alloc(BLOCK);
    return ends.every(i => {
      readSync(fd, header, 0, BLOCK, index.offsets[i] - BLOCK);
      const [name] = header.toString('utf8', 0, 100).split('\0');
      const key = splitName(name)?.key;
      // long names are cut off in the header, and what is left may be without a dot
      return key !== undefined ? sampleKey(index, i).endsWith(key) : name.length >= 99;
    });
  } finally {
    closeSync(fd);
  }
}
