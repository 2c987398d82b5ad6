import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { fail, show } from '../errors.ts';
import { threadFlags } from '../thread.ts';
import type { TaskEnd, TaskPool, Ticket } from './taskPool.ts';
import type { CallEnd, Chunk } from './worker.ts';

interface Call {
  readonly task: string;
  readonly input: unknown;
  readonly done: (end: TaskEnd<never>) => void;
  crashes: number;
}

export interface WorkerPoolOptions {
  /** Threads; by default one fewer than the machine has cores, and at least one. */
  readonly workers?: number;
  /** Folder of the tasks, each a file with a default export; by default core/tasks. */
  readonly tasks?: URL;
}

/** A message should carry about this much work: less, and the way there and back weighs; more, and the order of ends suffers. */
const chunkMs = 3;
const chunkMost = 16;
/** How long `close` waits for tasks in work before it ends their threads. */
const graceMs = 400;
/** TypeScript under a loader in a checkout, JavaScript once compiled: the same as this file. */
const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));

/**
 * Worker threads (piscina) behind one queue, first in first out. The threads start with the pool, inherit the process's loader flags, and do not keep
 * an idle process alive. sharp decodes on libuv's threads, which all workers share: more than four decode at once only if
 * UV_THREADPOOL_SIZE says so when the process starts. A thread that dies is replaced and what it had in work is tried once more, each call alone.
 */
export class WorkerPool implements TaskPool {
  readonly workers: number;
  readonly #tasks: string;
  readonly #piscina: Piscina;
  readonly #queue: Call[] = [];
  readonly #inWork = new Set<readonly Call[]>();
  #whenIdle: (() => void) | undefined;
  /** Mean duration of a task by its name, to choose how many go together. */
  readonly #meanMs = new Map<string, number>();
  #closing: Promise<void> | undefined;
  #broken: string | undefined;

  constructor({
    workers = Math.max(1, availableParallelism() - 1),
    tasks = new URL('../tasks/', import.meta.url),
  }: WorkerPoolOptions = {}) {
    if (!Number.isInteger(workers) || workers < 1) {
      throw fail('usage', 'WorkerPool', 'workers to be a whole number, 1 or more', show(workers), 'Change the number of workers.');
    }
    this.workers = workers;
    this.#tasks = tasks.href;
    this.#piscina = new Piscina({
      filename: new URL(`./worker${extension}`, import.meta.url).href,
      minThreads: workers,
      maxThreads: workers,
      idleTimeout: Number.POSITIVE_INFINITY,
      recordTiming: false,
      execArgv: threadFlags(),
    });
    // A thread that dies while idle has no task to tell about it.
    this.#piscina.on('error', (error: Error) => this.#checkAlive(error));
  }

  /** Tasks that have not begun. */
  get queued(): number {
    return this.#queue.length;
  }

  submit<Input, Output>(task: string, input: Input, done: (end: TaskEnd<Output>) => void): Ticket {
    if (this.#closing || this.#broken) {
      done(this.#broken ? { ok: false, kind: 'broken', reason: this.#broken } : closed);
      return { cancel: () => false };
    }
    const call: Call = { task, input, done: done as (end: TaskEnd<never>) => void, crashes: 0 };
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
    await this.#piscina.destroy();
  }

  #dispatch(): void {
    while (this.#queue.length > 0 && this.#inWork.size < this.workers) void this.#send(this.#queue.splice(0, this.#chunkSize()));
  }

  #chunkSize(): number {
    const [first] = this.#queue;
    if (first.crashes > 0) return 1;
    const mean = this.#meanMs.get(first.task);
    const wanted = mean === undefined ? 1 : Math.max(1, Math.min(chunkMost, Math.floor(chunkMs / mean)));
    // An even share, so that no worker waits while another has a chunk of the last few.
    const most = Math.min(wanted, Math.ceil(this.#queue.length / this.workers));
    let size = 1;
    while (size < most && this.#queue[size].task === first.task && this.#queue[size].crashes === 0) size++;
    return size;
  }

  async #send(calls: readonly Call[]): Promise<void> {
    const chunk: Chunk = { tasks: this.#tasks, extension, calls: calls.map(({ task, input }) => ({ task, input })) };
    this.#inWork.add(calls);
    let ends: CallEnd[] | Error;
    try {
      ends = await this.#piscina.run(chunk);
    } catch (error) {
      ends = error instanceof Error ? error : new Error(String(error));
    }
    // Not there any more: told already that no threads start.
    if (!this.#inWork.delete(calls)) return;
    if (ends instanceof Error) this.#crashed(calls, ends);
    // The worker goes on while we look at what it did.
    this.#dispatch();
    if (!(ends instanceof Error)) this.#tell(calls, ends);
    if (this.#inWork.size === 0) this.#whenIdle?.();
  }

  #tell(calls: readonly Call[], ends: readonly CallEnd[]): void {
    for (const [i, end] of ends.entries()) {
      const { task, done } = calls[i];
      if ('failed' in end) done({ ok: false, kind: 'failed', reason: end.failed });
      else {
        const mean = this.#meanMs.get(task) ?? end.busyMs;
        this.#meanMs.set(task, 0.9 * mean + 0.1 * end.busyMs);
        done({ ok: true, value: end.value as never, busyMs: end.busyMs });
      }
    }
  }

  /** The thread died with these in work: whichever did it, each gets one more chance, alone. */
  #crashed(calls: readonly Call[], error: Error): void {
    const again: Call[] = [];
    for (const call of calls) {
      if (this.#closing) call.done(closed);
      else if (error.name === 'DataCloneError') call.done({ ok: false, kind: 'failed', reason: error.message });
      else if (call.crashes++ === 0) again.push(call);
      else call.done({ ok: false, kind: 'crashed', reason: `its worker thread died twice (${error.message})` });
    }
    this.#queue.unshift(...again);
    this.#checkAlive(error);
  }

  /** Piscina does not start threads again that die while they start; then there is nobody to wait for. */
  #checkAlive(error: Error): void {
    if (this.#closing || this.#piscina.threads.length > 0) return;
    this.#broken = `none that start (${error.message})`;
    const stranded = [...[...this.#inWork].flat(), ...this.#queue.splice(0)];
    this.#inWork.clear();
    for (const call of stranded) call.done({ ok: false, kind: 'broken', reason: this.#broken });
  }
}

const closed = { ok: false, kind: 'closed', reason: 'the pool was closed' } as const;
