import { wasmLibrary } from '../kernels/wasmLibrary.ts';
import type { RawPixels } from './rawPixels.ts';

const PAGE = 65536;
/** Memory that is kept for it, at most: larger images go other ways, as they are rare and would hold it for ever. */
const MOST_BYTES = 64 * 2 ** 20;
/** Vector loads and stores may reach this far past an image. */
const SLACK = 64;

type Routine = (...numbers: number[]) => number;
type Name = 'resampleRows1' | 'resampleRows3' | 'resampleColumns' | 'jpegIntervals' | 'jpegTable' | 'jpegScan' | 'jpegColor';

/**
 * Memory of this thread in which the routines of `core/assembly` work on one image: taken from one end to the other, and all given
 * back at once. It grows to the largest image, and stays; so that after the first images none is asked of the system.
 */
export class ImageMemory {
  readonly routines: Readonly<Record<Name, Routine>>;
  readonly #memory = new WebAssembly.Memory({ initial: 1, maximum: MOST_BYTES / PAGE, shared: true });
  // the first page holds the library's constants
  #end = PAGE;

  constructor() {
    const { exports } = new WebAssembly.Instance(wasmLibrary().module, { env: { memory: this.#memory, abort } });
    this.routines = exports as unknown as Readonly<Record<Name, Routine>>;
  }

  /** What it has asked of the system. */
  get size(): number {
    return this.#memory.buffer.byteLength;
  }
  /** The next image: what was taken is free again. */
  reset(): void {
    this.#end = PAGE;
  }
  /** Whether so many bytes in all, in so many pieces, can be taken. */
  hasRoom(bytes: number, pieces: number): boolean {
    return this.#end + bytes + pieces * 2 * SLACK <= MOST_BYTES;
  }
  /** The address of so many bytes, a multiple of 64. What lies there is not defined. */
  take(bytes: number): number {
    const at = this.#end;
    this.#end += Math.ceil((bytes + SLACK) / 64) * 64;
    const missing = this.#end - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE));
    return at;
  }
  put(values: { readonly buffer: ArrayBufferLike; readonly byteOffset: number; readonly byteLength: number }): number {
    const at = this.take(values.byteLength);
    this.bytes(at, values.byteLength).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return at;
  }
  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, at, length);
  }
  /** An image at an address, valid until the next `reset`. */
  pixels(address: number, height: number, width: number, channels: number): RawPixels {
    return { data: this.bytes(address, height * width * channels), height, width, channels, address };
  }
}

function abort(): never {
  throw new Error('a routine of core/assembly gave up');
}
