import { basename } from 'node:path';
import { pipeline } from 'node:stream';
import { extract } from 'tar-stream';
import { fail, MillraceError } from '../errors.ts';
import { openBytes } from './bytes.ts';

/** One file of an archive, while the archive is being read. */
export interface TarEntry {
  readonly name: string;
  readonly bytes: number;
  /**
   * Its content, in memory of its own (so that it may be transferred to another thread). Only until the next entry is asked
   * for; an entry that is not read is skipped. Throws when it is longer than `mostBytes`.
   */
  read(mostBytes: number): Promise<Uint8Array>;
}

/**
 * Streams the regular files of a .tar or .tar.gz archive in their order. Nothing is read ahead of the consumer but stream
 * buffers (about 64 KiB each); leaving the loop or aborting the signal closes the file.
 *
 * Errors name the archive and the entry or the byte: a truncated archive, one that is no tar, bad or truncated gzip.
 * An archive that ends between two entries without tar's end mark passes, as in GNU tar.
 */
export async function* readTar(path: string, signal?: AbortSignal): AsyncGenerator<TarEntry, void, undefined> {
  const bytes = await openBytes(path, signal);
  const unpack = extract();
  let position = 0;
  let place = '';
  let failure: unknown;
  pipeline(bytes.stream, unpack, error => {
    failure = error ?? undefined;
  });

  try {
    for await (const entry of unpack) {
      const { name, type, size = 0 } = entry.header;
      if (type !== 'file' && type !== 'contiguous-file') {
        entry.resume();
        continue;
      }
      position = byteOffset(entry.header);
      place = `in entry ${JSON.stringify(name)}`;
      let asked = false;
      yield {
        name,
        bytes: size,
        async read(mostBytes) {
          if (size > mostBytes) {
            throw fail(
              'data',
              `${path}, entry ${JSON.stringify(name)}`,
              `at most ${mostBytes} bytes`,
              `${size} bytes`,
              'Make the shard again without the oversized file.',
            );
          }
          asked = true;
          const content = new Uint8Array(size);
          let filled = 0;
          try {
            for await (const chunk of entry as AsyncIterable<Uint8Array>) {
              content.set(chunk, filled);
              filled += chunk.length;
              position += chunk.length;
            }
          } catch (error) {
            // Explained here as well: this one is thrown in the consumer's loop, not in ours.
            throw explain(failure ?? error);
          }
          return content;
        },
      };
      if (!asked) entry.resume();
      place = `after entry ${JSON.stringify(name)}`;
    }
    // The iterator ends quietly when the streams are closed under it.
    if (failure !== undefined) throw failure;
  } catch (error) {
    throw explain(failure ?? error);
  } finally {
    bytes.stream.destroy();
    unpack.destroy();
  }

  function explain(error: unknown): MillraceError {
    if (error instanceof MillraceError) return error;
    const message = error instanceof Error ? error.message : String(error);
    const at = `at byte ${position} of the ${bytes.gzipped ? 'unpacked ' : ''}archive${place ? `, ${place}` : ''}`;
    if (message === 'Unexpected end of data') {
      return fail(
        'data',
        path,
        'a complete tar archive',
        `its end too early, ${at}`,
        `${basename(path)} was cut off: fetch or make it again.`,
        error,
      );
    }
    if (/^Invalid tar header|^Invalid header|^Header exceeds/.test(message)) {
      return fail(
        'data',
        path,
        'a tar archive',
        `no valid tar header ${at}`,
        `${basename(path)} is damaged or no tar file: fetch or make it again.`,
        error,
      );
    }
    return bytes.trouble(error, place);
  }
}

/** Where an entry's content begins; tar-stream gives it, its types do not say so. */
function byteOffset(header: object): number {
  return 'byteOffset' in header && typeof header.byteOffset === 'number' ? header.byteOffset : 0;
}
