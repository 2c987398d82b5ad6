import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fail } from '../errors.ts';
import { indexTar, type TarIndex, type TarIndexOptions } from './tarIndex.ts';

/** Raised when the format changes: files of another version are made anew. */
const VERSION = 2;
const MAGIC = 'millrace tar index';
/** Names of 65,536 archives inside fit in. */
const mostHeadBytes = 2 ** 24;

/** How an index came about. */
export interface OpenedIndex {
  readonly index: TarIndex;
  /** For people: `read from its file`, `made and saved`, `made and saved in /home/…`, `made, and could not be saved`. */
  readonly origin: string;
}
export interface OpenIndexOptions extends TarIndexOptions {
  /** Throws if the archive is not what is wanted; then nothing is left on the disk. */
  readonly check?: (index: TarIndex) => void;
}

/**
 * The index of an archive: read from `<archive>.index` or from the user's cache folder if one of them was made for an
 * archive of this size and time, else made, and saved beside the archive, or in the cache folder where that may not be
 * written. That it could not be saved is no error but told in `origin`: the index is a convenience.
 * Errors: those of `indexTar` and `check`; an archive that changes meanwhile.
 */
export async function openTarIndex(path: string, { check, ...options }: OpenIndexOptions): Promise<OpenedIndex> {
  const facts = await factsOf(path);
  const beside = `${path}.index`;
  const cached = join(cacheFolder(), `${createHash('sha256').update(resolve(path)).digest('hex').slice(0, 24)}.index`);
  const wanted: Header = { magic: MAGIC, version: VERSION, ...facts, nested: options.nested };
  for (const place of [beside, cached]) {
    const index = await load(place, wanted);
    if (!index) continue;
    check?.(index);
    return { index, origin: 'read from its file' };
  }
  const index = await indexTar(path, options);
  check?.(index);
  const after = await factsOf(path);
  if (after.bytes !== facts.bytes || after.modifiedMs !== facts.modifiedMs) {
    const fix = 'Wait until it has been written, then start again.';
    throw fail('data', path, 'an archive that stays as it is while its index is made', 'another size or time at the end', fix);
  }
  if (await save(beside, index, wanted)) return { index, origin: 'made and saved' };
  if (await save(cached, index, wanted)) return { index, origin: `made and saved in ${cached}` };
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

/** A line of JSON, padded with spaces to a multiple of 8, then the arrays. Whole or not at all: whoever reads meanwhile sees the old file or none. */
async function save(place: string, index: TarIndex, header: Header): Promise<boolean> {
  const { groups, unended, offsets, sizes, nameEnds, groupOf, names } = index;
  const text = Buffer.from(JSON.stringify({ ...header, groups, unended, files: offsets.length, nameBytes: names.length }));
  const draft = `${place}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(place), { recursive: true });
    const file = await open(draft, 'w');
    try {
      await file.writeFile(text);
      await file.writeFile(`${' '.repeat(7 - (text.length % 8))}\n`);
      for (const array of [offsets, sizes, nameEnds, groupOf, names]) await file.writeFile(bytesOf(array));
    } finally {
      await file.close();
    }
    await rename(draft, place);
    return true;
  } catch {
    await rm(draft, { force: true }).catch(() => undefined);
    return false;
  }
}

/** Undefined for anything but a whole index of this version for this very archive. */
async function load(place: string, wanted: Header): Promise<TarIndex | undefined> {
  const file = await open(place, 'r').catch(() => undefined);
  if (!file) return undefined;
  try {
    const head = await lineOf(file);
    if (head === undefined) return undefined;
    const { groups, unended, files, nameBytes, ...header } = JSON.parse(head);
    if (JSON.stringify(header) !== JSON.stringify(wanted)) return undefined;
    let at = Buffer.byteLength(head) + 1;
    if ((await file.stat()).size !== at + 18 * files + nameBytes) return undefined;
    // read where it stays: a copy of 50 MB would count
    const fill = async <A extends NodeJS.ArrayBufferView>(array: A): Promise<A> => {
      const bytes = bytesOf(array);
      for (let filled = 0; filled < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, at + filled);
        if (bytesRead === 0) throw new RangeError('cut off');
        filled += bytesRead;
      }
      at += array.byteLength;
      return array;
    };
    const index: TarIndex = {
      groups,
      unended,
      offsets: await fill(new Float64Array(files)),
      sizes: await fill(new Uint32Array(files)),
      nameEnds: await fill(new Uint32Array(files)),
      groupOf: await fill(new Uint16Array(files)),
      names: await fill(new Uint8Array(nameBytes)),
    };
    return isSound(index, wanted.bytes) ? index : undefined;
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

/** The first line; undefined if there is none that could be one. */
async function lineOf(file: FileHandle): Promise<string | undefined> {
  for (let size = 2 ** 16; size <= mostHeadBytes; size *= 16) {
    const start = Buffer.alloc(size);
    const { bytesRead } = await file.read(start, 0, size, 0);
    const end = start.subarray(0, bytesRead).indexOf(0x0a);
    if (end >= 0) return start.toString('utf8', 0, end);
    if (bytesRead < size) return undefined;
  }
  return undefined;
}

/** Nothing in it points beyond the archive, the groups or the names. */
function isSound({ groups, offsets, sizes, nameEnds, groupOf, names }: TarIndex, bytes: number): boolean {
  const groupCount = Math.max(1, groups.length);
  let before = 0;
  for (let i = 0; i < offsets.length; i++) {
    if (!(offsets[i] >= 0 && offsets[i] + sizes[i] <= bytes && nameEnds[i] >= before && groupOf[i] < groupCount)) return false;
    before = nameEnds[i];
  }
  return before === names.length;
}
