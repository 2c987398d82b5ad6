import { freemem } from 'node:os';
import { fail, MillraceError, show } from '../../errors.ts';
import type { VariantLimits } from '../../kernels/variant.ts';
import { checkSlice } from '../checks.ts';
import type { CompiledSegment, Device, DeviceBuffer, PlacedLaunch, SegmentEnded } from '../device.ts';
import { type BufferBinding, oneLine, Pipelines, Segment } from './pipelines.ts';
import { requestWebgpu, type WebgpuAccess, type WebgpuOptions } from './provider.ts';
import { Timer } from './timer.ts';
import { checkRange, Readback, STORAGE, Uploader } from './transfers.ts';

/** Submits that may be under way before `run` waits: enough to keep the GPU busy, few enough that an error is noticed soon. */
const IN_FLIGHT = 3;

/** Opens a WebGPU device. Throws a MillraceError of kind 'device' with the reason when there is none of that kind. */
export async function openWebgpu(options: WebgpuOptions): Promise<Device> {
  return deviceOn(await requestWebgpu(options), options);
}

/** The device on an adapter that is open already. */
export function deviceOn(access: WebgpuAccess, options: WebgpuOptions): Device {
  return new WebgpuDevice(access, options);
}

class WebgpuBuffer implements DeviceBuffer, BufferBinding {
  freed = false;

  constructor(
    readonly bytes: number,
    readonly label: string,
    readonly memory: GPUBuffer,
    /** Where in the memory it begins. */
    readonly begin = 0,
    /** What it is a slice of. */
    readonly whole?: WebgpuBuffer,
  ) {}
}

class WebgpuDevice implements Device {
  readonly kind: 'webgpu' | 'webgpu:software';
  readonly language = 'wgsl';
  readonly features: ReadonlySet<string>;
  readonly limits: VariantLimits;
  readonly lost: Promise<never>;
  readonly largestBinding: number;
  readonly profile?: Device['profile'];
  /** Also keeps Dawn's instance alive as long as the device. */
  readonly #access: WebgpuAccess;
  readonly #device: GPUDevice;
  readonly #pipelines: Pipelines;
  readonly #uploader: Uploader;
  readonly #readback: Readback;
  readonly #buffers = new Set<WebgpuBuffer>();
  /** Ends of the latest submits, oldest first. */
  readonly #inFlight: Promise<void>[] = [];
  readonly #allocations = new Set<Promise<void>>();
  #allocatedBytes = 0;
  /** Bytes that it had given before it could give no more: WebGPU does not tell what there is. Of a software adapter, the host's memory. */
  #mostBytes: number;
  #failure: MillraceError | undefined;
  #destroyed = false;
  #rejectLost!: (error: MillraceError) => void;

