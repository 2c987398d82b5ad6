/**
 * Safetensors files: eight bytes of header length (little endian), a JSON header, then the tensors' bytes without a gap.
 * Format: https://huggingface.co/docs/safetensors. Shapes and names are kept as they stand in the file.
 */
import { fail, type MillraceError, show } from '../errors.ts';
import { elements, type Shape, text } from '../shape.ts';

/** The types that are read; half precision and double come out as float32. */
const bytesOf = { F32: 4, F16: 2, BF16: 2, F64: 8, I32: 4, I64: 8, U8: 1 } as const;
export type StoredDtype = keyof typeof bytesOf;

export interface StoredTensor {
  /** How it lies in the file. */
  readonly dtype: StoredDtype;
  readonly shape: Shape;
  /** Float32Array for F32, F16, BF16 and F64; Int32Array for I32, BigInt64Array for I64, Uint8Array for U8. */
  readonly data: Float32Array | Int32Array | BigInt64Array | Uint8Array;
}
/** What can be written: each type as the array that it is. */
export interface WritableTensor {
  readonly dtype: 'F32' | 'I32' | 'I64' | 'U8';
  readonly shape: Shape;
  readonly data: StoredTensor['data'];
}

interface Entry {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

/**
 * All tensors of a file, in the order of its header. The data is copied out of `bytes`. `where` is the file's name for errors.
 * Throws a MillraceError of kind 'data' for anything that is not exactly a safetensors file.
 */
export function readSafetensors(bytes: Uint8Array, where = 'safetensors'): Map<string, StoredTensor> {
  const { entries, start } = parse(bytes, where);
  return new Map(
    entries.map(({ name, dtype, shape, begin, end }) => {
      // a copy starts at an aligned address, which typed arrays need; a Buffer's own slice would not copy
      const { buffer } = Uint8Array.from(bytes.subarray(start + begin, start + end));
      return [name, { dtype, shape, data: decode[dtype](buffer) }];
    }),
  );
}

/** The free-form strings that a file carries beside its tensors. */
export function safetensorsMetadata(bytes: Uint8Array, where = 'safetensors'): Record<string, string> {
  return parse(bytes, where).metadata;
}

/** A file with these tensors in this order. The data starts at a multiple of eight bytes. */
export function writeSafetensors(
  tensors: Iterable<readonly [string, WritableTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header[metadataKey] = metadata;
  const pieces: Uint8Array[] = [];
  let end = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    checkWritable(name, dtype, shape, data, header);
    const begin = end;
    end += data.byteLength;
    header[name] = { dtype, shape, data_offsets: [begin, end] };
    pieces.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + end).fill(0x20, 8, 8 + headerBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, 8);
  let at = 8 + headerBytes;
  for (const piece of pieces) {
    file.set(piece, at);
    at += piece.length;
  }
  return file;
}

const metadataKey = '__metadata__';
const again = 'The file is damaged or not a safetensors file: fetch or write it again.';

const decode: Record<StoredDtype, (buffer: ArrayBuffer) => StoredTensor['data']> = {
  F32: buffer => new Float32Array(buffer),
  F64: buffer => Float32Array.from(new Float64Array(buffer)),
  F16: buffer => Float32Array.from(new Uint16Array(buffer), fromHalf),
  // bfloat16 is the upper half of a float32
  BF16: buffer => new Float32Array(Uint32Array.from(new Uint16Array(buffer), bits => bits << 16).buffer),
  I32: buffer => new Int32Array(buffer),
  I64: buffer => new BigInt64Array(buffer),
  U8: buffer => new Uint8Array(buffer),
};

/** IEEE 754 binary16. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function parse(bytes: Uint8Array, where: string): { entries: Entry[]; metadata: Record<string, string>; start: number } {
  const expect = (expected: string, got: string, cause?: unknown) => fail('data', where, expected, got, again, cause);
  if (bytes.length < 8) throw expect('at least 8 bytes', `${bytes.length}`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(bytes.length - 8))
    throw expect(`a header of at most ${bytes.length - 8} bytes, the rest of the file`, `${length} bytes`);
  const start = 8 + Number(length);
  const header = readHeader(bytes.subarray(8, start), expect);
  const { [metadataKey]: metadata = {}, ...rest } = header;
  if (!isRecord(metadata) || !Object.values(metadata).every(value => typeof value === 'string')) {
    throw expect('__metadata__ of strings', show(metadata));
  }
  const entries = Object.entries(rest).map(([name, value]) => readEntry(name, value, where));
  checkPlaces(entries, bytes.length - start, where);
  return { entries, metadata: metadata as Record<string, string>, start };
}

function readHeader(bytes: Uint8Array, expect: (expected: string, got: string, cause?: unknown) => MillraceError): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw expect('a header in JSON', `"${(error as Error).message}"`, error);
  }
  if (!isRecord(header)) throw expect('a header that is a JSON object', show(header));
  return header;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isSizes = (value: unknown): value is number[] => Array.isArray(value) && value.every(size => Number.isSafeInteger(size) && size >= 0);

function readEntry(name: string, value: unknown, where: string): Entry {
  const expect = (expected: string, got: unknown) => fail('data', `${where}, tensor "${name}"`, expected, show(got), again);
  if (!isRecord(value)) throw expect('an object of dtype, shape and data_offsets', value);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(bytesOf, dtype)) {
    const types = Object.keys(bytesOf).join(', ');
    throw fail(
      'data',
      `${where}, tensor "${name}"`,
      `one of the types ${types}`,
      show(dtype),
      'Convert the tensor to F32 and save it again.',
    );
  }
  if (!isSizes(shape)) throw expect('a shape of whole sizes', shape);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) throw expect('data_offsets [begin, end]', offsets);
  const [begin, end] = offsets;
  const size = elements(shape) * bytesOf[dtype as StoredDtype];
  if (end - begin !== size) throw expect(`${size} bytes for ${dtype} ${text(shape)}`, end - begin);
  return { name, dtype: dtype as StoredDtype, shape, begin, end };
}

/** The tensors must fill the data without overlap or gap: anything else means that offsets or file are wrong. */
function checkPlaces(entries: readonly Entry[], available: number, where: string): void {
  let end = 0;
  for (const entry of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    const place = `${where}, tensor "${entry.name}"`;
    if (entry.end > available) {
      throw fail('data', place, `data within the file's ${available} bytes of data`, `an end at byte ${entry.end}`, again);
    }
    if (entry.begin !== end) {
      const got = entry.begin < end ? `byte ${entry.begin}, inside another tensor` : `byte ${entry.begin}, after a gap`;
      throw fail('data', place, `data from byte ${end} on`, got, again);
    }
    end = entry.end;
  }
  if (end !== available) throw fail('data', where, `${end} bytes of data, as its tensors need`, `${available}`, again);
}

function checkWritable(
  name: string,
  dtype: WritableTensor['dtype'],
  shape: Shape,
  data: StoredTensor['data'],
  header: Readonly<Record<string, unknown>>,
): void {
  const where = `safetensors, tensor "${name}"`;
  if (name === metadataKey || Object.hasOwn(header, name)) {
    throw fail('state', where, 'a name of its own', 'one that is taken', 'Write each tensor once, under its own name.');
  }
  const kinds = { F32: Float32Array, I32: Int32Array, I64: BigInt64Array, U8: Uint8Array };
  if (!(data instanceof kinds[dtype])) {
    throw fail('state', where, `a ${kinds[dtype].name} for ${dtype}`, data.constructor.name, 'Convert the data or name its own type.');
  }
  if (data.length !== elements(shape)) {
    throw fail('state', where, `${elements(shape)} elements for ${text(shape)}`, `${data.length}`, 'Pass the data of the whole tensor.');
  }
}
