import { createHash, randomUUID } from 'node:crypto';
import { constants, copyFileSync, linkSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { fail, unwritable } from '../../core/index.ts';

/** Lies in a run folder while a process works in it. */
export const lockFile = 'run.lock';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process was started, in the system's own count, where it tells: numbers of processes come again. */
  readonly began?: string;
}

/** A lock with nothing in it is being written, or was left so: for as long it is the former. */
const writingMs = 2000;
const mostTries = 5;

/**
 * Takes a run folder for this process; call what it returns to give it back, more than once if need be. A lock that a killed process left is
 * taken over, by one process however many try at the same moment.
 * Errors: another process has it, on this machine or another.
 */
export function lockRun(folder: string): () => void {
  const path = join(folder, lockFile);
  // of this call alone, so that a lock that is seen again is the same one
  const id = randomUUID();
  const own: Own = { id, text: JSON.stringify({ ...holderOf(process.pid), id }) };
  const other = acquire(path, own);
  if (other) throw taken(folder, path, other.holder);
  sweep(folder);
  return () => release(path, own);
}

interface Own {
  readonly id: string;
  readonly text: string;
}

/**
 * Returns who has it, as far as that is known, if another process does.
 *
 * A stale lock is replaced by whoever holds a second lock, named after the stale one's text: since no two locks have the same text, whoever
 * gets that one later finds another text in the first, and leaves it alone. The second one is taken in the same way, as its holder may be killed too.
 */
function acquire(path: string, own: Own): { readonly holder: Holder | undefined } | undefined {
  for (let tries = 0; ; tries++) {
    if (put(path, own, linkOnce)) return undefined;
    const text = textOf(path);
    if (text === undefined && tries < mostTries) continue;
    const holder = parse(text);
    if (text === undefined || tries >= mostTries || !isStale(path, holder)) return { holder };
    const claim = `${path}.${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
    const other = acquire(claim, own);
    if (other) return other;
    try {
      if (textOf(path) === text && put(path, own, renameSync)) return undefined;
    } finally {
      release(claim, own);
    }
  }
}

/** Writes the whole text aside and moves it to its place. False where another lock is in the way, or took away what lay aside. */
function put(path: string, { id, text }: Own, move: (from: string, to: string) => void): boolean {
  const aside = `${path}.${id.slice(0, 8)}.part`;
  try {
    writeFileSync(aside, text, { flag: 'wx' });
    move(aside, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOENT') return missingFolder(path, error);
    throw unwritable(path, error);
  } finally {
    rmSync(aside, { force: true });
  }
}

/** A folder that is not there is an error, unlike a file that another process has swept. */
function missingFolder(path: string, error: unknown): false {
  if (statSync(dirname(path), { throwIfNoEntry: false })) return false;
  throw unwritable(path, error);
}

/** Fails where there is a file already. On disks without hard links it is seen while it is written, which `writingMs` is for. */
function linkOnce(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    copyFileSync(from, to, constants.COPYFILE_EXCL);
  }
}

function release(path: string, { text }: Own): void {
  if (textOf(path) === text) rmSync(path, { force: true });
}

/** What was killed while it took the folder left locks of locks that are no more: nobody can get anything by them. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) if (name.startsWith(`${lockFile}.`)) rmSync(join(folder, name), { force: true });
}

function taken(folder: string, path: string, holder: Holder | undefined): Error {
  const who = holder ? `process ${holder.pid}${holder.host === hostname() ? '' : ` on ${holder.host}`}` : 'another process';
  const fix = `Wait until it has ended, or stop it. If it is no run any more, remove ${path}.`;
  return fail('usage', `run folder ${folder}`, 'one that no other process works in', `one that ${who} has`, fix);
}

function isStale(path: string, holder: Holder | undefined): boolean {
  if (!holder) return Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) > writingMs;
  // of another machine nothing is known
  if (holder.host !== hostname()) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // one that may not be asked is there
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  const { began } = holderOf(holder.pid);
  return began !== undefined && holder.began !== undefined && began !== holder.began;
}

function holderOf(pid: number): Holder {
  const began = beganOf(pid);
  return { pid, host: hostname(), ...(began !== undefined && { began }) };
}
/** Linux: field 22 of /proc/PID/stat, in ticks since the machine was started; the second field is a name in brackets. */
function beganOf(pid: number): string | undefined {
  return textOf(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ')[19];
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
function parse(text: string | undefined): Holder | undefined {
  try {
    const { pid, host, began } = JSON.parse(text ?? '') as Partial<Holder>;
    return Number.isInteger(pid) && typeof host === 'string' ? { pid: pid!, host, ...(typeof began === 'string' && { began }) } : undefined;
  } catch {
    return undefined;
  }
}
