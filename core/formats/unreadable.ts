import { fail, type MillraceError } from '../errors.ts';

/** The plain error for a file or folder that the system would not let us read. */
export function unreadable(path: string, expected: string, error: unknown): MillraceError {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  const [got, fix] = reasons[code] ?? [
    `a failure (${error instanceof Error ? error.message : String(error)})`,
    'See that the disk is there and the file is whole.',
  ];
  return fail('data', path, expected, got, fix, error);
}

const reasons: Readonly<Record<string, readonly [got: string, fix: string]>> = {
  ENOENT: ['nothing of that name', 'Check the path for a typing error, relative to the folder you are in.'],
  ENOTDIR: ['a file', 'Give the folder that holds the data, not a file in it.'],
  EISDIR: ['a folder', 'Give the file itself.'],
  EACCES: ['permission denied', 'Make it readable for this user, for example with chmod -R u+rX.'],
  EPERM: ['permission denied', 'Make it readable for this user, for example with chmod -R u+rX.'],
  EMFILE: ['too many open files in this process', 'Raise the limit (ulimit -n) or use fewer workers.'],
};
