import { createRequire, syncBuiltinESMExports } from 'node:module';
import { setImmediate as nextTurn } from 'node:timers/promises';

const os = createRequire(import.meta.url)('node:os') as { availableParallelism: () => number };

/** A piece of what a thread does. */
export interface Piece {
  readonly ms: number;
  readonly burns: boolean;
}
interface Waiter {
  /** Nothing that the main thread does, unless it resolves a promise. */
  readonly done: () => void;
}
interface Timer extends Waiter {
  readonly dueMs: number;
}
interface Job extends Waiter {
  readonly threads: number;
  leftMs: number;
}

/**
 * A machine whose time goes on only when everybody waits for it: what runs on it takes the time that was planted and no other, however
 * busy the machine is that runs the spec. Its cores are shared evenly by all threads that burn; sleeping takes none.
 *
 * Inside `run` it stands behind the clocks that the meters read: `performance.now`, CPU time, the event loop's, the number of cores.
 */
export class VirtualMachine {
  #nowMs = 1000;
  #cpuMs = 0;
  #mainMs = 0;
  #timers: Timer[] = [];
  #jobs: Job[] = [];

  constructor(readonly cores: number) {}

  /** As a timer, a disk, a network does. */
  sleep(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise(done => this.#timers.push({ dueMs: this.#nowMs + ms, done }));
  }

  /** So much CPU time on each of some threads that are not the main one. */
  burn(ms: number, threads = 1): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise(done => this.#jobs.push({ leftMs: ms, threads, done }));
  }

  /** One piece after the other, whatever the main thread does meanwhile. Resolves to what each of them took. */
  thread(pieces: readonly Piece[]): Promise<readonly number[]> {
    return new Promise(resolve => {
      const took: number[] = [];
      const next = (): void => {
        const piece = pieces[took.length];
        if (!piece) {
          resolve(took);
          return;
        }
        const began = this.#nowMs;
        const done = (): void => {
          took.push(this.#nowMs - began);
          next();
        };
        if (piece.ms <= 0) done();
        else if (piece.burns) this.#jobs.push({ leftMs: piece.ms, threads: 1, done });
        else this.#timers.push({ dueMs: this.#nowMs + piece.ms, done });
      };
      next();
    });
  }

  /** The main thread computes: time goes on, and what others have done meanwhile is heard of afterwards. */
  block(ms: number): void {
    for (let leftMs = ms; leftMs > 1e-9; ) {
      const share = this.#share(1);
      const stepMs = Math.min(leftMs / share, this.#untilNextMs(share));
      leftMs -= stepMs * share;
      this.#cpuMs += stepMs * share;
      this.#mainMs += stepMs;
      this.#pass(stepMs, share);
    }
  }

  /** Runs what `work` begins, to its end. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const restore = this.#takeOver();
    try {
      let ended = false;
      const result = work().finally(() => {
        ended = true;
      });
      result.catch(() => undefined);
      while (!ended) {
        // what can be done now is done: no stage gives way to the event loop more often in one moment
        for (let turn = 0; turn < turns; turn++) await nextTurn();
        if (ended) break;
        const share = this.#share(0);
        const stepMs = this.#untilNextMs(share);
        if (stepMs === Number.POSITIVE_INFINITY) throw new Error('everybody waits, and nobody for the time');
        this.#pass(stepMs, share);
      }
      return await result;
    } finally {
      restore();
    }
  }

  /** Of a core, what each thread has. */
  #share(others: number): number {
    const threads = this.#jobs.reduce((sum, each) => sum + each.threads, others);
    return Math.min(1, this.cores / Math.max(1, threads));
  }
  #untilNextMs(share: number): number {
    const timers = this.#timers.map(({ dueMs }) => dueMs - this.#nowMs);
    return Math.min(...timers, ...this.#jobs.map(({ leftMs }) => leftMs / share), Number.POSITIVE_INFINITY);
  }
  #pass(ms: number, share: number): void {
    this.#nowMs += ms;
    for (const job of this.#jobs) {
      job.leftMs -= ms * share;
      this.#cpuMs += ms * share * job.threads;
    }
    const over = [...this.#jobs.filter(({ leftMs }) => leftMs < 1e-9), ...this.#timers.filter(({ dueMs }) => dueMs < this.#nowMs + 1e-9)];
    this.#jobs = this.#jobs.filter(({ leftMs }) => leftMs >= 1e-9);
    this.#timers = this.#timers.filter(({ dueMs }) => dueMs >= this.#nowMs + 1e-9);
    for (const { done } of over) done();
  }

  #takeOver(): () => void {
    const { cpuUsage } = process;
    const { availableParallelism } = os;
    const own = {
      now: () => this.#nowMs,
      eventLoopUtilization: () => ({ active: this.#mainMs, idle: this.#nowMs - this.#mainMs, utilization: this.#mainMs / this.#nowMs }),
    };
    Object.assign(performance, own);
    process.cpuUsage = Object.assign(() => ({ user: this.#cpuMs * 1000, system: 0 }), {}) as typeof process.cpuUsage;
    os.availableParallelism = () => this.cores;
    syncBuiltinESMExports();
    return () => {
      // the prototype's own appear again
      for (const name of Object.keys(own)) Reflect.deleteProperty(performance, name);
      process.cpuUsage = cpuUsage;
      os.availableParallelism = availableParallelism;
      syncBuiltinESMExports();
    };
  }
}

const turns = 6;
