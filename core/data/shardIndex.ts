import { closeSync, openSync, readSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MillraceError } from '../errors.ts';
import { readArrays, writeArrays } from '../formats/arrayFile.ts';
import { type TarPlace, tarPlaces } from '../formats/tarPlaces.ts';
import { unreadable } from '../formats/unreadable.ts';
import { faultOf } from './annotations.ts';
import type { OpenWatch } from './dataLayout.ts';
import { isImageExtension } from './imageFiles.ts';
import { parseLabel } from './label.ts';
import { boxesExtension, missingImage, missingLabel, mostBytes, oversized, type ShardGroup, splitName, twice } from './shardGroup.ts';

/**
 * Where the samples of one shard lie, in their order, and their labels: shuffling, resuming and counting classes need no
 * look at the shard. About 60 bytes a sample.
 */
export interface ShardIndex {
  /** First byte and length of each image. */
  readonly offsets: Float64Array;
  readonly sizes: Uint32Array;
  /** −1 where a sample has a fault. */
  readonly labels: Int32Array;
  /** Of each `.boxes.json`, length 0 where a sample has none; both are empty if no sample has. */
  readonly boxOffsets: Float64Array;
  readonly boxSizes: Uint32Array;
  /** UTF-8, one after the other; `nameEnds[i]` is where the key of sample i ends. */
  readonly names: Uint8Array;
  readonly nameEnds: Uint32Array;
  /** By place: why a sample cannot be used. */
  readonly faults: ReadonlyMap<number, string>;
}

const VERSION = 2;
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
 * Makes the index of an uncompressed shard: reads headers and labels, not images. A sample without image or label, or with two, or with
 * a label that is no integer has a fault, and its place all the same, as when the shard is read front to back.
 * Errors: those of `tarPlaces`.
 */
