import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { action, cell, type DoneMessage, firstClaims, type LoadedLaunch, type LoadMessage, type WorkerSetup } from './protocol.ts';

type Routine = (start: number, end: number, scratch: number, ...rest: number[]) => void;
interface ReadyLaunch {
  readonly label: string;
  readonly claims: readonly number[];
  readonly run: (start: number, end: number) => void;
}
/** All claims of a segment are numbered through; launch i has those from `firsts[i]` up to `firsts[i + 1]`. */
interface Segment {
  readonly launches: readonly ReadyLaunch[];
  readonly firsts: readonly number[];
}

/**
 * One compute thread: sleeps until commanded, then runs a whole segment together with the others. They take pieces (claims) of
 * a launch from a shared counter, and the next launch opens when all claims of the one before are *done*, whoever did them:
 * a thread that the system has put off its core while it waited holds up nobody, and joins the work where it then is.
 * `next` and `done` count through all segments, modulo 2^32, so that a late thread can tell that its segment is over.
 */
const { control, memory, library, thread, threads } = workerData as WorkerSetup;
const port = parentPort!;
const cells = new Int32Array(control);
const routines = new WebAssembly.Instance(library, { env: { memory, abort } }).exports as Record<string, Routine>;
const segments = new Map<number, Segment>();
let scratch = 0;
let times: Float64Array | undefined;
/** Of the launch at work. */
let at = '';

/**
 * How long a thread looks at a cell before it sleeps. Waking up takes 30 to 140 µs, and a woken thread often lands on the core
 * of the one that woke it, where both run at half speed for many launches; so it should sleep only when there is nothing to do.
 * But where another process wants the cores, looking on keeps the thread that is waited for from one: resnet8 at 28, batch 32,
 * beside a process that never sleeps made 757 to 844 images/s with 0.5 ms, 1,045 to 1,124 with 0.1 ms, and 1,520 to 1,790 alone
 * with either (`bench step`, 2 threads, two cores of an AMD EPYC).
 */
const SPIN_MS = 0.1;

/** Returns when `cells[index]` has reached `count`. */
function whileBefore(index: number, count: number): void {
  const until = performance.now() + SPIN_MS;
  do {
    for (let i = 0; i < 500; i++) if (((Atomics.load(cells, index) - count) | 0) >= 0) return;
  } while (performance.now() < until);
  for (;;) {
    const value = Atomics.load(cells, index);
    if (((value - count) | 0) >= 0) return;
    Atomics.wait(cells, index, value);
  }
}

/** `base`: how many claims all segments before this one had. */
function runSegment({ launches, firsts }: Segment, base: number, command: number): void {
  const total = firsts[launches.length]!;
  for (let i = 0; ; ) {
    const ticket = Atomics.load(cells, cell.next);
    const claim = (ticket - base) | 0;
    if (claim >= total) return;
    while (claim >= firsts[i + 1]!) i++;
    const opens = (base + firsts[i]!) | 0;
    if (((Atomics.load(cells, cell.done) - opens) | 0) < 0) {
      whileBefore(cell.done, opens);
      continue;
    }
    // only a claim that may begin at once is taken: one that is taken has to be done by this thread
    if (Atomics.compareExchange(cells, cell.next, ticket, (ticket + 1) | 0) !== ticket) continue;
    const { label, claims, run } = launches[i]!;
    at = `${label}: `;
    const own = launches.length + 1 + 2 * (i * threads + thread);
    if (times) {
      const began = clock();
      if (claim === 0) times[0] = began;
      times[own] ||= began;
    }
    const piece = claim - firsts[i]!;
    run(Math.min(claims[piece]!, claims[piece + 1]!), Math.max(claims[piece]!, claims[piece + 1]!));
    if (times) times[own + 1] = clock();
    const done = (Atomics.add(cells, cell.done, 1) + 1 - base) | 0;
    if (done < firsts[i + 1]!) continue;
    if (times) times[i + 1] = clock();
    Atomics.notify(cells, cell.done);
    if (done === total) port.postMessage({ done: command } satisfies DoneMessage);
  }
}

/** Milliseconds, the same on all threads. */
const clock = () => performance.timeOrigin + performance.now();

function load(): void {
  for (let received = receiveMessageOnPort(port); received; received = receiveMessageOnPort(port)) {
    const message = received.message as LoadMessage;
    if ('launches' in message) {
      const firsts = firstClaims(message.launches);
      segments.set(message.segment, { launches: message.launches.map(ready), firsts });
    } else if ('times' in message) times = message.times && new Float64Array(message.times);
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

for (let command = 0; ; ) {
  whileBefore(cell.command, command + 1);
  command = Atomics.load(cells, cell.command);
  const slot = cell.slots + (command & 1) * 2;
  const what = Atomics.load(cells, slot);
  const base = Atomics.load(cells, slot + 1);
  // another command may have been given meanwhile: the slot is written again only after that
  if (Atomics.load(cells, cell.command) !== command) continue;
  if (what === action.stop) break;
  try {
    if (what === action.load) {
      load();
      // everybody: no thread can miss one
      if (Atomics.add(cells, cell.loaded, 1) === threads - 1) {
        Atomics.store(cells, cell.loaded, 0);
        port.postMessage({ done: command } satisfies DoneMessage);
      }
    } else runSegment(segments.get(what)!, base, command);
  } catch (error) {
    port.postMessage({ failed: at + String((error as Error).message ?? error) } satisfies DoneMessage);
    break;
  }
}
port.close();
