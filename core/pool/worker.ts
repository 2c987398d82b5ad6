import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { monotonicMs } from './monotonic.ts';

/** Runs inside each worker thread: a few calls in one message, so that small tasks do not pay for the way one by one. */
export interface Chunk {
  /** The folder of the tasks as a URL, and how their files' names end. */
  readonly tasks: string;
  readonly extension: string;
  /** Where the place of the call at work is written, -1 between two: who is to blame if the thread dies. */
  readonly at: Int32Array;
  readonly calls: readonly { readonly task: string; readonly input: unknown }[];
}
/** `began` of the clock that all threads share. */
export type CallEnd = { readonly began: number; readonly busyMs: number } & ({ readonly value: unknown } | { readonly failed: string });
type Task = (input: unknown) => unknown;

const loaded = new Map<string, Task>();
const require = createRequire(import.meta.url);

/** In worker threads tsx teaches TypeScript to `require` on every version of Node, to `import` not on Node 20. */
const load = async (url: string): Promise<{ default: Task }> => (url.endsWith('.ts') ? require(fileURLToPath(url)) : import(url));

export default async function runChunk({ tasks, extension, at, calls }: Chunk): Promise<CallEnd[]> {
  const ends: CallEnd[] = [];
  for (const [place, { task, input }] of calls.entries()) {
    let began = monotonicMs();
    try {
      const url = `${tasks}${task}${extension}`;
      let run = loaded.get(url);
      if (!run) {
        run = (await load(url)).default;
        loaded.set(url, run);
      }
      // loading a task is no part of it
      began = monotonicMs();
      Atomics.store(at, 0, place);
      const value = await run(input);
      ends.push({ value, began, busyMs: monotonicMs() - began });
    } catch (error) {
      const failed = error instanceof Error ? error.message : String(error);
      ends.push({ failed, began, busyMs: monotonicMs() - began });
    }
    Atomics.store(at, 0, -1);
  }
  return ends;
}
