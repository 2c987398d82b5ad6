import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import type { Picture } from './sample.ts';
import { systemPath } from './systemPath.ts';

/** A longer file is no picture but a mistake, which should not be read into memory. */
export const mostFileBytes = 2 ** 28;

/** Archives that stay open in this thread, the one used last at the end. */
const open = new Map<string, number>();
const mostOpen = 16;

/** The encoded bytes of a picture that has any. Reads synchronously: for worker threads. Errors are reasons in plain words. */
export function encodedBytes(picture: Exclude<Picture, { kind: 'raw' }>, allocate: Allocate = Buffer.allocUnsafe): Uint8Array {
  if (picture.kind === 'encoded') return limited(picture.bytes.length, () => picture.bytes);
  try {
    return picture.kind === 'file' ? fileBytes(picture.path, allocate) : rangeBytes(picture, allocate);
  } catch (error) {
    throw plainly(error, picture);
  }
}

type Allocate = (bytes: number) => Uint8Array;

/** Pictures are read into it one after the other: fresh memory for each would cost more than the reading. */
let shelf = Buffer.alloc(0);
/** Longer ones do not stay in memory behind their task. */
const mostKept = 2 ** 24;

/** As `encodedBytes`, but valid only until the next call in this thread. */
export function borrowedBytes(picture: Exclude<Picture, { kind: 'raw' }>): Uint8Array {
  return encodedBytes(picture, bytes => {
    if (bytes > mostKept) return Buffer.allocUnsafe(bytes);
    if (bytes > shelf.length) shelf = Buffer.allocUnsafeSlow(Math.min(mostKept, 2 * bytes));
    return shelf.subarray(0, bytes);
  });
}

function fileBytes(path: string, allocate: Allocate): Uint8Array {
  // not to wait for what a pipe may never bring
  const fd = openSync(systemPath(path), constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const facts = fstatSync(fd);
    if (facts.isDirectory()) throw new Error('it is a folder');
    if (!facts.isFile()) throw new Error('it is a pipe or a device, not a file');
    return filled(limited(facts.size, allocate), fd, 0).content;
  } finally {
    closeSync(fd);
  }
}

function rangeBytes({ path, offset, bytes }: Picture & { kind: 'range' }, allocate: Allocate): Uint8Array {
  const { content, whole, length } = filled(limited(bytes, allocate), openOnce(path), offset);
  if (whole) return content;
  throw new Error(`the archive ends at byte ${offset + length}, before the image does: it changed since it was indexed`);
}

/** Room for so many bytes, unless they are too many. */
function limited(bytes: number, allocate: Allocate): Uint8Array {
  if (bytes <= mostFileBytes) return allocate(bytes);
  throw new Error(`it has ${bytes} bytes, more than a picture may have (${mostFileBytes})`);
}

/** Shorter where the file ends before. */
function filled(buffer: Uint8Array, fd: number, offset: number): { content: Uint8Array; whole: boolean; length: number } {
  let length = 0;
  while (length < buffer.length) {
    const bytes = readSync(fd, buffer, length, buffer.length - length, offset + length);
    if (bytes === 0) break;
    length += bytes;
  }
  const whole = length === buffer.length;
  return { content: whole ? buffer : buffer.subarray(0, length), whole, length };
}

function openOnce(path: string): number {
  const fd = open.get(path) ?? openSync(path, 'r');
  open.delete(path);
  open.set(path, fd);
  if (open.size > mostOpen) {
    const [oldest, unused] = open.entries().next().value!;
    closeSync(unused);
    open.delete(oldest);
  }
  return fd;
}

/** What the system's codes mean for a picture. */
function plainly(error: unknown, { kind, path }: Picture & { kind: 'file' | 'range' }): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  const what = kind === 'file' ? 'the file' : 'the archive';
  if (code === undefined) return error as Error;
  if (code === 'ENOENT' && isLink(path)) return new Error('it is a link to nothing');
  if (code === 'ENOENT' || code === 'ENOTDIR') return new Error(`${what} does not exist`);
  if (code === 'ELOOP') return new Error('it is a link that leads back to itself');
  if (code === 'EACCES' || code === 'EPERM') return new Error(`permission to read ${what} is denied`);
  if (code === 'EMFILE') return new Error('too many files are open in this process (see ulimit -n)');
  return new Error(`the system cannot read ${what} (${message})`);
}

function isLink(path: string): boolean {
  return lstatSync(systemPath(path), { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}
