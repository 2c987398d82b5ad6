/**
 * How the main thread and the compute threads of the wasm device talk: a few 32-bit cells in shared memory and one
 * message port each. The main thread never waits; compute threads wait on `command` between segments.
 */
export const cell = {
  /** Counts commands; a change wakes the compute threads. */
  command: 0,
  /** How many claims have been taken, and how many are done, of all segments so far. */
  next: 1,
  done: 2,
  /** How many threads have carried out the load command at work. */
  loaded: 3,
  /** Two cells for a command, at `slots + (command & 1) * 2`: an index of a segment or one of `action`, and `done` as it begins. */
  slots: 4,
  count: 8,
} as const;

export const action = { stop: -1, load: -2 } as const;

/** A kernel of gpu.js in a module of its own, or a call of a routine of the library. */
export type LoadedLaunch = {
  /** Named when it fails. */
  readonly label: string;
  /** Units between which the claims of a thread lie, one after another: from 0 to all of them, or from all of them down to 0. */
  readonly claims: readonly number[];
} & (
  | { readonly module: WebAssembly.Module; readonly math: readonly string[] }
  | { readonly routine: string; readonly arguments: readonly number[] }
);
/** The number of the first claim of each launch of a segment, and last how many there are. */
export function firstClaims(launches: readonly LoadedLaunch[]): number[] {
  const firsts = [0];
  for (const { claims } of launches) firsts.push(firsts.at(-1)! + claims.length - 1);
  return firsts;
}

export interface WorkerSetup {
  readonly control: SharedArrayBuffer;
  readonly memory: WebAssembly.Memory;
  readonly library: WebAssembly.Module;
  readonly thread: number;
  readonly threads: number;
}
/** main → compute threads, read when `action.load` is commanded. */
export type LoadMessage =
  | { readonly segment: number; readonly launches: readonly LoadedLaunch[] }
  /** Where each thread's scratch begins, thread 0's first. */
  | { readonly scratch: number; readonly scratchBytes: number }
  /**
   * From now on the begin of a segment and the end of each launch are written here, and then for each launch and thread when it
   * first began and last ended a piece, in milliseconds of the clock that all threads share; undefined ends that.
   */
  | { readonly times: SharedArrayBuffer | undefined };
/** compute thread → main, from the thread that finished the command; from any thread when one failed. */
export type DoneMessage = { readonly done: number } | { readonly failed: string };
