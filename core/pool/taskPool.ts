import type { Tuning } from './tuning.ts';

/** Runs named tasks elsewhere. Operators know nothing but this, so that specs can run them at once or in an order of their choice. */
export interface TaskPool {
  /** How many tasks run at once. */
  readonly workers: number;
  /** Of a pool that chooses the number of its workers by what it observes. */
  readonly tuning?: Tuning;
  /**
   * Queues a task; they begin in this order. `done` is called exactly once, unless the ticket's `cancel` took it back; a pool may
   * call it before `submit` returns. Views on shared memory in the input are shared; everything else is copied.
   */
  submit<Input, Output>(task: string, input: Input, done: (end: TaskEnd<Output>) => void): Ticket;
  /** Takes back what has not begun (its `done` is told `closed`) and ends the workers. Settles within a second. */
  close(): Promise<void>;
}
export type TaskEnd<Output> =
  | ({ readonly ok: true; readonly value: Output } & TaskTimes)
  /** The task threw, its thread died under it again and again, it came too late, or there are no threads at all. */
  | ({ readonly ok: false; readonly kind: 'failed' | 'crashed' | 'closed' | 'broken'; readonly reason: string } & Partial<TaskTimes>);
export interface TaskTimes {
  /** In the worker, without the way there and back. */
  readonly busyMs: number;
  /** When the task began, in milliseconds of the main thread's `performance.now()`, and which thread had it. */
  readonly beganMs?: number;
  readonly worker?: number;
}
export interface Ticket {
  /** True if the task had not begun: it never will, and `done` is not called. */
  cancel(): boolean;
}
