import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fail } from '../errors.ts';
import { unreadable } from './unreadable.ts';

/**
 * Where the files of an archive lie, sorted by archive inside and by name, so that each can be read in place. ImageNet's training archive holds a tar for each
 * class; its files are found through both. 1.28 million files take about 45 MB.
 */
export interface TarIndex {
  /** Names of the archives inside, without `.tar`, sorted; empty if the files lie in the archive itself. */
  readonly groups: readonly string[];
  /** For each file the group it is in; all 0 without groups. */
  readonly groupOf: Uint16Array;
  /** First byte in the (outer) archive. */
  readonly offsets: Float64Array;
  readonly sizes: Uint32Array;
  /** UTF-8, one after the other; `nameEnds[i]` is where name i ends. */
  readonly names: Uint8Array;
  readonly nameEnds: Uint32Array;
  /** Archives that end without tar's end mark, which may have been cut off between two files: groups, or '' for the archive itself. */
  readonly unended: readonly string[];
}
export const fileCount = ({ offsets }: TarIndex): number => offsets.length;
export function fileName({ names, nameEnds }: TarIndex, i: number): string {
  return decoder.decode(names.subarray(i === 0 ? 0 : nameEnds[i - 1], nameEnds[i]));
}
const decoder = new TextDecoder();

export interface TarIndexOptions {
  /** Look into archives inside the archive. */
  readonly nested: boolean;
  readonly signal?: AbortSignal;
  /** Told now and then how far it is. */
  readonly progress?: (state: { readonly files: number; readonly bytes: number; readonly of: number }) => void;
}

const BLOCK = 512;
/** How long headers are read before other work of the thread gets its turn. */
const turnMs = 8;
const mostGroups = 65_536;
/** Names and records of headers are shorter by far: more is no header. */
const mostHeaderBytes = 2 ** 20;

/**
 * Reads the headers of an uncompressed tar archive, not its contents: ustar names with prefixes, GNU's and POSIX's long
 * names, sizes beyond 8 GB. Source: POSIX.1-2017, "pax Interchange Format"; GNU tar manual, "Basic Tar Format".
 * Errors name the archive and the byte: empty, cut off, no tar, compressed, a header whose checksum is wrong, two archives of one name.
 */
export async function indexTar(path: string, { nested, signal, progress }: TarIndexOptions): Promise<TarIndex> {
  const total = sizeOf(path);
  if (total === 0) throw fail('data', path, 'a tar archive', 'an empty file', 'Fetch or make it again.');
  const found = new Collector();
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw unreadable(path, 'a file that can be read', error);
  }
  try {
    const walk = walkTar(path, fd, { start: 0, end: total, within: '' }, nested, found);
    let turnEnds = performance.now() + turnMs;
    for (const at of walk) {
      if (performance.now() < turnEnds) continue;
      signal?.throwIfAborted();
      progress?.({ files: found.count, bytes: at, of: total });
      await nextTurn();
      turnEnds = performance.now() + turnMs;
    }
  } finally {
    closeSync(fd);
  }
  return found.finish();
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    throw unreadable(path, 'a file that can be read', error);
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
  /** Name of the archive inside, for errors. */
  readonly within: string;
}

