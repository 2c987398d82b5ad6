import assert from 'node:assert/strict';
import { readSafetensors, safetensorsMetadata, type WritableTensor, writeSafetensors } from '../../../core/formats/safetensors.ts';

/** A file from a hand-made header, to break it in every way. */
function file(header: unknown, data: Uint8Array, length?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}
const one = (dtype: string, data: Uint8Array, shape = [2]) => file({ t: { dtype, shape, data_offsets: [0, data.length] } }, data);
const read = (bytes: Uint8Array) => () => readSafetensors(bytes, 'm.safetensors');
const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

describe('readSafetensors', () => {
  it('should read back what writeSafetensors wrote, in order @smoke', () => {
    const tensors: [string, WritableTensor][] = [
      ['b', { dtype: 'F32', shape: [2, 3], data: Float32Array.from([1, -2, 3.5, 0, 1e-30, 7]) }],
      ['pixels', { dtype: 'U8', shape: [3], data: Uint8Array.from([0, 128, 255]) }],
      ['a.num_batches_tracked', { dtype: 'I64', shape: [], data: BigInt64Array.from([2n ** 40n]) }],
      ['target', { dtype: 'I32', shape: [2, 1], data: Int32Array.from([-5, 9]) }],
      ['none', { dtype: 'F32', shape: [0, 4], data: new Float32Array() }],
    ];
    const bytes = writeSafetensors(tensors, { model: 'resnet8' });
    assert.deepEqual([...readSafetensors(bytes)], tensors);
    assert.deepEqual(safetensorsMetadata(bytes), { model: 'resnet8' });
  });

  it('should write a view of a larger array', () => {
    const data = Float32Array.from([9, 1, 2, 9]).subarray(1, 3);
    const bytes = writeSafetensors([['v', { dtype: 'F32', shape: [2], data }]]);
    assert.deepEqual([...readSafetensors(bytes).get('v')!.data], [1, 2]);
  });

  it('should read a file that lies at an odd place in memory', () => {
    const bytes = writeSafetensors([['v', { dtype: 'F32', shape: [1], data: Float32Array.of(4) }]]);
    const moved = new Uint8Array(bytes.length + 1);
    moved.set(bytes, 1);
    assert.deepEqual([...readSafetensors(moved.subarray(1)).get('v')!.data], [4]);
    assert.deepEqual([...readSafetensors(Buffer.from(bytes)).get('v')!.data], [4]);
  });

  it('should convert F64, F16 and BF16 to float32', () => {
    const values = (dtype: string, array: ArrayBufferView, length: number) => [
      ...readSafetensors(one(dtype, bytesOf(array), [length])).get('t')!.data,
    ];
    assert.deepEqual(values('F64', Float64Array.of(0.1, -3), 2), [Math.fround(0.1), -3]);
    // one, minus two, the largest, the smallest normal, the smallest subnormal, infinity
    const half = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 0x8001, 0x7c00, 0x7e00);
    assert.deepEqual(values('F16', half, 7), [1, -2, 65504, 2 ** -14, -(2 ** -24), Number.POSITIVE_INFINITY, Number.NaN]);
    assert.deepEqual(values('BF16', Uint16Array.of(0x3f80, 0xc040, 0x7f80), 3), [1, -3, Number.POSITIVE_INFINITY]);
  });

  it('should name the file and what is wrong with it', () => {
    const whole = one('F32', new Uint8Array(8));
    const damaged = 'The file is damaged or not a safetensors file: fetch or write it again.';
    const cases: [Uint8Array, string][] = [
      [new Uint8Array(3), 'm.safetensors: expected at least 8 bytes, got 3.'],
      [file('{}', new Uint8Array(), 1000n), 'm.safetensors: expected a header of at most 2 bytes, the rest of the file, got 1000 bytes.'],
      [file('[]', new Uint8Array()), 'm.safetensors: expected a header that is a JSON object, got [].'],
      [
        whole.subarray(0, whole.length - 1),
        `m.safetensors, tensor "t": expected data within the file's 7 bytes of data, got an end at byte 8.`,
      ],
      [file({ t: 1 }, new Uint8Array()), 'm.safetensors, tensor "t": expected an object of dtype, shape and data_offsets, got 1.'],
      [one('F32', new Uint8Array(8), [-2]), 'm.safetensors, tensor "t": expected a shape of whole sizes, got [-2].'],
      [one('F32', new Uint8Array(8), [3]), 'm.safetensors, tensor "t": expected 12 bytes for F32 [3], got 8.'],
      [
        file({ t: { dtype: 'U8', shape: [], data_offsets: [3, 2] } }, new Uint8Array(4)),
        'm.safetensors, tensor "t": expected data_offsets [begin, end], got [3,2].',
      ],
      [file({}, new Uint8Array(2)), 'm.safetensors: expected 0 bytes of data, as its tensors need, got 2.'],
      [file({ __metadata__: { a: 1 } }, new Uint8Array()), 'm.safetensors: expected __metadata__ of strings, got {"a":1}.'],
      [
        file(
          { a: { dtype: 'U8', shape: [2], data_offsets: [0, 2] }, b: { dtype: 'U8', shape: [2], data_offsets: [1, 3] } },
          new Uint8Array(3),
        ),
        'm.safetensors, tensor "b": expected data from byte 2 on, got byte 1, inside another tensor.',
      ],
      [
        file({ a: { dtype: 'U8', shape: [2], data_offsets: [1, 3] } }, new Uint8Array(3)),
        'm.safetensors, tensor "a": expected data from byte 0 on, got byte 1, after a gap.',
      ],
    ];
    for (const [bytes, message] of cases)
      assert.throws(read(bytes), { name: 'MillraceError', kind: 'data', message: `${message} ${damaged}` });
    assert.throws(read(file('{"a"', new Uint8Array())), /m\.safetensors: expected a header in JSON, got ".*"\. The file is damaged/);
    assert.throws(read(one('C64', new Uint8Array(8))), {
      message:
        'm.safetensors, tensor "t": expected one of the types F32, F16, BF16, F64, I32, I64, U8, got "C64". Convert the tensor to F32 and save it again.',
    });
  });
});

describe('writeSafetensors', () => {
  it('should refuse data that does not fit its shape, its type or its name', () => {
    const good: WritableTensor = { dtype: 'F32', shape: [2], data: new Float32Array(2) };
    const write =
      (...tensors: [string, WritableTensor][]) =>
      () =>
        writeSafetensors(tensors);
    assert.throws(write(['w', { ...good, shape: [3] }]), {
      message: 'safetensors, tensor "w": expected 3 elements for [3], got 2. Pass the data of the whole tensor.',
    });
    assert.throws(write(['w', { ...good, dtype: 'I32' }]), /expected a Int32Array for I32, got Float32Array\./);
    assert.throws(write(['w', good], ['w', good]), /"w": expected a name of its own, got one that is taken\./);
    assert.throws(write(['__metadata__', good]), /expected a name of its own/);
  });
});
