import { type FileHandle, open, rename, rm } from 'node:fs/promises';

/** Names of 65,536 archives fit in. */
const mostHeadBytes = 2 ** 24;

/**
 * Writes a line of JSON, padded with spaces to a multiple of 8, then the arrays. Whole or not at all: whoever reads meanwhile
 * sees the old file or none. Throws the system's error.
 */
export async function writeArrays(place: string, head: object, arrays: readonly NodeJS.ArrayBufferView[]): Promise<void> {
  const text = Buffer.from(JSON.stringify(head));
  const draft = `${place}.${process.pid}.tmp`;
  try {
    const file = await open(draft, 'w');
    try {
      await file.writeFile(text);
      await file.writeFile(`${' '.repeat(7 - (text.length % 8))}\n`);
      for (const array of arrays) await file.writeFile(bytesOf(array));
    } finally {
      await file.close();
    }
    await rename(draft, place);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
}

/**
 * Reads such a file into arrays that `allocate` makes when it has seen the head. Undefined if there is no such file, or it is
 * cut off or none, or `allocate` does not want it. Arrays are filled where they stay: a copy of 50 MB would count.
 */
export async function readArrays<T>(
  place: string,
  // biome-ignore lint/suspicious/noExplicitAny: whatever was written; a head that is none makes `allocate` throw, which is caught
  allocate: (head: any) => { readonly value: T; readonly arrays: readonly NodeJS.ArrayBufferView[] } | undefined,
): Promise<T | undefined> {
  const file = await open(place, 'r').catch(() => undefined);
  if (!file) return undefined;
  try {
    const head = await lineOf(file);
    const made = head === undefined ? undefined : allocate(JSON.parse(head));
    if (head === undefined || !made) return undefined;
    let at = Buffer.byteLength(head) + 1;
    const bytes = made.arrays.reduce((sum, { byteLength }) => sum + byteLength, at);
    if ((await file.stat()).size !== bytes) return undefined;
    for (const array of made.arrays) {
      await fill(file, bytesOf(array), at);
      at += array.byteLength;
    }
    return made.value;
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

async function fill(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let filled = 0; filled < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, at + filled);
    if (bytesRead === 0) throw new RangeError('cut off');
    filled += bytesRead;
  }
}

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

const bytesOf = ({ buffer, byteOffset, byteLength }: NodeJS.ArrayBufferView): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);
