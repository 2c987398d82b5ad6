import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { indexTar, type TarIndex, type TarIndexOptions } from './tarIndex.ts';

/** Raised when the format changes: files of another version are made anew. */
const VERSION = 1;
const MAGIC = 'millrace tar index';

/** How an index came about, for people. */
export interface OpenedIndex {
  readonly index: TarIndex;
  readonly origin: 'read from its file' | 'made and saved' | 'made, and could not be saved';
}

/**
 * The index of an archive: read from `<archive>.index` or from the user's cache folder if one of them was made for an
 * archive of this size and time, else made and saved beside the archive, or in the cache folder where that may not be
 * written. Saving fails silently but for `origin`: the index is a convenience.
 */
export async function openTarIndex(path: string, options: TarIndexOptions): Promise<OpenedIndex> {
  const facts = await factsOf(path);
  const places = [`${path}.index`, join(cacheFolder(), `${createHash('sha256').update(resolve(path)).digest('hex').slice(0, 24)}.index`)];
  const wanted: Header = { magic: MAGIC, version: VERSION, ...facts, nested: options.nested };
  for (const place of places) {
    const bytes = await readFile(place).catch(() => undefined);
    const index = bytes && decode(bytes, wanted);
    if (index) return { index, origin: 'read from its file' };
  }
  const index = await indexTar(path, options);
  const bytes = encode(index, wanted);
  for (const place of places) if (await save(place, bytes)) return { index, origin: 'made and saved' };
  return { index, origin: 'made, and could not be saved' };
}

/** Where XDG says that caches go. */
const cacheFolder = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'millrace');

interface Header {
  readonly magic: string;
  readonly version: number;
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly nested: boolean;
}

async function factsOf(path: string): Promise<{ bytes: number; modifiedMs: number }> {
  // a file that is not there is told by indexTar, in plain words
  const { size, mtimeMs } = await stat(path).catch(() => ({ size: -1, mtimeMs: 0 }));
  return { bytes: size, modifiedMs: mtimeMs };
}

/** Whole or not at all: whoever reads meanwhile sees the old file or none. */
async function save(place: string, bytes: Buffer): Promise<boolean> {
  const draft = `${place}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(place), { recursive: true });
    await writeFile(draft, bytes);
    await rename(draft, place);
    return true;
  } catch {
    await rm(draft, { force: true }).catch(() => undefined);
    return false;
  }
}

/** A line of JSON, padded with spaces to a multiple of 8, then the arrays. */
function encode(index: TarIndex, header: Header): Buffer {
  const { groups, offsets, sizes, nameEnds, groupOf, names } = index;
  const line = JSON.stringify({ ...header, groups, files: offsets.length, nameBytes: names.length });
  const text = Buffer.from(line);
  const head = Buffer.concat([text, Buffer.alloc(7 - (text.length % 8), 0x20), Buffer.from('\n')]);
  const arrays = [offsets, sizes, nameEnds, groupOf, names];
  return Buffer.concat([head, ...arrays.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength))]);
}

/** Undefined for anything but a whole index of this version for this very archive. */
function decode(bytes: Buffer, wanted: Header): TarIndex | undefined {
  const end = bytes.indexOf(0x0a);
  if (end < 0) return undefined;
  try {
    const { groups, files, nameBytes, ...header } = JSON.parse(bytes.toString('utf8', 0, end));
    if (JSON.stringify(header) !== JSON.stringify(wanted)) return undefined;
    let at = end + 1;
    const take = (length: number): ArrayBuffer => {
      const part = new Uint8Array(bytes.subarray(at, at + length));
      if (part.length !== length) throw new RangeError('cut off');
      at += length;
      return part.buffer;
    };
    const index: TarIndex = {
      groups,
      offsets: new Float64Array(take(8 * files)),
      sizes: new Uint32Array(take(4 * files)),
      nameEnds: new Uint32Array(take(4 * files)),
      groupOf: new Uint16Array(take(2 * files)),
      names: new Uint8Array(take(nameBytes)),
    };
    return at === bytes.length ? index : undefined;
  } catch {
    return undefined;
  }
}
