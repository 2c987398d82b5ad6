import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import type { Picture } from './sample.ts';

/** Archives that stay open in this thread, the one used last at the end. */
const open = new Map<string, number>();
const mostOpen = 16;

/** The encoded bytes of a picture that has any. Reads synchronously: for worker threads. Throws the system's error. */
export function encodedBytes(picture: Exclude<Picture, { kind: 'raw' }>): Uint8Array {
  if (picture.kind === 'encoded') return picture.bytes;
  if (picture.kind === 'file') return readFileSync(picture.path);
  const content = Buffer.allocUnsafe(picture.bytes);
  const fd = openOnce(picture.path);
  for (let filled = 0; filled < content.length; ) {
    const bytes = readSync(fd, content, filled, content.length - filled, picture.offset + filled);
    if (bytes === 0)
      throw new Error(`the archive ends at byte ${picture.offset + filled}, before the image does: it changed since it was indexed`);
    filled += bytes;
  }
  return content;
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
