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
  /** The next piece of work of the running launch. */
  next: 4,
  count: 16,
} as const;

export const action = { stop: -1, load: -2 } as const;

export interface LoadedLaunch {
  /** Named when it fails. */
  readonly label: string;
  readonly module: WebAssembly.Module;
  readonly math: readonly string[];
  readonly units: number;
}
export interface WorkerSetup {
  readonly control: SharedArrayBuffer;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly threads: number;
}
/** main → compute thread, read when `action.load` is commanded. */
export interface LoadMessage {
  readonly segment: number;
  readonly launches: readonly LoadedLaunch[] | undefined;
}
/** compute thread → main, from thread 0 when all are done; from any thread when one failed. */
export type DoneMessage = { readonly done: number } | { readonly failed: string };
