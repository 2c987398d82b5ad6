import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { action, cell, type DoneMessage, type LoadedLaunch, type LoadMessage, type WorkerSetup } from './protocol.ts';

type Routine = (start: number, end: number, scratch: number, ...rest: number[]) => void;
interface ReadyLaunch {
  readonly label: string;
  readonly claims: readonly number[];
  readonly run: (start: number, end: number) => void;
}

/**
 * One compute thread: sleeps until commanded, then runs a whole segment. All threads take pieces of the same launch from a
 * shared counter and meet at a barrier before the next, so a thread that the system holds up does not hold up its share.
 */
const { control, memory, library, thread, threads } = workerData as WorkerSetup;
const port = parentPort!;
const cells = new Int32Array(control);
const routines = new WebAssembly.Instance(library, { env: { memory, abort } }).exports as Record<string, Routine>;
const segments = new Map<number, ReadyLaunch[]>();
let scratch = 0;
let times: Float64Array | undefined;
/** Of the launch at work. */
let at = '';

/**
 * How long a thread looks at a cell before it sleeps. Waking up takes 30 to 140 µs, and a woken thread often lands on the core
 * of the one that woke it, where both run at half speed for many launches; so it sleeps only when there is nothing to do.
 */
const SPIN_MS = 0.5;

/** Returns when `cells[index]` is no longer `value`. */
function whileEqual(index: number, value: number): void {
  const until = performance.now() + SPIN_MS;
  do {
    for (let i = 0; i < 500; i++) if (Atomics.load(cells, index) !== value) return;
  } while (performance.now() < until);
  while (Atomics.load(cells, index) === value) Atomics.wait(cells, index, value);
}

function meet(): void {
  const generation = Atomics.load(cells, cell.generation);
  if (Atomics.add(cells, cell.arrived, 1) === threads - 1) {
    Atomics.store(cells, cell.arrived, 0);
    Atomics.store(cells, cell.next, 0);
    Atomics.add(cells, cell.generation, 1);
    Atomics.notify(cells, cell.generation);
    return;
  }
  whileEqual(cell.generation, generation);
}

function runSegment(index: number): void {
  let began = times && performance.now();
  for (const [i, { label, run, claims }] of (segments.get(index) ?? []).entries()) {
    at = `${label}: `;
    for (;;) {
      const claim = Atomics.add(cells, cell.next, 1);
      if (claim + 1 >= claims.length) break;
      run(claims[claim]!, claims[claim + 1]!);
    }
    meet();
    if (times && thread === 0) {
      const now = performance.now();
      times[i] = now - began!;
      began = now;
    }
  }
}

function load(): void {
  for (let received = receiveMessageOnPort(port); received; received = receiveMessageOnPort(port)) {
    const message = received.message as LoadMessage;
    if ('launches' in message) segments.set(message.segment, message.launches.map(ready));
    else if ('times' in message) times = message.times && new Float64Array(message.times);
    else scratch = message.scratch + thread * message.scratchBytes;
  }
}

function ready(launch: LoadedLaunch): ReadyLaunch {
  const { label, claims } = launch;
  at = `${label}: `;
  if ('routine' in launch) {
    const routine = routines[launch.routine];
    if (!routine) throw new Error(`no routine "${launch.routine}" in core/assembly/index.ts`);
    const { arguments: rest } = launch;
    return { label, claims, run: (start, end) => routine(start, end, scratch, ...rest) };
  }
  const env: Record<string, unknown> = { memory };
  for (const name of launch.math) env[`math_${name}`] = (Math as unknown as Record<string, unknown>)[name];
  const instance = new WebAssembly.Instance(launch.module, { env });
  return { label, claims, run: instance.exports.run as ReadyLaunch['run'] };
}

/** What AssemblyScript calls when a routine gives up: it has no assertions in a build, so only for what cannot happen. */
function abort(): never {
  throw new Error('a routine of core/assembly gave up');
}

for (let seen = 0; ; ) {
  whileEqual(cell.command, seen);
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