/** Yields the byte at which each header was read. */
function* walkTar(path: string, fd: number, { start, end, within }: Range, nested: boolean, found: Collector): Generator<number> {
  const where = within ? `${path}, archive ${JSON.stringify(within)} in it` : path;
  const header = Buffer.alloc(BLOCK);
  let longName: string | undefined;
  let longSize: number | undefined;
  for (let at = start; at < end; ) {
    const whole = read(fd, header, at) === BLOCK && at + BLOCK <= end;
    if (!whole) throw at === start ? noHeader(where, at, header) : cutOff(where, at);
    yield at;
    // two blocks of zeros end an archive; one is enough to know
    if (header.every(byte => byte === 0)) return;
    if (!checksumHolds(header)) throw noHeader(where, at, header);
    const type = String.fromCharCode(header[156]);
    const size = longSize ?? numberAt(header, 124, 12);
    const content = at + BLOCK;
    const extended = type === 'L' || type === 'x';
    if (!(size >= 0) || (extended && size > mostHeaderBytes)) throw noHeader(where, at, header);
    if (content + size > end) throw cutOff(where, at, longName ?? nameOf(header));
    if (type === 'L') longName = textAt(readAll(fd, content, size));
    else if (type === 'x') ({ name: longName = longName, size: longSize = longSize } = paxRecords(readAll(fd, content, size)));
    else {
      const name = longName ?? nameOf(header);
      if (type === '0' || type === '\0' || type === '7') {
        if (nested && name.endsWith('.tar')) {
          found.enter(where, groupName(name));
          yield* walkTar(path, fd, { start: content, end: content + size, within: name }, false, found);
        } else if (!nested) found.add(name, content, size);
      }
      longName = undefined;
      longSize = undefined;
    }
    at = content + Math.ceil(size / BLOCK) * BLOCK;
  }
  found.unended.push(within ? groupName(within) : '');
}

/** Files as they are found, in arrays that grow. */
class Collector {
  count = 0;
  readonly unended: string[] = [];
  readonly #groups: string[] = [];
  readonly #known = new Set<string>();
  #groupOf = new Uint16Array(1024);
  #offsets = new Float64Array(1024);
  #sizes = new Uint32Array(1024);
  #nameEnds = new Uint32Array(1024);
  #names = Buffer.alloc(1 << 16);
  #nameBytes = 0;

