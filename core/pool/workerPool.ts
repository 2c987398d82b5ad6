import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { fail, show } from '../errors.ts';
import { sharesMemory } from '../thread.ts';
import { toThisThread } from './monotonic.ts';
import { type Death, PoolThread } from './poolThread.ts';
import type { TaskEnd, TaskPool, Ticket } from './taskPool.ts';
import { Tuning } from './tuning.ts';
import type { CallEnd } from './worker.ts';

interface Call {
  readonly task: string;
  readonly input: unknown;
  readonly done: (end: TaskEnd<never>) => void;
  /** Threads that died while they were at it. */
  deaths: number;
  /** Not with others in one message. */
  alone: boolean;
  /** Not before this time, so that whatever kills threads has time to pass. */
  dueMs: number;
}

export interface WorkerPoolOptions {
  /** Threads; by default one fewer than the machine has cores, and at least one. `auto`: as many as serve best, up to the number of cores. */
  readonly workers?: number | 'auto';
  /** Folder of the tasks, each a file with a default export; by default core/tasks. */
  readonly tasks?: URL;
}

/** A message should carry about this much work: less, and the way there and back weighs; more, and the order of ends suffers. */
const chunkMs = 3;
const chunkMost = 16;
/** How long `close` waits for tasks in work before it ends their threads. */
const graceMs = 400;
/**
 * A call is given up when this many threads have died under it. Who ends threads at random will hit one call so often only by
 * design: with half of all calls hit, one in a thousand calls would be given up wrongly.
 */
const mostDeaths = 10;
/** So many starts in a row may fail: threads that threw, and threads that were ended from outside before they were ready. */
const mostUnfit = 3;
const mostFailedStarts = 100;

/**
 * Worker threads (piscina) behind one queue, first in first out. The threads start with the pool, inherit the process's loader flags, and do not keep
 * an idle process alive. sharp decodes on libuv's threads, which all workers share: more than four decode at once only if
 * UV_THREADPOOL_SIZE says so when the process starts.
 *
 * A thread that dies, whatever of, is replaced. What it had in its message begins again: the call that was at work alone and,
 * from the third death on, after a pause that doubles (1.3 s in all); after ten deaths it has `crashed`. The others lose only time.
 */
export class WorkerPool implements TaskPool {
  readonly tuning: Tuning | undefined;
  #workers: number;
  readonly #tasks: string;
  readonly #threads = new Set<PoolThread>();
  readonly #idle: PoolThread[] = [];
  readonly #queue: Call[] = [];
  readonly #inWork = new Set<readonly Call[]>();
  #whenIdle: (() => void) | undefined;
  /** Mean duration of a task by its name, to choose how many go together. */
  readonly #meanMs = new Map<string, number>();
  #closing: Promise<void> | undefined;
  #broken: string | undefined;
  /** Since the last thread that was ready. */
  #failedStarts = 0;
  #unfit = 0;
  #timers = new Set<NodeJS.Timeout>();

