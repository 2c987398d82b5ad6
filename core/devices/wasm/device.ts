import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { fail } from '../../errors.ts';
import { WasmCompiler } from '../../kernels/gpujsWasm.ts';
import { wasmLibrary } from '../../kernels/wasmLibrary.ts';
import { sharesMemory, threadEntry } from '../../thread.ts';
import { checkSegment, destroyed, LiveBuffers } from '../checks.ts';
import type { CompiledSegment, Device, DeviceBuffer, LaunchTimeline, PlacedLaunch, SegmentEnded } from '../device.ts';
import { Ordered } from '../ordered.ts';
import { Arena, type ArenaBuffer, MAXIMUM_PAGES, MOST_BYTES } from './arena.ts';
import { action, cell, type DoneMessage, firstClaims, type LoadedLaunch, type LoadMessage, type WorkerSetup } from './protocol.ts';

/**
 * WebAssembly SIMD on N compute threads over one shared memory. Kernels come from gpu.js's web-assembly back end, compiled
 * against the arena, so that a segment runs in place from its first launch to its last without the main thread.
 */
export async function openWasm({ threads }: { threads: number }): Promise<Device> {
  if (!sharesMemory()) {
    const fix = 'Run Node without --no-harmony-sharedarraybuffer; without it the threads that decode images do not run either.';
    throw fail('device', 'wasm', 'SharedArrayBuffer, in which its threads share tensors', 'a JavaScript engine without it', fix);
  }
  const device = new WasmDevice(threads);
  await device.ready;
  return device;
}

interface WasmSegment extends CompiledSegment {
  readonly index: number;
  readonly claims: number;
}

class WasmDevice implements Device {
  readonly kind = 'wasm';
  readonly language = 'wasm';
  readonly description: string;
  readonly features: ReadonlySet<string>;
  readonly memory = { total: MOST_BYTES };
  readonly lost: Promise<never>;
  readonly ready: Promise<void>;
  readonly #arena = new Arena();
  readonly #compiler = new WasmCompiler();
  readonly #cells = new Int32Array(new SharedArrayBuffer(cell.count * 4));
  readonly #workers: Worker[] = [];
  readonly #exits: Promise<void>[] = [];
  readonly #order = new Ordered();
  readonly #buffers = new LiveBuffers();
  readonly #compiled = new WeakSet<CompiledSegment>();
  #commands = 0;
  /** Of all segments that ran, modulo 2^32. Begins shortly before the sign changes, so that every run passes over that. */
  #claims = 2 ** 31 - 500;
  #segments = 0;
  #destroyed = false;
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #lose: (error: Error) => void = () => undefined;
  #failure: Error | undefined;
  #scratch: ArenaBuffer | undefined;