  enter(where: string, group: string): void {
    if (this.#groups.length === mostGroups) {
      throw fail('data', where, `at most ${mostGroups} archives inside`, 'more', 'Give an archive of images or of class archives.');
    }
    if (this.#known.has(group)) {
      throw fail('data', where, 'archives of different names inside', `${group}.tar twice`, 'Pack it again with one of them.');
    }
    this.#known.add(group);
    this.#groups.push(group);
  }
  add(name: string, offset: number, size: number): void {
    const i = this.count++;
    if (i === this.#offsets.length) {
      this.#groupOf = grown(this.#groupOf);
      this.#offsets = grown(this.#offsets);
      this.#sizes = grown(this.#sizes);
      this.#nameEnds = grown(this.#nameEnds);
    }
    const bytes = Buffer.byteLength(name);
    if (this.#nameBytes + bytes > this.#names.length) {
      const larger = Buffer.alloc(Math.max(2 * this.#names.length, this.#nameBytes + bytes));
      this.#names.copy(larger);
      this.#names = larger;
    }
    this.#names.write(name, this.#nameBytes);
    this.#nameBytes += bytes;
    this.#nameEnds[i] = this.#nameBytes;
    this.#groupOf[i] = Math.max(0, this.#groups.length - 1);
    this.#offsets[i] = offset;
    this.#sizes[i] = size;
  }
  finish(): TarIndex {
    const { count } = this;
    const groups = this.#groups.toSorted();
    const order = this.#order(groups);
    const place = new Map(groups.map((group, at) => [group, at]));
    const places = Uint16Array.from(this.#groups, group => place.get(group)!);
    const index = {
      groups,
      groupOf: new Uint16Array(count),
      offsets: new Float64Array(count),
      sizes: new Uint32Array(count),
      names: new Uint8Array(this.#nameBytes),
      nameEnds: new Uint32Array(count),
      unended: this.unended.toSorted(),
    };
    let end = 0;
    for (let to = 0; to < count; to++) {
      const from = order[to];
      // 0 without groups
      index.groupOf[to] = places[this.#groupOf[from]] ?? 0;
      index.offsets[to] = this.#offsets[from];
      index.sizes[to] = this.#sizes[from];
      end += this.#names.copy(index.names, end, this.#nameStart(from), this.#nameEnds[from]);
      index.nameEnds[to] = end;
    }
    return index;
  }

  #nameStart(i: number): number {
    return i === 0 ? 0 : this.#nameEnds[i - 1];
  }
  /** By archive inside, then by the bytes of the name: a group's files lie side by side, so each is sorted by itself. */
  #order(sorted: readonly string[]): Uint32Array {
    const { count } = this;
    const starts = new Map<string, number>();
    for (let i = 0; i < count; i++) {
      if (i === 0 || this.#groupOf[i] !== this.#groupOf[i - 1]) starts.set(this.#groups[this.#groupOf[i]] ?? '', i);
    }
    const order = new Uint32Array(count);
    let at = 0;
    for (const group of this.#groups.length > 0 ? sorted : ['']) {
      const start = starts.get(group);
      if (start === undefined) continue;
      let end = start + 1;
      while (end < count && this.#groupOf[end] === this.#groupOf[start]) end++;
      order.set(this.#byName(start, end), at);
      at += end - start;
    }
    return order;
  }
  /** Latin-1 strings compare as their bytes do, and twenty times as fast as slices of the names. */
  #byName(start: number, end: number): Uint32Array {
    const order = Uint32Array.from({ length: end - start }, (_, i) => start + i);
    const names = Array.from(order, i => this.#names.toString('latin1', this.#nameStart(i), this.#nameEnds[i]));
    if (names.every((name, i) => i === 0 || names[i - 1] < name)) return order;
    return order.sort((a, b) => {
      const [one, other] = [names[a - start], names[b - start]];
      // files of one name keep the order in which they lie
      return one < other ? -1 : one > other ? 1 : a - b;
    });
  }
}

function grown<A extends Uint16Array | Uint32Array | Float64Array>(array: A): A {
  const larger = new (array.constructor as new (length: number) => A)(2 * array.length);
  larger.set(array);
  return larger;
}

function read(fd: number, into: Buffer, at: number): number {
  let filled = 0;
  while (filled < into.length) {
    const bytes = readSync(fd, into, filled, into.length - filled, at + filled);
    if (bytes === 0) break;
    filled += bytes;
  }
  return filled;
}
function readAll(fd: number, at: number, size: number): Buffer {
  const buffer = Buffer.alloc(size);
  read(fd, buffer, at);
  return buffer;
}

/** The sum of the header's bytes with its own field taken for spaces. */
function checksumHolds(header: Buffer): boolean {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : header[i];
  return sum === numberAt(header, 148, 8);
}
/** Octal digits, or GNU's base 256 where the first bit is set. */
function numberAt(header: Buffer, start: number, length: number): number {
  if (header[start] & 0x80) {
    let value = header[start] & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + header[start + i];
    return value;
  }
  return Number.parseInt(textAt(header.subarray(start, start + length)).trim() || '0', 8);
}
function textAt(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}
function nameOf(header: Buffer): string {
  const name = textAt(header.subarray(0, 100));
  const prefix = header.toString('latin1', 257, 262) === 'ustar' && header[263] === 0x30 ? textAt(header.subarray(345, 500)) : '';
  return prefix ? `${prefix}/${name}` : name;
}
/** Records of `<length> <key>=<value>\n`. */
function paxRecords(bytes: Buffer): { name?: string; size?: number } {
  const records: { name?: string; size?: number } = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString('latin1', at, space));
    if (!(length > 0)) break;
    const [key, value] = bytes.toString('utf8', space + 1, at + length - 1).split(/=(.*)/s);
    if (key === 'path') records.name = value;
    if (key === 'size') records.size = Number(value);
    at += length;
  }
  return records;
}
/** `train/n01440764.tar` → `n01440764`. */
const groupName = (name: string): string => name.slice(name.lastIndexOf('/') + 1, -'.tar'.length);

function cutOff(where: string, at: number, name?: string) {
  const got = `its end ${name === undefined ? 'in a header' : `inside entry ${JSON.stringify(name)}`}, which begins at byte ${at}`;
  return fail('data', where, 'a complete tar archive', got, 'It was cut off: fetch or make it again.');
}
function noHeader(where: string, at: number, header: Buffer) {
  const packed = at === 0 && header[0] === 0x1f && header[1] === 0x8b;
  const got = packed ? 'gzip data, in which nothing can be found without unpacking all before it' : `no valid header at byte ${at}`;
  const fix = packed ? 'Unpack it with gunzip.' : 'It is damaged or no tar file: fetch or make it again.';
  return fail('data', where, 'a plain tar archive', got, fix);
}
