import { inflateSync } from 'node:zlib';
import { fail } from '../errors.ts';

/**
 * Reads MATLAB level 5 MAT-files, compressed or not: numeric, char, cell and struct arrays, which is what the ILSVRC devkit's
 * `meta.mat` is made of. Source: MathWorks, "MAT-File Format", R2023b, chapter 1 (level 5).
 */
export type MatValue = MatNumbers | MatText | MatCells | MatStructs;
export interface MatNumbers {
  readonly kind: 'numbers';
  readonly dims: readonly number[];
  /** Column-major. */
  readonly values: readonly number[];
}
export interface MatText {
  readonly kind: 'text';
  /** One a row of the char array; one for a plain string. */
  readonly lines: readonly string[];
}
export interface MatCells {
  readonly kind: 'cells';
  readonly dims: readonly number[];
  readonly values: readonly MatValue[];
}
export interface MatStructs {
  readonly kind: 'structs';
  readonly dims: readonly number[];
  readonly values: readonly Readonly<Record<string, MatValue>>[];
}

const HEADER = 128;
const COMPRESSED = 15;
const MATRIX = 14;
const classes = { cell: 1, struct: 2, char: 4 } as const;
/** Array classes from double (6) to uint64 (15). */
const isNumeric = (kind: number): boolean => kind >= 6 && kind <= 15;

/** The variables of a file by name. `where` names it in errors, of kind 'data'. */
export function readMat(bytes: Uint8Array, where: string): Map<string, MatValue> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const order = file.toString('latin1', 126, 128);
  if (file.length < HEADER || (order !== 'IM' && order !== 'MI')) {
    const fix = 'Fetch it again; files saved with -v7.3 or before version 5 are of another format.';
    throw fail('data', where, 'a MATLAB level 5 file', file.length < HEADER ? `${file.length} bytes` : 'another kind of file', fix);
  }
  const variables = new Map<string, MatValue>();
  try {
    const reader = new Reader(file.subarray(HEADER), order === 'IM');
    while (reader.left > 0) {
      const element = reader.element();
      const matrix = element.type === COMPRESSED ? new Reader(inflateSync(element.data), order === 'IM').element() : element;
      if (matrix.type !== MATRIX) continue;
      const { name, value } = readMatrix(new Reader(matrix.data, order === 'IM'));
      if (value) variables.set(name, value);
    }
  } catch (error) {
    throw fail('data', where, 'a whole MATLAB file', (error as Error).message, 'It is damaged or cut off: fetch it again.', error);
  }
  return variables;
}

interface Element {
  readonly type: number;
  readonly data: Buffer;
}

/** Walks over the elements of a buffer: a tag of type and size, then the data, padded to 8 bytes. */
class Reader {
  #at = 0;
  constructor(
    readonly bytes: Buffer,
    readonly little: boolean,
  ) {}

  get left(): number {
    return this.bytes.length - this.#at;
  }
  element(): Element {
    const first = this.word(this.#at);
    // a small element has its size in the upper half of the tag's first word, and up to four bytes of data after it
    const small = first >>> 16;
    const type = first & 0xffff;
    const start = this.#at + (small ? 4 : 8);
    const size = small || this.word(this.#at + 4);
    if (start + size > this.bytes.length) throw new RangeError(`an element of ${size} bytes, ${this.bytes.length - start} before the end`);
    this.#at = small ? this.#at + 8 : start + (type === COMPRESSED ? size : Math.ceil(size / 8) * 8);
    return { type, data: this.bytes.subarray(start, start + size) };
  }
  word(at: number): number {
    return this.little ? this.bytes.readUInt32LE(at) : this.bytes.readUInt32BE(at);
  }
  /** The numbers of an element, whatever type they are stored in. */
  numbers({ type, data }: Element): number[] {
    const [size, read] = storage[type] ?? [];
    if (!size || !read) throw new RangeError(`numbers of type ${type}, which no level 5 file has`);
    return Array.from({ length: Math.floor(data.length / size) }, (_, i) => read(data, i * size, this.little));
  }
}

type Read = (data: Buffer, at: number, little: boolean) => number;
/** By type number: bytes of one, and how it is read. */
const storage: Readonly<Record<number, readonly [number, Read]>> = {
  1: [1, (data, at) => data.readInt8(at)],
  2: [1, (data, at) => data.readUInt8(at)],
  3: [2, (data, at, little) => (little ? data.readInt16LE(at) : data.readInt16BE(at))],
  4: [2, (data, at, little) => (little ? data.readUInt16LE(at) : data.readUInt16BE(at))],
  5: [4, (data, at, little) => (little ? data.readInt32LE(at) : data.readInt32BE(at))],
  6: [4, (data, at, little) => (little ? data.readUInt32LE(at) : data.readUInt32BE(at))],
  7: [4, (data, at, little) => (little ? data.readFloatLE(at) : data.readFloatBE(at))],
  9: [8, (data, at, little) => (little ? data.readDoubleLE(at) : data.readDoubleBE(at))],
  12: [8, (data, at, little) => Number(little ? data.readBigInt64LE(at) : data.readBigInt64BE(at))],
  13: [8, (data, at, little) => Number(little ? data.readBigUInt64LE(at) : data.readBigUInt64BE(at))],
  16: [1, (data, at) => data.readUInt8(at)],
  17: [2, (data, at, little) => (little ? data.readUInt16LE(at) : data.readUInt16BE(at))],
};

/** Undefined for arrays of other classes: objects, sparse arrays, functions. */
function readMatrix(reader: Reader): { name: string; value: MatValue | undefined } {
  if (reader.left === 0) return { name: '', value: { kind: 'numbers', dims: [0, 0], values: [] } };
  const kind = reader.word(8) & 0xff;
  reader.element();
  const dims = reader.numbers(reader.element());
  const name = reader.element().data.toString('latin1');
  const count = dims.reduce((product, size) => product * size, 1);
  const nested = () => readMatrix(new Reader(reader.element().data, reader.little)).value ?? { kind: 'numbers', dims: [0], values: [] };
  if (isNumeric(kind)) return { name, value: { kind: 'numbers', dims, values: reader.numbers(reader.element()) } };
  if (kind === classes.char) return { name, value: { kind: 'text', lines: textOf(dims, reader) } };
  if (kind === classes.cell) return { name, value: { kind: 'cells', dims, values: Array.from({ length: count }, nested) } };
  if (kind !== classes.struct) return { name, value: undefined };
  const [nameLength] = reader.numbers(reader.element());
  const text = reader.element().data;
  const fields = Array.from({ length: text.length / nameLength }, (_, i) =>
    text.toString('latin1', i * nameLength, (i + 1) * nameLength).replace(/\0.*$/s, ''),
  );
  const values = Array.from({ length: count }, () => Object.fromEntries(fields.map(field => [field, nested()])));
  return { name, value: { kind: 'structs', dims, values } };
}

/** A char array is stored by columns; its text is in UTF-8 if the element says so, else one number a character. */
function textOf([rows, columns]: readonly number[], reader: Reader): string[] {
  const element = reader.element();
  const characters =
    element.type === 16 ? [...element.data.toString('utf8')] : reader.numbers(element).map(code => String.fromCharCode(code));
  if (rows === 1) return [characters.join('')];
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (__, column) => characters[column * rows + row]).join(''),
  );
}