  constructor({
    workers = Math.max(1, availableParallelism() - 1),
    tasks = new URL('../tasks/', import.meta.url),
  }: WorkerPoolOptions = {}) {
    if (!sharesMemory()) {
      const [expected, got] = ['SharedArrayBuffer, in which threads hand over pixels', 'a JavaScript engine without it'];
      throw fail('state', 'worker threads', expected, got, 'Run Node without --no-harmony-sharedarraybuffer.');
    }
    if (workers !== 'auto' && (!Number.isInteger(workers) || workers < 1)) {
      throw fail(
        'usage',
        'WorkerPool',
        "workers to be a whole number, 1 or more, or 'auto'",
        show(workers),
        'Change the number of workers.',
      );
    }
    const cores = availableParallelism();
    this.#workers = workers === 'auto' ? Math.max(1, cores - 1) : workers;
    this.#tasks = tasks.href;
    this.#startMissing();
    if (workers !== 'auto') return;
    const ready = () => this.#threads.size >= this.#workers && [...this.#threads].every(thread => thread.ready);
    this.tuning = new Tuning(cores, this.#workers, ready, chosen => {
      this.#workers = chosen;
      this.#startMissing();
      this.#dispatch();
    });
  }

  /** How many run at once. Threads that are more than that have nothing to do. */
  get workers(): number {
    return this.#workers;
  }
  #startMissing(): void {
    while (this.#threads.size < this.#workers) this.#start();
  }

  /** Tasks that have not begun. */
  get queued(): number {
    return this.#queue.length;
  }
  /** The threads there are now, also those that only start. */
  get threads(): readonly Worker[] {
    return [...this.#threads].flatMap(({ worker }) => worker ?? []);
  }

  submit<Input, Output>(task: string, input: Input, done: (end: TaskEnd<Output>) => void): Ticket {
    if (this.#closing || this.#broken) {
      done(this.#broken ? { ok: false, kind: 'broken', reason: this.#broken } : closed);
      return { cancel: () => false };
    }
    const call: Call = { task, input, done: done as (end: TaskEnd<never>) => void, deaths: 0, alone: false, dueMs: 0 };
    this.#queue.push(call);
    this.#dispatch();
    return {
      cancel: () => {
        const at = this.#queue.indexOf(call);
        if (at >= 0) this.#queue.splice(at, 1);
        return at >= 0;
      },
    };
  }

  /** `submit` as a promise, for one-off work. */
  run<Output>(task: string, input: unknown): Promise<TaskEnd<Output>> {
    return new Promise(resolve => {
      this.submit<unknown, Output>(task, input, resolve);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const call of this.#queue.splice(0)) call.done(closed);
    if (this.#inWork.size > 0) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, graceMs);
        this.#whenIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    await Promise.all([...this.#threads].map(thread => thread.close()));
    this.#threads.clear();
  }

  #start(): void {
    const thread = new PoolThread(this.#tasks, this.#freeNumber(), {
      ready: () => {
        this.#failedStarts = 0;
        this.#unfit = 0;
        this.#idle.push(thread);
        this.#dispatch();
      },
      died: (dead, death) => this.#replace(dead, death),
    });
    this.#threads.add(thread);
  }

  /** The first that no living thread has: one that is replaced gives its own to the next. */
  #freeNumber(): number {
    const taken = new Set([...this.#threads].map(({ number }) => number));
    let number = 1;
    while (taken.has(number)) number++;
    return number;
  }

  #replace(dead: PoolThread, { error, unfit }: Death): void {
    this.#threads.delete(dead);
    const at = this.#idle.indexOf(dead);
    if (at >= 0) this.#idle.splice(at, 1);
    if (this.#closing || this.#broken) return;
    if (unfit) this.#unfit++;
    if (!dead.ready) this.#failedStarts++;
    if (this.#unfit >= mostUnfit || this.#failedStarts >= mostFailedStarts) this.#break(error);
    else if (this.#failedStarts < 3) this.#start();
    else this.#later(Math.min(100, 5 * 2 ** (this.#failedStarts - 3)), () => this.#start());
  }

  /** Nobody is left to wait for. */
  #break(error: Error): void {
    this.#broken = `none that start (${error.message})`;
    const stranded = [...[...this.#inWork].flat(), ...this.#queue.splice(0)];
    this.#inWork.clear();
    for (const thread of this.#threads) void thread.close();
    for (const call of stranded) call.done({ ok: false, kind: 'broken', reason: this.#broken });
  }

  #later(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#closing && !this.#broken) action();
    }, ms);
    this.#timers.add(timer);
  }

  #dispatch(): void {
    while (this.#idle.length > 0 && this.#inWork.size < this.#workers) {
      const calls = this.#nextChunk();
      if (calls.length === 0) return;
      void this.#send(this.#idle.pop()!, calls);
    }
  }

  #nextChunk(): readonly Call[] {
    const now = performance.now();
    const at = this.#queue.findIndex(({ dueMs }) => dueMs <= now);
    if (at < 0) return [];
    const first = this.#queue[at];
    const mean = this.#meanMs.get(first.task);
    const wanted = mean === undefined || first.alone ? 1 : Math.max(1, Math.min(chunkMost, Math.floor(chunkMs / mean)));
    // An even share, so that no worker waits while another has a chunk of the last few.
    const most = Math.min(wanted, Math.ceil(this.#queue.length / this.workers), this.#queue.length - at);
    let size = 1;
    while (size < most && this.#queue[at + size].task === first.task && !this.#queue[at + size].alone) size++;
    return this.#queue.splice(at, size);
  }

  async #send(thread: PoolThread, calls: readonly Call[]): Promise<void> {
    this.#inWork.add(calls);
    let ends: CallEnd[] | Error;
    try {
      ends = await thread.run(calls.map(({ task, input }) => ({ task, input })));
    } catch (error) {
      ends = error instanceof Error ? error : new Error(String(error));
    }
    // Not there any more: told already that no threads start.
    if (!this.#inWork.delete(calls)) return;
    if (!thread.dead) this.#idle.push(thread);
    if (ends instanceof Error) this.#begunInVain(calls, thread, ends);
    // The worker goes on while we look at what it did.
    this.#dispatch();
    if (!(ends instanceof Error)) this.#tell(calls, ends, thread.number);
    if (this.#inWork.size === 0) this.#whenIdle?.();
  }

  #tell(calls: readonly Call[], ends: readonly CallEnd[], worker: number): void {
    for (const [i, end] of ends.entries()) {
      const { task, done } = calls[i];
      const { busyMs } = end;
      const times = { busyMs, worker, beganMs: end.began + toThisThread };
      if ('failed' in end) done({ ok: false, kind: 'failed', reason: end.failed, ...times });
      else {
        const mean = this.#meanMs.get(task) ?? end.busyMs;
        this.#meanMs.set(task, 0.9 * mean + 0.1 * end.busyMs);
        done({ ok: true, value: end.value as never, ...times });
      }
    }
  }

  /** The thread died with these, or they could not be copied to it; what else was in the message did nothing wrong. */
  #begunInVain(calls: readonly Call[], thread: PoolThread, error: Error): void {
    const again: Call[] = [];
    for (const [place, call] of calls.entries()) {
      if (this.#closing) call.done(closed);
      else if (!thread.dead && calls.length === 1) call.done({ ok: false, kind: 'failed', reason: error.message });
      else {
        if (!thread.dead) call.alone = true;
        else if (place === thread.at) this.#suspect(call);
        if (call.deaths < mostDeaths) again.push(call);
        else call.done({ ok: false, kind: 'crashed', reason: `its worker thread died ${mostDeaths} times over it (${error.message})` });
      }
    }
    this.#queue.unshift(...again);
  }

  #suspect(call: Call): void {
    call.alone = true;
    if (++call.deaths < 3) return;
    const pauseMs = 10 * 2 ** (call.deaths - 3);
    call.dueMs = performance.now() + pauseMs;
    if (call.deaths < mostDeaths) this.#later(pauseMs + 1, () => this.#dispatch());
  }
}

const closed = { ok: false, kind: 'closed', reason: 'the pool was closed' } as const;
