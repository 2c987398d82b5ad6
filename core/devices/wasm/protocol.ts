/**
 * How the main thread and the compute threads of the wasm device talk: a few 32-bit cells in shared memory and one
 * message port each. The main thread never waits; compute threads wait on `command` between segments.
 */
export const cell = {
  /** Counts commands; a change wakes the compute threads. */
  command: 0,
  /** What to do: an index of a segment, or one of `action`. */
  action: 1,
  /** The barrier between launches: who has arrived, and how often everybody did. */
  arrived: 2,
  generation: 3,
  /** The next claim of the running launch. */
  next: 4,
  count: 16,
} as const;

export const action = { stop: -1, load: -2 } as const;

/** A kernel of gpu.js in a module of its own, or a call of a routine of the library. */
export type LoadedLaunch = {
  /** Named when it fails. */
  readonly label: string;
  /** Units at which each claim of a thread begins, and last how many units there are. */
  readonly claims: readonly number[];
} & (
  | { readonly module: WebAssembly.Module; readonly math: readonly string[] }
  | { readonly routine: string; readonly arguments: readonly number[] }
);
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
  /** From now on thread 0 writes the milliseconds of each launch here; undefined ends that. */
  | { readonly times: SharedArrayBuffer | undefined };
/** compute thread → main, from thread 0 when all are done; from any thread when one failed. */
export type DoneMessage = { readonly done: number } | { readonly failed: string };
