import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { threadFlags } from '../thread.ts';
import type { CallEnd, Chunk } from './worker.ts';

/** TypeScript under a loader in a checkout, JavaScript once compiled: the same as this file. */
const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));

/**
 * Most that a thread's young objects may take, in MiB (V8's default is 48, for each thread): what tasks allocate is short-lived, and more
 * only waits longer to be collected. V8 would double it after some ten thousand tasks, which looks like a leak.
 */
const youngMb = 24;

/** Why a thread is no more. */
export interface Death {
  readonly error: Error;
  /** It threw while it started, so that others will do the same; false for one that was ready, or was ended from outside. */
  readonly unfit: boolean;
}

/**
 * One worker thread from its start to its death: a pool of piscina's with one thread. Piscina restarts threads too, but never
 * again once one has died while it started, which a thread that is killed at a random moment may; so each has a life of its own here.
 */
export class PoolThread {
  readonly #piscina: Piscina;
  readonly #tasks: string;
  /** Place in its chunk of the call that is at work, or -1: written by the thread, read when it has died. */
  readonly #at = new Int32Array(new SharedArrayBuffer(4));
  #ready = false;
  #closing = false;
  #death: Death | undefined;

  /** @param number among the threads of its pool, from 1 */
  constructor(
    tasks: string,
    readonly number: number,
    on: { readonly ready: () => void; readonly died: (thread: PoolThread, death: Death) => void },
  ) {
    this.#tasks = tasks;
    this.#at[0] = -1;
    this.#piscina = new Piscina({
      filename: new URL(`./worker${extension}`, import.meta.url).href,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      recordTiming: false,
      execArgv: threadFlags(),
      resourceLimits: { maxYoungGenerationSizeMb: youngMb },
    });
    let thrown: Error | undefined;
    this.worker?.once('error', error => {
      thrown = error as Error;
    });
    this.worker?.once('exit', code => {
      const error = thrown ?? new Error(`worker exited with code: ${code}`);
      this.#death = { error, unfit: thrown !== undefined && !this.#ready };
      if (!this.#closing) on.died(this, this.#death);
    });
    // told by the events above; piscina's must have a listener, or they would end the process
    this.#piscina.on('error', () => undefined);
    // so that piscina starts no other one in its place
    this.#piscina.on('workerDestroy', () => void this.#piscina.destroy());
    // an empty chunk comes back when the thread has loaded what it needs
    this.run([]).then(
      () => {
        this.#ready = true;
        if (!this.#closing) on.ready();
      },
      () => undefined,
    );
  }

  get worker(): Worker | undefined {
    return this.#piscina.threads[0];
  }
  get ready(): boolean {
    return this.#ready;
  }
  get dead(): boolean {
    return this.#death !== undefined || this.#piscina.threads.length === 0;
  }
  /** Of the chunk given last: the place of the call at work, or -1. */
  get at(): number {
    return Atomics.load(this.#at, 0);
  }

  /** Rejects when the thread dies, or when the calls cannot be copied to it. */
  async run(calls: Chunk['calls']): Promise<CallEnd[]> {
    // piscina would start another one
    if (this.dead) throw new Error('its worker thread had died');
    Atomics.store(this.#at, 0, -1);
    return this.#piscina.run({ tasks: this.#tasks, extension, at: this.#at, calls } satisfies Chunk);
  }

  /** Ends the thread. */
  close(): Promise<void> {
    this.#closing = true;
    return this.#piscina.destroy();
  }
}
