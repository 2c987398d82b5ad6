import { basename } from 'node:path';
import { fail, type MillraceError } from '../errors.ts';
import { type ByteStream, openBytes } from './bytes.ts';

/**
 * The IDX format of the MNIST files: two zero bytes, a type code, the number of dimensions, the dimensions as big-endian
 * 32-bit integers, then the items in row-major order. Source: http://yann.lecun.com/exdb/mnist/ (description of the files).
 */
export interface IdxHeader {
  readonly dtype: IdxType;
  /** The first one counts the items. */
  readonly dims: readonly number[];
  /** Length of one item: the product of the other dimensions. */
  readonly itemBytes: number;
}

export type IdxType = 'uint8' | 'int8' | 'int16' | 'int32' | 'float32' | 'float64';
const types: Readonly<Record<number, IdxType>> = { 8: 'uint8', 9: 'int8', 11: 'int16', 12: 'int32', 13: 'float32', 14: 'float64' };

/** An open IDX file of uint8 items, .gz or not. */
export interface IdxFile {
  readonly header: IdxHeader;
  /**
   * Its items in order from item `first` on, each in memory of its own: a plain file is begun there, a packed one unpacked up to there.
   * A file that is too short or too long is an error at its end.
   */
  items(first?: number): AsyncGenerator<Uint8Array, void, undefined>;
  /** For a file whose items are not read to the end. */
  close(): void;
}

/**
 * Opens an IDX file and reads its header. `dimensions` is how many are allowed: [1] for labels, [3, 4] for images
 * ([N,H,W] or [N,H,W,C]). Streams: holds one item and a few chunks. The signal closes the file.
 */
export async function openIdx(path: string, dimensions: readonly number[], signal?: AbortSignal): Promise<IdxFile> {
  const bytes = await openBytes(path, signal);
  const input = new Cursor(bytes);
  try {
    const header = await readHeader(path, input, dimensions);
    return { header, items: (first = 0) => readItems(path, input, header, first, signal), close: () => input.bytes.stream.destroy() };
  } catch (error) {
    bytes.stream.destroy();
    throw bytes.trouble(error, 'in the header');
  }
}

/** The header alone; closes the file. */
export async function readIdxHeader(path: string, dimensions: readonly number[]): Promise<IdxHeader> {
  const file = await openIdx(path, dimensions);
  file.close();
  return file.header;
}

async function readHeader(path: string, input: Cursor, dimensions: readonly number[]): Promise<IdxHeader> {
  const magic = await input.take(4);
  if (magic?.[0] !== 0 || magic[1] !== 0 || !(magic[2] in types) || magic[3] === 0) {
    const got = magic ? `first bytes ${hex(magic)}` : `a file of ${input.position} bytes`;
    throw fail(
      'data',
      path,
      `an IDX file (first bytes 00 00 08 ${hex(Uint8Array.of(dimensions[0]))})`,
      got,
      'Give the original idx-ubyte file, packed with gzip or not.',
    );
  }
  const dtype = types[magic[2]];
  if (dtype !== 'uint8') {
    throw fail(
      'data',
      path,
      'IDX items of type uint8 (code 08)',
      `${dtype} (code ${hex(magic.subarray(2, 3))})`,
      'Convert the file to unsigned bytes.',
    );
  }
  if (!dimensions.includes(magic[3])) {
    const fix = 'Check that the images file and the labels file are not swapped.';
    throw fail('data', path, `${dimensions.join(' or ')} dimensions`, String(magic[3]), fix);
  }
  const sizes = await input.take(4 * magic[3]);
  if (!sizes) throw cutOff(path, `${4 + 4 * magic[3]} bytes of header`, input.position);
  const view = new DataView(sizes.buffer, sizes.byteOffset, sizes.length);
  const dims = Array.from({ length: magic[3] }, (_, i) => view.getUint32(4 * i));
  const itemBytes = dims.slice(1).reduce((product, size) => product * size, 1);
  if (dims.includes(0) || itemBytes > 2 ** 28) {
    throw fail(
      'data',
      path,
      'dimensions from 1, and items of at most 256 MiB',
      `dimensions [${dims.join(', ')}]`,
      'The header is damaged: fetch the file again.',
    );
  }
  return { dtype, dims, itemBytes };
}

async function* readItems(
  path: string,
  input: Cursor,
  { dims, itemBytes }: IdxHeader,
  first: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (first > 0) await input.skip(path, first * itemBytes, signal);
    for (let i = first; i < dims[0]; i++) {
      // Awaiting only when a chunk is used up: most items cost no turn of the microtask queue.
      const item = input.takeNow(itemBytes) ?? (await input.take(itemBytes));
      if (!item) throw cutOff(path, `${dims[0]} items of ${itemBytes} bytes`, input.position, `, in item ${i}`);
      yield item;
    }
    if (await input.take(1)) {
      const expected = `${dims[0]} items of ${itemBytes} bytes, as its header says`;
      throw fail('data', path, expected, `more after byte ${input.position - 1}`, 'The header is damaged: fetch or make the file again.');
    }
  } catch (error) {
    throw input.bytes.trouble(error, `after ${input.position} unpacked bytes`);
  } finally {
    input.bytes.stream.destroy();
  }
}

function cutOff(path: string, expected: string, position: number, where = ''): MillraceError {
  return fail('data', path, expected, `its end at byte ${position}${where}`, `${basename(path)} was cut off: fetch or make it again.`);
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(' ');
}

/** Takes exact lengths out of a stream of chunks. */
class Cursor {
  #chunks: AsyncIterator<Buffer>;
  #chunk: Uint8Array = new Uint8Array(0);
  #used = 0;
  /** Bytes there were so far, in the unpacked file. */
  position = 0;

  constructor(public bytes: ByteStream) {
    this.#chunks = bytes.stream[Symbol.asyncIterator]();
  }

  /** A copy of the next `length` bytes if they are here already. */
  takeNow(length: number): Uint8Array | undefined {
    if (this.#chunk.length - this.#used < length) return undefined;
    const taken = new Uint8Array(length);
    taken.set(this.#chunk.subarray(this.#used, this.#used + length));
    this.#used += length;
    this.position += length;
    return taken;
  }

  /** Goes on `length` bytes further on; what a packed file holds before is unpacked and forgotten. */
  async skip(path: string, length: number, signal: AbortSignal | undefined): Promise<void> {
    this.position += length;
    if (!this.bytes.gzipped) {
      this.bytes.stream.destroy();
      this.bytes = await openBytes(path, signal, this.position);
      this.#chunks = this.bytes.stream[Symbol.asyncIterator]();
      this.#used = this.#chunk.length;
      return;
    }
    let left = length;
    while (left > this.#chunk.length - this.#used) {
      left -= this.#chunk.length - this.#used;
      const { done, value } = await this.#chunks.next();
      this.#chunk = done ? new Uint8Array(0) : value;
      this.#used = 0;
      // told as cut off by whoever takes the next item
      if (done) return;
    }
    this.#used += left;
  }

  /** The same, reading on as needed; undefined when the file ends before. */
  async take(length: number): Promise<Uint8Array | undefined> {
    const taken = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      if (this.#used === this.#chunk.length) {
        const { done, value } = await this.#chunks.next();
        if (done) return undefined;
        this.#chunk = value;
        this.#used = 0;
      }
      const part = this.#chunk.subarray(this.#used, this.#used + length - filled);
      taken.set(part, filled);
      filled += part.length;
      this.#used += part.length;
      this.position += part.length;
    }
    return taken;
  }
}
