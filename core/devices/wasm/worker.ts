import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { action, cell, type DoneMessage, type LoadMessage, type WorkerSetup } from './protocol.ts';

/**
 * One compute thread: sleeps until commanded, then runs a whole segment. All threads take pieces of the same launch from a
 * shared counter and meet at a barrier before the next, so a thread that the system holds up does not hold up its share.
 */
const { control, memory, thread, threads } = workerData as WorkerSetup;
const port = parentPort!;
const cells = new Int32Array(control);
const segments = new Map<number, { label: string; run: (start: number, end: number) => void; units: number }[]>();
/** Of the launch at work. */
let at = '';

/** Looks at the barrier this often before it sleeps: waking up costs far more than a launch's imbalance. */
const SPINS = 4000;

function meet(): void {
  const generation = Atomics.load(cells, cell.generation);
  if (Atomics.add(cells, cell.arrived, 1) === threads - 1) {
    Atomics.store(cells, cell.arrived, 0);
    Atomics.store(cells, cell.next, 0);
    Atomics.add(cells, cell.generation, 1);
    Atomics.notify(cells, cell.generation);
    return;
  }
  for (let i = 0; i < SPINS; i++) if (Atomics.load(cells, cell.generation) !== generation) return;
  while (Atomics.load(cells, cell.generation) === generation) Atomics.wait(cells, cell.generation, generation);
}

function runSegment(index: number): void {
  for (const { label, run, units } of segments.get(index) ?? []) {
    at = `${label}: `;
    const piece = Math.max(1, Math.ceil(units / (threads * 8)));
    for (;;) {
      const start = Atomics.add(cells, cell.next, piece);
      if (start >= units) break;
      run(start, Math.min(start + piece, units));
    }
    meet();
  }
}

function load(): void {
  for (let received = receiveMessageOnPort(port); received; received = receiveMessageOnPort(port)) {
    const { segment, launches } = received.message as LoadMessage;
    if (!launches) {
      segments.delete(segment);
      continue;
    }
    segments.set(
      segment,
      launches.map(({ label, module, math, units }) => {
        at = `${label}: `;
        const env: Record<string, unknown> = { memory };
        for (const name of math) env[`math_${name}`] = (Math as unknown as Record<string, unknown>)[name];
        const instance = new WebAssembly.Instance(module, { env });
        return { label, run: instance.exports.run as (start: number, end: number) => void, units };
      }),
    );
  }
}

for (let seen = 0; ; ) {
  while (Atomics.load(cells, cell.command) === seen) Atomics.wait(cells, cell.command, seen);
  seen++;
  const what = Atomics.load(cells, cell.action);
  if (what === action.stop) break;
  try {
    if (what === action.load) load();
    else runSegment(what);
    // everybody must have left the segment before the next command may be given
    meet();
    if (thread === 0) port.postMessage({ done: seen } satisfies DoneMessage);
  } catch (error) {
    port.postMessage({ failed: at + String((error as Error).message ?? error) } satisfies DoneMessage);
    break;
  }
}
port.close();
