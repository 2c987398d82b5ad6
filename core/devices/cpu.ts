import { setImmediate as nextTurn } from 'node:timers/promises';
import gpujs from 'gpu.js';
import { fail } from '../errors.ts';
import { settings } from '../kernels/kernel.ts';
import { checkSegment, destroyed, LiveBuffers } from './checks.ts';
import type { Argument, CompiledSegment, Device, DeviceBuffer, PlacedLaunch, SegmentEnded } from './device.ts';
import { Ordered } from './ordered.ts';

/**
 * The reference: gpu.js's cpu mode, plain JavaScript with float64 inside a kernel and float32 in memory. Slow by design;
 * every other device is compared with it. A launch's result is copied into its buffer after the launch, so that a kernel
 * never sees what its neighbours have just written.
 */
export async function openCpu(): Promise<Device> {
  return new CpuDevice();
}

const { GPU } = gpujs;
const input = (gpujs as unknown as { input(value: Float32Array | Uint8Array, size: number[]): unknown }).input;

interface CpuBuffer extends DeviceBuffer {
  readonly memory: ArrayBuffer;
  /** Where in the memory it begins. */
  readonly begin: number;
}
interface CpuSegment extends CompiledSegment {
  readonly steps: readonly (() => void)[];
}

/** Work goes back to the event loop after this long, between launches. */
const TURN_MS = 10;

class CpuDevice implements Device {
  readonly kind = 'cpu';
  readonly description = 'cpu, 1 thread, plain JavaScript (reference)';
  readonly threads = 1;
  readonly language = 'none';
  readonly lost = new Promise<never>(() => undefined);
  allocatedBytes = 0;
  readonly #gpu: { createKernel(run: unknown, settings: unknown): (...inputs: unknown[]) => unknown; destroy(): Promise<void> } = new GPU({
    mode: 'cpu',
  }) as never;
  readonly #order = new Ordered();
  readonly #compiled = new Map<string, (...inputs: unknown[]) => unknown>();
  readonly #buffers = new LiveBuffers();
  readonly #segments = new WeakSet<CompiledSegment>();
  #destroyed = false;

  allocate(bytes: number, label: string): DeviceBuffer {
    this.#check();
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    let memory: ArrayBuffer;
    try {
      memory = new ArrayBuffer(size);
    } catch (error) {
      const fix = 'Use a smaller batch, smaller images or a smaller model.';
      throw fail('device', `tensor "${label}"`, 'a size that the system gives', `${bytes} bytes`, fix, error);
    }
    this.allocatedBytes += size;
    return this.#buffers.add({ bytes: size, label, memory, begin: 0 } as CpuBuffer);
  }

  slice(buffer: DeviceBuffer, byteOffset: number, bytes: number, label: string): DeviceBuffer {
    this.#check();
    const { memory, begin } = buffer as CpuBuffer;
    return this.#buffers.addSlice<CpuBuffer>({ bytes, label, memory, begin: begin + byteOffset }, buffer, byteOffset);
  }

  #check(): void {
    if (this.#destroyed) throw destroyed('cpu');
  }

  async compile(launches: readonly PlacedLaunch[]): Promise<CompiledSegment> {
    this.#check();
    for (const launch of launches) this.#buffers.checkLaunch(launch);
    const segment: CpuSegment = { launches: launches.length, steps: launches.map(launch => this.#prepare(launch)) };
    this.#segments.add(segment);
    return segment;
  }

  #prepare({ label, launch, inputs, output }: PlacedLaunch): () => void {
    if ('body' in launch)
      throw fail('state', label, 'a kernel', `a body in ${launch.body.language}`, "Lower the program for this device's language.");
    const { kernel } = launch;
    const key = JSON.stringify([kernel.run.toString(), kernel.threads, kernel.rows !== undefined, kernel.integers, kernel.floats]);
    let run = this.#compiled.get(key);
    if (!run) {
      run = this.#gpu.createKernel(kernel.run, settings(kernel));
      this.#compiled.set(key, run);
    }
    const compiled = run;
    const views = inputs.map(each => input(viewOf(each), [each.length]));
    const target = viewOf(output);
    const [sizeX, sizeY = 1, sizeZ = 1] = kernel.threads;
    return () => {
      let result: unknown;
      try {
        result = compiled(...views);
      } catch (error) {
        throw new Error(`${label}: kernel ${kernel.name} failed on the cpu device: ${(error as Error).message}`, { cause: error });
      }
      const planes = (kernel.threads.length === 3 ? result : [result]) as unknown[];
      for (let z = 0; z < sizeZ; z++) {
        const lines = (kernel.threads.length === 1 ? [planes[0]] : planes[z]) as (Float32Array | Float32Array[])[];
        for (let y = 0; y < sizeY; y++) {
          if ((typeof lines[y]![0] === 'number') !== (kernel.rows === undefined)) {
            throw new Error(`${label}: kernel ${kernel.name}: four values are returned exactly when the kernel states its rows`);
          }
          if (kernel.rows === undefined) {
            target.set(lines[y] as Float32Array, (z * sizeY + y) * sizeX);
            continue;
          }
          const quads = lines[y] as Float32Array[];
          for (let row = 4 * y; row < Math.min(4 * y + 4, kernel.rows); row++) {
            const start = (z * kernel.rows + row) * sizeX;
            for (let x = 0; x < sizeX; x++) target[start + x] = quads[x]![row - 4 * y]!;
          }
        }
      }
    };
  }

  async run(segment: CompiledSegment, ended?: SegmentEnded): Promise<void> {
    this.#check();
    checkSegment(this.#segments, segment);
    return this.#order.enqueue(async () => {
      const began = performance.now();
      let turn = began;
      for (const step of (segment as CpuSegment).steps) {
        step();
        if (performance.now() - turn < TURN_MS) continue;
        await nextTurn();
        turn = performance.now();
      }
      ended?.(began, performance.now());
    });
  }

  write(buffer: DeviceBuffer, data: Float32Array | Uint8Array, byteOffset = 0): void {
    this.#check();
    this.#buffers.checkRange(buffer, byteOffset, data.byteLength, 'write');
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const target = new Uint8Array((buffer as CpuBuffer).memory, (buffer as CpuBuffer).begin);
    if (this.#order.idle) target.set(bytes, byteOffset);
    else {
      const copy = bytes.slice();
      void this.#order.enqueue(() => target.set(copy, byteOffset));
    }
  }

  async read(buffer: DeviceBuffer, byteLength: number, byteOffset = 0): Promise<Float32Array> {
    this.#check();
    this.#buffers.checkRange(buffer, byteOffset, byteLength, 'read');
    const { memory, begin } = buffer as CpuBuffer;
    return this.#order.enqueue(() => new Float32Array(memory.slice(begin + byteOffset, begin + byteOffset + byteLength)));
  }

  free(buffer: DeviceBuffer): void {
    if (this.#buffers.remove(buffer)) this.allocatedBytes -= buffer.bytes;
  }

  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    // what was asked for before ends first
    await this.#order.enqueue(() => undefined);
    this.#compiled.clear();
    this.#buffers.clear();
    this.allocatedBytes = 0;
    await this.#gpu.destroy();
  }
}

function viewOf({ buffer, length, dtype }: Argument): Float32Array | Uint8Array {
  const { memory, begin } = buffer as CpuBuffer;
  return dtype === 'u8' ? new Uint8Array(memory, begin, length) : new Float32Array(memory, begin, length);
}
