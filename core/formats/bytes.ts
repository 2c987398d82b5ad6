import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { fail, MillraceError } from '../errors.ts';
import { unreadable } from './unreadable.ts';

/** 64 KiB: large enough that calls do not count, small enough that a stream holds next to nothing. */
const chunkBytes = 65536;

/** A file's content as it is streamed, unpacked if it was gzipped. */
export interface ByteStream {
  /** Paused until read, so at most a few chunks are in memory. Destroying it closes the file. */
  readonly stream: Readable;
  readonly gzipped: boolean;
  /** How far the file itself (not what it unpacks to) has been read. */
  readonly bytesRead: number;
  /** The plain error for whatever the stream failed with; `place` says what was being read. */
  trouble(error: unknown, place?: string): MillraceError;
}

/**
 * Opens a file for streaming. Gzip is recognised by its first bytes; a file named .gz or .tgz without them is an error.
 * The signal closes it. Throws a plain error if the file cannot be opened or is empty. A plain file may be begun at byte `start`.
 */
export async function openBytes(path: string, signal?: AbortSignal, start = 0): Promise<ByteStream> {
  const handle = await open(path, 'r').catch(error => {
    throw unreadable(path, 'a file that can be read', error);
  });
  const magic = Buffer.alloc(2);
  try {
    const { bytesRead } = await handle.read(magic, 0, 2, 0);
    if (bytesRead === 0) throw fail('data', path, 'data', 'an empty file', 'Fetch or make the file again.');
  } catch (error) {
    await handle.close();
    throw error instanceof MillraceError ? error : unreadable(path, 'a file that can be read', error);
  }
  const gzipped = magic[0] === 0x1f && magic[1] === 0x8b;
  if (!gzipped && /\.(gz|tgz)$/i.test(path)) {
    await handle.close();
    const got = `first bytes ${[...magic].map(byte => byte.toString(16).padStart(2, '0')).join(' ')}`;
    throw fail(
      'data',
      path,
      'gzip data (first bytes 1f 8b), as its name says',
      got,
      'Fetch the file again, or take .gz off its name if it is not packed.',
    );
  }

  const file = handle.createReadStream({ start, highWaterMark: chunkBytes });
  const stream = gzipped
    ? // A failure of the file or of zlib destroys the returned stream with that failure: whoever reads it gets it there.
      pipeline(file, createGunzip({ chunkSize: chunkBytes }), () => {})
    : file;
  if (signal) {
    const close = () => stream.destroy();
    if (signal.aborted) close();
    signal.addEventListener('abort', close, { once: true });
    stream.once('close', () => signal.removeEventListener('abort', close));
  }

  return {
    stream,
    gzipped,
    get bytesRead() {
      return file.bytesRead;
    },
    trouble(error, place = '') {
      if (error instanceof MillraceError) return error;
      const code = (error as NodeJS.ErrnoException).code ?? '';
      const at = `at byte ${file.bytesRead} of the file${place && `, ${place}`}`;
      if (code === 'Z_BUF_ERROR') {
        return fail(
          'data',
          path,
          'complete gzip data',
          `its end too early, ${at}`,
          `${basename(path)} was cut off: fetch or make it again.`,
          error,
        );
      }
      if (code.startsWith('Z_')) {
        return fail(
          'data',
          path,
          'sound gzip data',
          `"${(error as Error).message}" ${at}`,
          `${basename(path)} is damaged: fetch or make it again.`,
          error,
        );
      }
      return unreadable(path, 'a file that can be read to its end', error);
    },
  };
}