export async function indexShard(shard: string, { signal, indexing }: OpenWatch = {}): Promise<ShardIndex> {
  const { size } = await stat(shard).catch(error => {
    throw unreadable(shard, 'a shard that can be read', error);
  });
  const fd = openSync(shard, 'r');
  try {
    const samples: Entry[] = [];
    let entry: (Entry & ShardGroup) | undefined;
    const close = () => {
      if (!entry) return;
      const fault = entry.fault ?? (entry.label < 0 ? missingLabel(entry) : entry.image ? undefined : missingImage(entry));
      const { key, label, first, image, boxes } = entry;
      samples.push({ key, label: fault ? -1 : label, first, image, boxes, fault });
    };
    let turnEnds = performance.now() + turnMs;
    for (const place of tarPlaces(shard, fd, { start: 0, end: size, within: '' })) {
      const name = place.file ? splitName(place.name) : undefined;
      if (!name) continue;
      if (entry?.key !== name.key) {
        close();
        // without the folder: an index goes where its shard goes
        const group = { shard: basename(shard), key: name.key, extensions: [] };
        entry = { ...group, label: -1, first: place, image: undefined, boxes: undefined, fault: undefined };
      }
      if (!entry.fault) entry.fault = add(entry, name.extension, place, fd);
      if (performance.now() > turnEnds) {
        signal?.throwIfAborted();
        indexing?.({ path: shard, files: samples.length, bytes: place.offset, of: size });
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
  readonly first: TarPlace;
  label: number;
  image: TarPlace | undefined;
  boxes: TarPlace | undefined;
  fault: MillraceError | undefined;
}

/** One more file of a sample; what is wrong with it, if anything. */
function add(entry: Entry & ShardGroup, extension: string, place: TarPlace, fd: number): MillraceError | undefined {
  entry.extensions.push(extension);
  if (extension === 'cls') {
    if (entry.label >= 0) return twice(entry, 'label');
    if (place.size > mostBytes.label) return oversized(entry, place.size, mostBytes.label);
    try {
      entry.label = parseLabel(textOf(fd, place), `${entry.shard}/${entry.key}`, undefined);
    } catch (error) {
      if (error instanceof MillraceError) return error;
      throw error;
    }
  } else if (isImageExtension(extension)) {
    if (entry.image) return twice(entry, 'image');
    if (place.size > mostBytes.image) return oversized(entry, place.size, mostBytes.image);
    entry.image = place;
  } else if (extension === boxesExtension) {
    if (place.size > mostBytes.boxes) return oversized(entry, place.size, mostBytes.boxes);
    entry.boxes = place;
  }
  return undefined;
}

function textOf(fd: number, { offset, size }: TarPlace): string {
  const text = Buffer.alloc(size);
  readSync(fd, text, 0, size, offset);
  return text.toString();
}

function packed(samples: readonly Entry[]): ShardIndex {
  const names = samples.map(({ key }) => Buffer.from(key));
  const boxed = samples.some(({ boxes }) => boxes) ? samples : [];
  let end = 0;
  return {
    offsets: Float64Array.from(samples, ({ image, first }) => (image ?? first).offset),
    sizes: Uint32Array.from(samples, ({ image }) => image?.size ?? 0),
    labels: Int32Array.from(samples, ({ label }) => label),
    boxOffsets: Float64Array.from(boxed, ({ boxes }) => boxes?.offset ?? 0),
    boxSizes: Uint32Array.from(boxed, ({ boxes }) => boxes?.size ?? 0),
    names: new Uint8Array(Buffer.concat(names)),
    nameEnds: Uint32Array.from(names, ({ length }) => {
      end += length;
      return end;
    }),
    faults: new Map(samples.flatMap(({ fault }, i) => (fault ? [[i, faultOf(fault)] as const] : []))),
  };
}

/** Nothing in it but what follows from the shard's bytes, so that two runs write the same. Throws the system's error. */
export async function saveShardIndex(index: ShardIndex, place: string, shardBytes: number): Promise<void> {
  const { offsets, sizes, labels, boxOffsets, boxSizes, names, nameEnds, faults } = index;
  const counts = { samples: labels.length, boxes: boxSizes.length, nameBytes: names.length };
  const head = { magic: MAGIC, version: VERSION, bytes: shardBytes, ...counts, faults: [...faults] };
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
export async function openShardIndexes(shards: readonly string[], watch: OpenWatch = {}): Promise<ShardIndexes | undefined> {
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
    const index = await indexShard(shard, watch);
    // where it cannot be saved it is made anew the next time too: no reason to stop
    await saveShardIndex(index, indexOf(shard), facts.size).catch(() => undefined);
    indexes.push(index);
    madeAnew++;
  }
  return { indexes, madeAnew };
}

async function load(place: string, shardBytes: number): Promise<ShardIndex | undefined> {
  const index = await readArrays(place, ({ magic, version, bytes, samples, boxes, nameBytes, faults }) => {
    if (magic !== MAGIC || version !== VERSION || bytes !== shardBytes) return undefined;
    const [offsets, boxOffsets] = [new Float64Array(samples), new Float64Array(boxes)];
    const [sizes, labels, boxSizes] = [new Uint32Array(samples), new Int32Array(samples), new Uint32Array(boxes)];
    const [nameEnds, names] = [new Uint32Array(samples), new Uint8Array(nameBytes)];
    const value: ShardIndex = { offsets, sizes, labels, boxOffsets, boxSizes, names, nameEnds, faults: new Map(faults) };
    return { value, arrays: [offsets, boxOffsets, sizes, labels, boxSizes, nameEnds, names] };
  });
  return index && isSound(index, shardBytes) ? index : undefined;
}

/** Nothing in it points beyond the shard or the names. */
function isSound({ offsets, sizes, labels, boxOffsets, boxSizes, names, nameEnds, faults }: ShardIndex, bytes: number): boolean {
  let before = 0;
  for (let i = 0; i < offsets.length; i++) {
    if (!(offsets[i] >= BLOCK && offsets[i] + sizes[i] <= bytes && labels[i] >= 0 !== faults.has(i) && nameEnds[i] >= before)) return false;
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
