import { fail } from '../../errors.ts';

/** WebGPU's own numbers: its specification fixes them, and they are globals only in browsers. */
export const STORAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST
const READBACK = 0x01 | 0x08; // MAP_READ | COPY_DST
const MAP_READ = 0x01;
const UPLOAD = 0x02 | 0x04; // MAP_WRITE | COPY_SRC
const MAP_WRITE = 0x02;

/** Writes from this size on go through the ring: Dawn would allocate staging memory for each, and clear it. */
const LARGE = 1 << 20;
/** A weight of more than this is written once a run: not worth keeping memory for. */
const LARGEST_STAGED = 64 << 20;
/** Batches that may be on their way: one that the device copies, one that the host fills, one between. */
const RING = 3;

/** Shared memory is copied through a piece of this size, so that the copy never grows with the tensor. */
const PIECE = 4 << 20;
/** Staging buffers kept for the next read; a larger one lives for one read. */
const KEPT = 4;
const KEPT_BYTES = 16 << 20;

const isShared = (memory: ArrayBufferLike): boolean => Object.prototype.toString.call(memory) === '[object SharedArrayBuffer]';

/** Memory that the host fills and the device copies from. */
interface Staging {
  readonly buffer: GPUBuffer;
  /** The host's view of it; undefined while the device has it. */
  view: Uint8Array | undefined;
}

/** Writes host memory into buffers, in queue order. Nothing waits for the device: the next batch is filled in while a step runs. */
export class Uploader {
  readonly #device: GPUDevice;
  readonly #queue: GPUQueue;
  readonly #ring: Staging[] = [];
  readonly #tail = new Uint8Array(4);
  #piece: Uint8Array<ArrayBuffer> | undefined;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#queue = device.queue;
  }

  /** WebGPU writes whole words: after a length that is no multiple of 4, up to three bytes of zeros follow. */
  write(target: GPUBuffer, offset: number, data: Float32Array | Uint8Array): void {
    const { buffer: memory, byteOffset, byteLength } = data;
    const words = byteLength - (byteLength % 4);
    const staging = words >= LARGE && words <= LARGEST_STAGED ? this.#take(words) : undefined;
    if (staging) this.#stage(staging, target, offset, new Uint8Array(memory, byteOffset, words));
    else if (isShared(memory)) this.#writeShared(target, offset, new Uint8Array(memory, byteOffset, words));
    else if (words > 0) this.#queue.writeBuffer(target, offset, memory as ArrayBuffer, byteOffset, words);
    if (words === byteLength) return;
    this.#tail.fill(0).set(new Uint8Array(memory, byteOffset + words, byteLength - words));
    this.#queue.writeBuffer(target, offset + words, this.#tail);
  }

  destroy(): void {
    for (const { buffer } of this.#ring.splice(0)) buffer.destroy();
  }

  /** A mapped buffer of that size; undefined when the device still has all of them. */
  #take(byteLength: number): Staging | undefined {
    const idle = this.#ring.filter(({ view }) => view !== undefined);
    const fits = idle.find(({ buffer }) => buffer.size >= byteLength);
    if (fits) return fits;
    if (this.#ring.length === RING) {
      if (idle.length === 0) return undefined;
      this.#ring.splice(this.#ring.indexOf(idle[0]), 1);
      idle[0].buffer.destroy();
    }
    const buffer = this.#device.createBuffer({ label: 'upload', size: byteLength, usage: UPLOAD, mappedAtCreation: true });
    const staging = { buffer, view: new Uint8Array(buffer.getMappedRange()) };
    this.#ring.push(staging);
    return staging;
  }

  #stage(staging: Staging, target: GPUBuffer, offset: number, bytes: Uint8Array): void {
    const { buffer } = staging;
    staging.view!.set(bytes);
    staging.view = undefined;
    buffer.unmap();
    const encoder = this.#device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, target, offset, bytes.byteLength);
    this.#queue.submit([encoder.finish()]);
    buffer.mapAsync(MAP_WRITE).then(
      () => {
        staging.view = new Uint8Array(buffer.getMappedRange());
      },
      // the device is gone, or the buffer was given up
      () => this.#ring.includes(staging) && this.#ring.splice(this.#ring.indexOf(staging), 1),
    );
  }

  /** Dawn crashes the process when it is given shared memory, so it gets a copy. */
  #writeShared(target: GPUBuffer, offset: number, bytes: Uint8Array): void {
    const wanted = Math.min(PIECE, 2 ** Math.ceil(Math.log2(Math.max(bytes.byteLength, 4096))));
    if (!this.#piece || this.#piece.byteLength < wanted) this.#piece = new Uint8Array(wanted);
    const piece = this.#piece;
    for (let at = 0; at < bytes.byteLength; at += piece.byteLength) {
      const part = bytes.subarray(at, at + piece.byteLength);
      piece.set(part);
      this.#queue.writeBuffer(target, offset + at, piece, 0, part.byteLength);
    }
  }
}

