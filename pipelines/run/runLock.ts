import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fail, unwritable } from '../../core/index.ts';

/** Lies in a run folder while a process works in it. */
export const lockFile = 'run.lock';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process was started, in the system's own count, where it tells: numbers of processes come again. */
  readonly began?: string;
}

/** What a file that is just being written may say for as long: nothing. */
const writingMs = 2000;

/**
 * Takes a run folder for this process; call what it returns to give it back, more than once if need be. A lock that a killed process left is taken over.
 * Errors: another process has it, on this machine or another.
 */
export function lockRun(folder: string): () => void {
  const path = join(folder, lockFile);
  const own = JSON.stringify(holderOf(process.pid));
  for (let tries = 0; ; tries++) {
    try {
      writeFileSync(path, own, { flag: 'wx' });
      return () => {
        if (textOf(path) === own) rmSync(path, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(path, error);
    }
    const text = textOf(path);
    if (text === undefined && tries < 5) continue;
    const holder = parse(text);
    if (tries >= 5 || !isStale(path, holder)) throw taken(folder, path, holder);
    takeAway(path, text ?? '');
  }
}

/** Moved before it is removed: what another process put there meanwhile is put back. */
function takeAway(path: string, stale: string): void {
  const aside = `${path}.${process.pid}.part`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw unwritable(path, error);
  }
  if (textOf(aside) === stale) rmSync(aside, { force: true });
  else renameSync(aside, path);
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
