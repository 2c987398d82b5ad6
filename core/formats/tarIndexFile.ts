import { createHash } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fail } from '../errors.ts';
import { readArrays, writeArrays } from './arrayFile.ts';
import { indexTar, type TarIndex, type TarIndexOptions } from './tarIndex.ts';

/** Raised when the format changes: files of another version are made anew. */
const VERSION = 2;
const MAGIC = 'millrace tar index';

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

async function save(
  place: string,
  { groups, unended, offsets, sizes, nameEnds, groupOf, names }: TarIndex,
  header: Header,
): Promise<boolean> {
  try {
    await mkdir(dirname(place), { recursive: true });
    const head = { ...header, groups, unended, files: offsets.length, nameBytes: names.length };
    await writeArrays(place, head, [offsets, sizes, nameEnds, groupOf, names]);
    return true;
  } catch {
    return false;
  }
}

/** Undefined for anything but a whole index of this version for this very archive. */
async function load(place: string, wanted: Header): Promise<TarIndex | undefined> {
  const index = await readArrays(place, ({ groups, unended, files, nameBytes, ...header }) => {
    if (JSON.stringify(header) !== JSON.stringify(wanted)) return undefined;
    const [offsets, sizes, nameEnds] = [new Float64Array(files), new Uint32Array(files), new Uint32Array(files)];
    const [groupOf, names] = [new Uint16Array(files), new Uint8Array(nameBytes)];
    const value: TarIndex = { groups, unended, offsets, sizes, nameEnds, groupOf, names };
    return { value, arrays: [offsets, sizes, nameEnds, groupOf, names] };
  });
  return index && isSound(index, wanted.bytes) ? index : undefined;
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
