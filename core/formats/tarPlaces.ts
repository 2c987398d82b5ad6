import { readSync } from 'node:fs';
import { fail } from '../errors.ts';

/** A part of a file that holds an archive. */
export interface TarRange {
  readonly start: number;
  readonly end: number;
  /** Name of the archive inside another one, for errors; '' for the file itself. */
  readonly within: string;
}
/** An entry of an archive. */
export interface TarPlace {
  readonly name: string;
  /** True for files; false for folders, links and others. */
  readonly file: boolean;
  /** First byte of the content, from the start of the (outer) file. */
  readonly offset: number;
  readonly size: number;
}

const BLOCK = 512;
/** Names and records of headers are shorter by far: more is no header. */
const mostHeaderBytes = 2 ** 20;

/**
 * The entries of an uncompressed tar archive in their order; reads headers, not contents: ustar names with prefixes, GNU's and
 * POSIX's long names, sizes beyond 8 GB. Source: POSIX.1-2017, "pax Interchange Format"; GNU tar manual, "Basic Tar Format".
 * Returns whether there is tar's end mark; without it the archive may have been cut off between two entries.
 * Errors name the archive and the byte: cut off, no tar, compressed, a header whose checksum is wrong.
 */
export function* tarPlaces(path: string, fd: number, { start, end, within }: TarRange): Generator<TarPlace, boolean> {
  const where = within ? `${path}, archive ${JSON.stringify(within)} in it` : path;
  const header = Buffer.alloc(BLOCK);
  let longName: string | undefined;
  let longSize: number | undefined;
  for (let at = start; at < end; ) {
    const whole = read(fd, header, at) === BLOCK && at + BLOCK <= end;
    if (!whole) throw at === start ? noHeader(where, at, header) : cutOff(where, at);
    // two blocks of zeros end an archive; one is enough to know
    if (header.every(byte => byte === 0)) return true;
    if (!checksumHolds(header)) throw noHeader(where, at, header);
    const type = String.fromCharCode(header[156]);
    const size = longSize ?? numberAt(header, 124, 12);
    const offset = at + BLOCK;
    const extended = type === 'L' || type === 'x';
    if (!(size >= 0) || (extended && size > mostHeaderBytes)) throw noHeader(where, at, header);
    if (offset + size > end) throw cutOff(where, at, longName ?? nameOf(header));
    if (type === 'L') longName = textAt(readAll(fd, offset, size));
    else if (type === 'x') ({ name: longName = longName, size: longSize = longSize } = paxRecords(readAll(fd, offset, size)));
    else {
      yield { name: longName ?? nameOf(header), file: type === '0' || type === '\0' || type === '7', offset, size };
      longName = undefined;
      longSize = undefined;
    }
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
  }
  return false;
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