/** Reads buffers back through staging buffers that are used again and again. */
export class Readback {
  readonly #device: GPUDevice;
  #idle: GPUBuffer[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** What every earlier submit leaves in these bytes. Rejects when the device is lost or destroyed meanwhile. */
  async read(source: GPUBuffer, offset: number, byteLength: number): Promise<Float32Array> {
    const staging = this.#take(byteLength);
    const encoder = this.#device.createCommandEncoder();
    encoder.copyBufferToBuffer(source, offset, staging, 0, byteLength);
    this.#device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(MAP_READ, 0, byteLength);
      const copy = new Float32Array(staging.getMappedRange(0, byteLength).slice(0));
      staging.unmap();
      this.#giveBack(staging);
      return copy;
    } catch (error) {
      staging.destroy();
      throw error;
    }
  }

  destroy(): void {
    for (const staging of this.#idle) staging.destroy();
    this.#idle = [];
  }

  #take(byteLength: number): GPUBuffer {
    const fits = this.#idle.filter(staging => staging.size >= byteLength).sort((a, b) => a.size - b.size)[0];
    if (fits) {
      this.#idle.splice(this.#idle.indexOf(fits), 1);
      return fits;
    }
    const size = byteLength > KEPT_BYTES ? byteLength : 2 ** Math.ceil(Math.log2(Math.max(byteLength, 256)));
    return this.#device.createBuffer({ label: 'readback', size, usage: READBACK });
  }

  #giveBack(staging: GPUBuffer): void {
    if (staging.size > KEPT_BYTES) staging.destroy();
    else this.#idle.push(staging);
    if (this.#idle.length <= KEPT) return;
    // the smallest serves the fewest reads
    this.#idle.sort((a, b) => a.size - b.size);
    this.#idle.shift()!.destroy();
  }
}

/** Whole words only, inside the buffer: WebGPU copies nothing else. */
export function checkRange(label: string, bytes: number, byteOffset: number, byteLength: number, access: 'read' | 'write'): void {
  const where = `${access} of tensor "${label}"`;
  const got = `${byteLength} bytes at ${byteOffset}`;
  if (byteOffset < 0 || byteOffset + byteLength > bytes) {
    throw fail('state', where, `a range inside its ${bytes} bytes`, got, 'Pass data of the shape that the plan placed.');
  }
  if (byteOffset % 4 !== 0) throw fail('state', where, 'an offset that is a multiple of 4', got, 'Start at a whole word.');
  if (byteLength % 4 === 0) return;
  if (access === 'read') throw fail('state', where, 'a length that is a multiple of 4', got, 'Read whole floats.');
  if (byteOffset + byteLength < bytes) {
    throw fail('state', where, 'a length that is a multiple of 4, or data up to the end', got, 'Write the tensor as a whole.');
  }
}
