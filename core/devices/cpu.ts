import { setImmediate as nextTurn } from 'node:timers/promises';
import gpujs from 'gpu.js';
import { settings } from '../kernels/kernel.ts';
import type { Argument, CompiledSegment, Device, DeviceBuffer, PlacedLaunch } from './device.ts';
import { destroyed, Ordered } from './ordered.ts';

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
  #destroyed = false;

  allocate(bytes: number, label: string): DeviceBuffer {
    if (this.#destroyed) throw destroyed('cpu');
    const size = Math.ceil(bytes / 4) * 4;
    this.allocatedBytes += size;
    return { bytes: size, label, memory: new ArrayBuffer(size) } as CpuBuffer;
  }

  async compile(launches: readonly PlacedLaunch[]): Promise<CompiledSegment> {
    return { launches: launches.length, steps: launches.map(launch => this.#prepare(launch)) } as CpuSegment;
  }

  #prepare({ label, launch: { kernel }, inputs, output }: PlacedLaunch): () => void {
    const key = JSON.stringify([kernel.run.toString(), kernel.threads, kernel.integers, kernel.floats]);
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

  run(segment: CompiledSegment): Promise<void> {
    return this.#order.enqueue(async () => {
      if (this.#destroyed) throw destroyed('cpu');
      let turn = performance.now();
      for (const step of (segment as CpuSegment).steps) {
        step();
        if (performance.now() - turn < TURN_MS) continue;
        await nextTurn();
        turn = performance.now();
      }
    });
  }

  write(buffer: DeviceBuffer, data: Float32Array | Uint8Array, byteOffset = 0): void {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const target = new Uint8Array((buffer as CpuBuffer).memory);
    if (this.#order.idle) target.set(bytes, byteOffset);
    else {
      const copy = bytes.slice();
      void this.#order.enqueue(() => target.set(copy, byteOffset));
    }
  }

  read(buffer: DeviceBuffer, byteLength: number, byteOffset = 0): Promise<Float32Array> {
    return this.#order.enqueue(() => new Float32Array((buffer as CpuBuffer).memory.slice(byteOffset, byteOffset + byteLength)));
  }

  free(buffer: DeviceBuffer): void {
    this.allocatedBytes -= buffer.bytes;
  }

  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#compiled.clear();
    this.allocatedBytes = 0;
    await this.#gpu.destroy();
  }
}

function viewOf({ buffer, length, dtype }: Argument): Float32Array | Uint8Array {
  const { memory } = buffer as CpuBuffer;
  return dtype === 'u8' ? new Uint8Array(memory, 0, length) : new Float32Array(memory, 0, length);
}
