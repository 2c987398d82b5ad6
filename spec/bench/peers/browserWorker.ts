import { resolveObjectURL } from 'node:buffer';
import { Worker as Thread } from 'node:worker_threads';

/** What a browser's worker has and a thread of Node has not. */
const prelude = `const { parentPort } = require('node:worker_threads');
globalThis.self = globalThis;
globalThis.postMessage = (message, transfer) => parentPort.postMessage(message, transfer);
parentPort.on('message', data => self.onmessage({ data }));
`;

/**
 * A browser's `Worker` of a blob, as a thread: libraries that use all cores in a browser then do so here, too. With it goes
 * a `navigator` that tells how many there are.
 */
class BrowserWorker {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((event: { message: string }) => void) | null = null;
  readonly #thread: Promise<Thread>;

  constructor(url: string) {
    this.#thread = (resolveObjectURL(url)?.text() ?? Promise.reject(new Error(`no blob at ${url}`))).then(source => {
      const thread = new Thread(prelude + source, { eval: true });
      thread.on('message', data => this.onmessage?.({ data }));
      thread.on('error', error => this.onerror?.({ message: String(error) }));
      return thread;
    });
    this.#thread.catch(error => this.onerror?.({ message: String(error) }));
  }
  postMessage(message: unknown): void {
    void this.#thread.then(thread => thread.postMessage(message));
  }
  terminate(): void {
    void this.#thread.then(thread => thread.terminate());
  }
}

export function provideWorkers(threads: number): void {
  Object.assign(globalThis, { Worker: BrowserWorker });
  Object.defineProperty(globalThis, 'navigator', { value: { hardwareConcurrency: threads, userAgent: 'node' }, configurable: true });
}
