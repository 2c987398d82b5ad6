import { open, rename, rm } from 'node:fs/promises';
import { fail } from '../errors.ts';

/**
 * Puts files in place at once, or not at all: everything is written and flushed beside its target first, and only then
 * renamed. A full disk or a crash leaves what was there before, whole.
 */
export async function writeAtomically(files: Iterable<readonly [path: string, bytes: Uint8Array | string]>): Promise<void> {
  const written: { readonly temporary: string; readonly path: string }[] = [];
  try {
    for (const [path, bytes] of files) {
      const temporary = `${path}.${process.pid}.part`;
      written.push({ temporary, path });
      try {
        const file = await open(temporary, 'w');
        try {
          await file.writeFile(bytes);
          await file.sync();
        } finally {
          await file.close();
        }
      } catch (error) {
        throw unwritable(path, error);
      }
    }
    for (const { temporary, path } of written) {
      try {
        await rename(temporary, path);
      } catch (error) {
        throw unwritable(path, error);
      }
    }
  } catch (error) {
    await Promise.all(written.map(({ temporary }) => rm(temporary, { force: true }).catch(() => undefined)));
    throw error;
  }
}

/** The plain error for a file or folder that could not be written. */
export function unwritable(path: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  const [got, fix] = reasons[code] ?? [
    `a failure (${error instanceof Error ? error.message : String(error)})`,
    'See that the disk is there and give another place with --out.',
  ];
  return fail('data', path, 'a place that can be written', got, fix, error);
}

const reasons: Readonly<Record<string, readonly [got: string, fix: string]>> = {
  ENOSPC: ['a full disk', 'Free some space, or give another place with --out. What was there before is unharmed.'],
  EDQUOT: ['a used-up quota', 'Free some space, or give another place with --out. What was there before is unharmed.'],
  EACCES: ['permission denied', 'Make the folder writable for this user, or give another place with --out.'],
  EPERM: ['permission denied', 'Make the folder writable for this user, or give another place with --out.'],
  EROFS: ['a read-only disk', 'Give another place with --out.'],
  ENOENT: ['a folder that is not there', 'Make the folder first, or give another place with --out.'],
  ENOTDIR: ['a file in the place of a folder', 'Give another place with --out.'],
  EEXIST: ['a file in the place of a folder', 'Give another place with --out.'],
};