  constructor(access: WebgpuAccess, { software, largestBinding = Number.POSITIVE_INFINITY, mostBytes }: WebgpuOptions) {
    const { device } = access;
    this.largestBinding = Math.min(largestBinding, device.limits.maxStorageBufferBindingSize);
    this.features = new Set(device.features);
    this.limits = access.limits;
    this.kind = software ? 'webgpu:software' : 'webgpu';
    // not all of it: the system ends a process that takes the last
    this.#mostBytes = mostBytes ?? (software ? Math.floor(freemem() * 0.9) : Number.POSITIVE_INFINITY);
    this.#access = access;
    this.#device = device;
    this.#pipelines = new Pipelines(device, this.largestBinding);
    this.#uploader = new Uploader(device);
    this.#readback = new Readback(device);
    if (this.features.has('timestamp-query')) {
      const timer = new Timer(device);
      this.profile = segment => this.#answer('profile', 'the time of each launch', () => timer.time(this.#segment(segment)));
    }
    this.lost = new Promise<never>((_, reject) => {
      this.#rejectLost = reject;
    });
    // whoever does not watch `lost` learns of it from the next call
    this.lost.catch(() => {});
    device.lost.then(({ reason, message }) => {
      if (this.#destroyed) return;
      this.#fail(
        `a device that stays (${this.description})`,
        `it was lost: ${message || reason}`,
        'Start again from the last checkpoint; a smaller batch takes less memory.',
      );
    });
    device.onuncapturederror = event => {
      // Dawn would print it on stdout as well
      event.preventDefault();
      const { error } = event;
      const memory = error.constructor.name === 'GPUOutOfMemoryError';
      this.#fail(
        'every launch to run',
        oneLine(error.message),
        memory ? 'Use a smaller batch or image size.' : 'Report this with the plan that caused it.',
      );
    };
  }

  get description(): string {
    return this.#access.description;
  }

  get memory(): { buffer: number; total: number } {
    return { buffer: this.#device.limits.maxBufferSize, total: this.#mostBytes };
  }

  get allocatedBytes(): number {
    return this.#allocatedBytes;
  }

  /** A buffer of zeros. What the driver cannot give is reported by the next `compile`, `run` or `read`. */
  allocate(bytes: number, label: string): DeviceBuffer {
    this.#check();
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    const most = this.#device.limits.maxBufferSize;
    if (!Number.isInteger(bytes) || bytes < 0)
      throw fail('state', `tensor "${label}"`, 'a size in whole bytes', show(bytes), 'Check its shape.');
    const fix = 'Use a smaller batch or image size.';
    if (size > most) {
      const expected = `at most ${most} bytes (maxBufferSize of ${this.description})`;
      throw fail('device', `tensor "${label}"`, expected, `${bytes}`, fix);
    }
    if (this.#allocatedBytes + size > this.#mostBytes) {
      const left = Math.max(0, this.#mostBytes - this.#allocatedBytes);
      throw fail('device', `tensor "${label}"`, `at most ${left} bytes (what is left for ${this.description})`, `${bytes}`, fix);
    }
    this.#device.pushErrorScope('out-of-memory');
    this.#device.pushErrorScope('validation');
    const buffer = new WebgpuBuffer(bytes, label, this.#device.createBuffer({ label, size, usage: STORAGE }));
    const before = this.#allocatedBytes;
    const scopes = Promise.all([this.#device.popErrorScope(), this.#device.popErrorScope()]);
    const allocation = scopes.then(([invalid, exhausted]) => {
      const error = exhausted ?? invalid;
      if (!error) return;
      if (exhausted) this.#mostBytes = Math.min(this.#mostBytes, before);
      this.#fail(`${bytes} bytes for tensor "${label}"`, oneLine(error.message) || 'out of memory', fix);
    });
    const settled = allocation.catch(() => {}).finally(() => this.#allocations.delete(settled));
    this.#allocations.add(settled);
    this.#buffers.add(buffer);
    this.#allocatedBytes += size;
    return buffer;
  }

  slice(buffer: DeviceBuffer, byteOffset: number, bytes: number, label: string): DeviceBuffer {
    this.#check();
    const whole = this.#own(buffer);
    checkSlice(whole, byteOffset, bytes);
    return new WebgpuBuffer(bytes, label, whole.memory, whole.begin + byteOffset, whole.whole ?? whole);
  }

  async compile(launches: readonly PlacedLaunch[]): Promise<CompiledSegment> {
    this.#check();
    await Promise.all(this.#allocations);
    this.#check();
    const segment = await this.#pipelines.compile(launches, buffer => this.#own(buffer));
    this.#check();
    return segment;
  }

  async run(segment: CompiledSegment, ended?: SegmentEnded): Promise<void> {
    const asked = performance.now();
    const compiled = this.#segment(segment);
    const { queue } = this.#device;
    const encoder = this.#device.createCommandEncoder();
    compiled.encode(encoder);
    queue.submit([encoder.finish()]);
    const done = queue.onSubmittedWorkDone().then(
      () => ended?.(asked, performance.now()),
      () => {},
    );
    this.#inFlight.push(done);
    if (this.#inFlight.length > IN_FLIGHT) {
      await this.#inFlight.shift();
      if (!this.#destroyed) this.#check();
    }
  }

  #segment(segment: CompiledSegment): Segment {
    this.#check();
    if (segment instanceof Segment) return segment;
    throw fail('state', 'run', 'a segment that this device compiled', show(segment), 'Compile the plan for this device.');
  }

  write(buffer: DeviceBuffer, data: Float32Array | Uint8Array, byteOffset = 0): void {
    this.#check();
    const { memory, begin, label, bytes } = this.#own(buffer);
    checkRange(label, bytes, byteOffset, data.byteLength, 'write');
    this.#uploader.write(memory, begin + byteOffset, data);
  }

  async read(buffer: DeviceBuffer, byteLength: number, byteOffset = 0): Promise<Float32Array> {
    this.#check();
    const { memory, begin, label, bytes } = this.#own(buffer);
    checkRange(label, bytes, byteOffset, byteLength, 'read');
    if (byteLength === 0) return new Float32Array(0);
    return this.#answer(`read of tensor "${label}"`, 'its values', () => this.#readback.read(memory, begin + byteOffset, byteLength));
  }

  /** What the device is asked for, or the reason why it does not answer any more. */
  async #answer<T>(where: string, expected: string, ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await ask();
      this.#check();
      return answer;
    } catch (error) {
      this.#check();
      if (error instanceof MillraceError) throw error;
      throw fail('device', where, expected, oneLine((error as Error).message), 'Start again from the last checkpoint.', error);
    }
  }

  free(buffer: DeviceBuffer): void {
    if (!(buffer instanceof WebgpuBuffer) || !this.#buffers.delete(buffer)) return;
    buffer.freed = true;
    this.#allocatedBytes -= buffer.memory.size;
    buffer.memory.destroy();
  }

  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    for (const buffer of [...this.#buffers]) this.free(buffer);
    this.#readback.destroy();
    this.#uploader.destroy();
    this.#device.destroy();
    await Promise.all([...this.#inFlight, ...this.#allocations]);
  }

  #own(buffer: DeviceBuffer): WebgpuBuffer {
    const own = buffer instanceof WebgpuBuffer ? (buffer.whole ?? buffer) : undefined;
    if (own && this.#buffers.has(own)) return buffer as WebgpuBuffer;
    const got = own?.freed ? 'a freed one' : "another device's";
    throw fail('state', `tensor "${buffer?.label}"`, 'a buffer of this device', got, 'Allocate it here, and free it last.');
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
    if (this.#destroyed) throw fail('state', this.kind, 'an open device', 'one that was destroyed', 'Open a new one.');
  }

  #fail(expected: string, got: string, fix: string): void {
    if (this.#failure || this.#destroyed) return;
    this.#failure = fail('device', this.kind, expected, got, fix);
    this.#rejectLost(this.#failure);
  }
}