  constructor(readonly threads: number) {
    const { module: library, relaxed } = wasmLibrary();
    this.features = new Set(relaxed ? ['relaxed-simd'] : []);
    const cores = availableParallelism();
    // told rather than refused: a container may see fewer cores than it may use
    const crowded = threads > cores ? ` on ${cores} core${cores === 1 ? '' : 's'} (more threads than cores are slower)` : '';
    this.description = `wasm, ${threads} thread${threads === 1 ? '' : 's'}${crowded}, ${relaxed ? 'relaxed SIMD' : 'SIMD'}`;
    this.lost = new Promise<never>((_, reject) => {
      this.#lose = reject;
    });
    this.lost.catch(() => undefined);
    this.#cells.fill(this.#claims, cell.next, cell.done + 1);
    const started: Promise<void>[] = [];
    for (let thread = 0; thread < threads; thread++) {
      const setup: WorkerSetup = { control: this.#cells.buffer, memory: this.#arena.memory, library, thread, threads };
      const worker = new Worker(threadEntry(import.meta.url, './worker'), { workerData: setup, name: `compute ${thread}` });
      worker.on('message', (message: DoneMessage) => this.#finish('failed' in message ? new Error(message.failed) : undefined));
      worker.on('error', error => this.#finish(error));
      this.#exits.push(
        new Promise(resolve => {
          worker.on('exit', () => {
            if (!this.#destroyed || this.#settle) this.#finish(new Error(`compute thread ${thread} stopped`));
            resolve();
          });
        }),
      );
      started.push(new Promise((resolve, reject) => worker.once('online', resolve).once('error', reject)));
      this.#workers.push(worker);
    }
    this.ready = Promise.all(started).then(() => {
      for (const worker of this.#workers) worker.unref();
    });
  }

  get allocatedBytes(): number {
    return this.#arena.allocatedBytes;
  }

  get scratchBytes(): number {
    return this.#scratch?.bytes ?? 0;
  }

  allocate(bytes: number, label: string): DeviceBuffer {
    this.#check();
    return this.#buffers.add(this.#arena.allocate(bytes, label));
  }

  slice(buffer: DeviceBuffer, byteOffset: number, bytes: number, label: string): DeviceBuffer {
    this.#check();
    const offset = (buffer as ArenaBuffer).offset + byteOffset;
    return this.#buffers.addSlice<ArenaBuffer>({ offset, bytes, label }, buffer, byteOffset);
  }

  free(buffer: DeviceBuffer): void {
    if (!this.#buffers.remove(buffer)) return;
    // what was asked for before may still use the memory
    if (this.#order.idle) this.#arena.free(buffer as ArenaBuffer);
    else void this.#order.enqueue(() => this.#arena.free(buffer as ArenaBuffer));
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
    if (this.#destroyed) throw destroyed('wasm');
  }

  async compile(launches: readonly PlacedLaunch[]): Promise<CompiledSegment> {
    this.#check();
    for (const launch of launches) this.#buffers.checkLaunch(launch);
    const index = this.#segments++;
    const loaded = launches.map(launch => this.#assemble(launch));
    const needed = Math.max(0, ...launches.map(({ launch }) => ('body' in launch && 'scratch' in launch.body && launch.body.scratch) || 0));
    await this.#order.enqueue(async () => {
      await this.#reserveScratch(needed);
      await this.#load({ segment: index, launches: loaded });
    });
    const segment: WasmSegment = { launches: launches.length, index, claims: firstClaims(loaded).at(-1)! };
    this.#compiled.add(segment);
    return segment;
  }

  /** Scratch is one range for each thread, as large as the hungriest launch so far wants. */
  async #reserveScratch(needed: number): Promise<void> {
    const perThread = Math.ceil(needed / 64) * 64;
    if (perThread * this.threads <= this.scratchBytes) return;
    // nothing runs now, and nothing in it is kept: the old one's place can be part of the new one's
    const before = this.scratchBytes;
    const label = 'scratch of the compute threads';
    if (this.#scratch) this.#arena.free(this.#scratch);
    try {
      this.#scratch = this.#arena.allocate(perThread * this.threads, label);
    } catch (error) {
      // what was compiled before goes on with what it had
      if (this.#scratch) this.#scratch = this.#arena.allocate(before, label);
      throw error;
    }
    await this.#load({ scratch: this.#scratch.offset, scratchBytes: perThread });
  }

  #load(message: LoadMessage): Promise<void> {
    for (const worker of this.#workers) worker.postMessage(message);
    return this.#command(action.load);
  }

  #assemble({ label, launch, inputs, output }: PlacedLaunch): LoadedLaunch {
    const places = inputs.map(({ buffer, length, dtype }) => ({ offset: (buffer as ArenaBuffer).offset, length, dtype }));
    const outputOffset = (output.buffer as ArenaBuffer).offset;
    if ('body' in launch) {
      const { body } = launch;
      if (body.language !== 'wasm')
        throw fail('state', label, 'a body for wasm', body.language, "Lower the program for this device's language.");
      const { routine, units, grain, lastFirst } = body;
      const values = body.arguments({ inputs: places.map(place => place.offset), output: outputOffset });
      return { label, routine, arguments: values, claims: claims(units, this.threads, grain, lastFirst) };
    }
    try {
      const { bytes, math, units } = this.#compiler.compile(launch.kernel, {
        inputs: places,
        outputOffset,
        maximumPages: MAXIMUM_PAGES,
        shared: true,
      });
      return { label, module: new WebAssembly.Module(bytes), math, claims: claims(units, this.threads) };
    } catch (error) {
      throw new Error(`${label}: ${(error as Error).message}`, { cause: error });
    }
  }

  async run(segment: CompiledSegment, ended?: SegmentEnded): Promise<void> {
    this.#check();
    checkSegment(this.#compiled, segment);
    return this.#order.enqueue(async () => {
      const began = performance.now();
      await this.#runSegment(segment as WasmSegment);
      ended?.(began, performance.now());
    });
  }

  async #runSegment({ index, claims }: WasmSegment): Promise<void> {
    if (claims === 0) return;
    const base = this.#claims;
    this.#claims = (base + claims) | 0;
    await this.#command(index, base);
  }

  async profile(segment: CompiledSegment): Promise<readonly number[]> {
    return (await this.timeline(segment)).map(({ beganMs, endedMs }) => endedMs - beganMs);
  }

  async timeline(segment: CompiledSegment): Promise<readonly LaunchTimeline[]> {
    this.#check();
    checkSegment(this.#compiled, segment);
    const { launches } = segment;
    const times = new SharedArrayBuffer(8 * (launches + 1 + 2 * launches * this.threads));
    await this.#order.enqueue(async () => {
      await this.#load({ times });
      await this.#runSegment(segment as WasmSegment);
      await this.#load({ times: undefined });
    });
    const all = new Float64Array(times);
    const here = (ms: number) => ms - performance.timeOrigin;
    let last = all[0]!;
    return Array.from({ length: launches }, (_, i) => {
      const beganMs = last;
      last = Math.max(last, all[i + 1]!); // a launch without units leaves 0
      const threads = Array.from({ length: this.threads }, (_, thread) => {
        const own = launches + 1 + 2 * (i * this.threads + thread);
        return { thread, beganMs: here(all[own]!), endedMs: here(all[own + 1]!) };
      });
      return { beganMs: here(beganMs), endedMs: here(last), threads: threads.filter(({ endedMs }) => endedMs > 0) };
    });
  }

  write(buffer: DeviceBuffer, data: Float32Array | Uint8Array, byteOffset = 0): void {
    this.#check();
    this.#buffers.checkRange(buffer, byteOffset, data.byteLength, 'write');
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const put = (from: Uint8Array) =>
      new Uint8Array(this.#arena.memory.buffer, (buffer as ArenaBuffer).offset + byteOffset, from.length).set(from);
    if (this.#order.idle) put(bytes);
    else {
      const copy = bytes.slice();
      void this.#order.enqueue(() => put(copy));
    }
  }

  async read(buffer: DeviceBuffer, byteLength: number, byteOffset = 0): Promise<Float32Array> {
    this.#check();
    this.#buffers.checkRange(buffer, byteOffset, byteLength, 'read');
    return this.#order.enqueue(() => {
      const { offset } = buffer as ArenaBuffer;
      return new Float32Array(new Uint8Array(this.#arena.memory.buffer, offset + byteOffset, byteLength).slice().buffer);
    });
  }

  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    // what is running finishes first: a segment is short, and a thread killed inside one would leave the others waiting
    await this.#order.enqueue(() => undefined);
    for (const worker of this.#workers) worker.ref();
    this.#tell(action.stop);
    if (this.#failure) for (const worker of this.#workers) void worker.terminate();
    await Promise.all(this.#exits);
    this.#buffers.clear();
    this.#arena.allocatedBytes = 0;
    await this.#compiler.destroy();
  }

  #tell(what: number, base = 0): void {
    const slot = cell.slots + (++this.#commands & 1) * 2;
    Atomics.store(this.#cells, slot, what);
    Atomics.store(this.#cells, slot + 1, base);
    Atomics.store(this.#cells, cell.command, this.#commands);
    Atomics.notify(this.#cells, cell.command);
  }

  /** Gives a command to the compute threads; resolves when it is carried out. */
  #command(what: number, base?: number): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      // the process must not end while a segment runs, and may end between segments
      this.#workers[0]!.ref();
      this.#tell(what, base);
    });
  }

  #finish(error: Error | undefined): void {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#workers[0]?.unref();
    if (!error) {
      settle?.resolve();
      return;
    }
    this.#failure ??= fail(
      'device',
      'wasm',
      'compute threads that finish their work',
      error.message,
      'Report the kernel and the shapes; run again with --device cpu to compare.',
      error,
    );
    this.#lose(this.#failure);
    settle?.reject(this.#failure);
  }
}

/**
 * How threads share the units of a launch: they take many at a time while there are many left, and fewer and fewer towards
 * the end, so that they finish together. A claim costs about a microsecond. One thread takes all at once, unless the last ones come first.
 */
function claims(units: number, threads: number, grain = 1, lastFirst = false): number[] {
  const least = Math.max(grain, Math.ceil(units / (threads * 64)));
  const begins = [0];
  for (let begin = 0; begin < units; ) {
    const share = threads === 1 && !lastFirst ? units : Math.ceil((units - begin) / (threads * 4));
    begin = Math.min(units, begin + Math.max(least, share));
    begins.push(begin);
  }
  return lastFirst ? begins.map(begin => units - begin) : begins;
}
