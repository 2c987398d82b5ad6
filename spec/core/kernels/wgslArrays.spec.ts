import assert from 'node:assert/strict';
import type { Device } from '../../../core/devices/device.ts';
import { openWebgpu } from '../../../core/devices/webgpu/index.ts';
import { WgslCompiler } from '../../../core/kernels/gpujsWebgpu.ts';
import type { Kernel, KernelThis, Quad } from '../../../core/kernels/kernel.ts';
import type { VariantLaunch } from '../../../core/kernels/variant.ts';
import { bindArrays, type ShaderArray } from '../../../core/kernels/wgslArrays.ts';
import { openAnyWebgpu } from '../devices/openAnyWebgpu.ts';
import { runKernel } from '../devices/runKernel.ts';

const limits = { maxStorageBuffersPerShaderStage: 8, maxStorageBufferBindingSize: 1024 };
const float = (length: number): ShaderArray => ({ length, dtype: 'f32' });
const bytes = (length: number): ShaderArray => ({ length, dtype: 'u8' });
const bind = (inputs: readonly ShaderArray[], output: ShaderArray, more: { inout?: string; limits?: typeof limits } = {}) =>
  bindArrays('kernel "sample"', ['a', 'b', 'c', 'd'].slice(0, inputs.length), inputs, output, more.inout, more.limits ?? limits);
const rangesOf = ({ bindings }: ReturnType<typeof bind>) =>
  bindings.map(({ array, byteOffset, byteLength }) => [array, byteOffset, byteLength]);

describe('bindArrays', () => {
  it('should bind what fits the limit whole, and leave no trace of ranges in the text @smoke', () => {
    const bound = bind([float(256), bytes(1021)], float(256));
    assert.deepEqual(rangesOf(bound), [
      [0, 0, 1024],
      [1, 0, 1024],
      ['output', 0, 1024],
    ]);
    assert.equal(
      bound.variables,
      `@group(0) @binding(0) var<storage, read> user_a : array<f32>;
@group(0) @binding(1) var<storage, read> user_b : array<u32>;
@group(0) @binding(2) var<storage, read_write> result : array<f32>;`,
    );
    assert.equal(
      bound.accessors,
      `fn get_user_a(z : i32, y : i32, x : i32) -> f32 { return user_a[x]; }
fn clamped_user_a(z : i32, y : i32, x : i32) -> f32 { return get_user_a(0, 0, clamp(x, 0, 255)); }
fn get_user_b(z : i32, y : i32, x : i32) -> f32 { return f32((user_b[x >> 2u] >> (u32(x & 3) << 3u)) & 255u); }
fn clamped_user_b(z : i32, y : i32, x : i32) -> f32 { return get_user_b(0, 0, clamp(x, 0, 1020)); }`,
    );
    assert.equal(bound.store('i', 'v'), 'result[i] = v;');
  });

  it('should bind what does not as full ranges and a ragged one, named by number', () => {
    const bound = bind([float(513), bytes(1025)], float(257));
    assert.deepEqual(rangesOf(bound), [
      [0, 0, 1024],
      [0, 1024, 1024],
      [0, 2048, 4],
      [1, 0, 1024],
      [1, 1024, 4],
      ['output', 0, 1024],
      ['output', 1024, 4],
    ]);
    assert.deepEqual(
      [...bound.variables.matchAll(/var<storage, (\w+)> (\w+)/g)].map(([, access, name]) => `${access} ${name}`),
      ['read user_a', 'read user_a_1', 'read user_a_2', 'read user_b', 'read user_b_1', 'read_write result', 'read_write result_1'],
    );
    assert.match(
      bound.accessors,
      /if \(x < 256\) \{ return user_a\[x\]; \}\s+if \(x < 512\) \{ return user_a_1\[\(x - 256\)\]; \}\s+return user_a_2\[\(x - 512\)\];/,
    );
    assert.equal(bound.store('i', 'v'), 'storeResult(i, v);');
  });

  it('should start ranges at multiples of 256 bytes whatever the limit is', () => {
    assert.deepEqual(rangesOf(bind([], float(600), { limits: { ...limits, maxStorageBufferBindingSize: 1020 } })), [
      ['output', 0, 768],
      ['output', 768, 768],
      ['output', 1536, 768],
      ['output', 2304, 96],
    ]);
    // what fits is whole
    const whole = bind([], float(255), { limits: { ...limits, maxStorageBufferBindingSize: 1020 } });
    assert.deepEqual(rangesOf(whole), [['output', 0, 1020]]);
  });

  it('should read the inout argument through the ranges of the output', () => {
    const bound = bind([float(512), float(4)], float(512), { inout: 'a' });
    assert.deepEqual(rangesOf(bound), [
      [1, 0, 16],
      ['output', 0, 1024],
      ['output', 1024, 1024],
    ]);
    assert.match(bound.accessors, /fn get_user_a\(.+\{ if \(x < 256\) \{ return result\[x\]; \}\s+return result_1\[\(x - 256\)\]; \}/);
  });

  it('should say which arrays take how many bindings when there are too many', () => {
    assert.throws(
      () => bind([float(1024), float(5), float(513)], float(4)),
      /^MillraceError: kernel "sample": expected at most 8 arrays with the output \(this adapter's limit\), got 9, because a binding holds at most 1024 bytes: "a" of 4096 bytes takes 4, "c" of 2052 bytes takes 3\. Use a smaller batch or image size, or split the kernel\.$/,
    );
  });

  it('should refuse arrays that 32-bit indices cannot reach', () => {
    assert.throws(
      () => bind([bytes(2 ** 31)], float(4)),
      /kernel "sample": expected arrays of at most 2147483647 elements, got 2147483648 in "a"\. Use a smaller batch/,
    );
  });
});

/** 64 KiB: 16,384 floats. */
const LARGEST = 1 << 16;
const FLOATS = LARGEST / 4;
const values = (length: number, seed = 1) => Float32Array.from({ length }, (_, i) => ((i * 7919 + seed * 104_729) % 10_007) - 5000);

describe('WgslCompiler with arrays larger than a binding', () => {
  let whole: Device;
  let split: Device;
  before(async function () {
    whole = await openAnyWebgpu(this);
    split = await openWebgpu({ software: whole.kind === 'webgpu:software', largestBinding: LARGEST });
  });
  after(() => Promise.all([whole?.destroy(), split?.destroy()]));

  /** The split result must be the whole one bit for bit, in every element. */
  async function same(kernel: Kernel, arrays: (Float32Array | Uint8Array)[], length: number): Promise<Float32Array> {
    const expected = await runKernel(whole, kernel, arrays, length);
    const result = await runKernel(split, kernel, arrays, length);
    const first = expected.findIndex((value, i) => !Object.is(value, result[i]));
    assert.equal(first, -1, `element ${first}: ${result[first]} instead of ${expected[first]}`);
    // a kernel that stored nothing would pass
    assert.ok(result.filter(value => value !== 0).length > length / 2);
    return result;
  }

  it('should say what it binds at once', () => {
    assert.equal(split.largestBinding, LARGEST);
    assert.ok(whole.largestBinding! >= 2 ** 27);
  });

  function reversed(this: KernelThis, a: Float32Array): number {
    return a[this.constants.last! - this.thread.x * this.constants.step!]!;
  }
  // one element over, two full ranges, three of which the last is ragged, four of which it is a single element
  for (const length of [FLOATS + 1, 2 * FLOATS, 2 * FLOATS + 777, 3 * FLOATS + 1]) {
    it(`should read ${length} floats, in an order that crosses every border`, async () => {
      const step = Math.ceil(length / FLOATS);
      const count = Math.floor(length / step);
      const kernel: Kernel = { name: 'reversed', run: reversed, threads: [count], integers: { last: length - 1, step } };
      const input = values(length);
      const result = await same(kernel, [input], count);
      assert.deepEqual(
        [result[0], result[1], result[count - 1]],
        [input[length - 1], input[length - 1 - step], input[length - 1 - (count - 1) * step]],
      );
    });
    it(`should write ${length} floats`, async () => {
      const kernel: Kernel = { name: 'reversed', run: reversed, threads: [length], integers: { last: length - 1, step: 1 } };
      const input = values(length);
      assert.deepEqual(await same(kernel, [input], length), input.toReversed());
    });
  }

  it('should read bytes', async () => {
    const length = 2 * LARGEST + 5;
    const pixels = Uint8Array.from({ length }, (_, i) => 1 + ((i * 89 + (i >> 8)) % 255));
    const count = Math.ceil(length / 9);
    const kernel: Kernel = { name: 'reversed', run: reversed, threads: [count], integers: { last: length - 1, step: 9 } };
    const result = await same(kernel, [pixels], count);
    assert.deepEqual([result[0], result[count - 1]], [pixels[length - 1], pixels[length - 1 - (count - 1) * 9]]);
  });

  /** Four rows of a [rows, X] product of a's rows and one column. */
  function outer(this: KernelThis, a: Float32Array, b: Float32Array): Quad {
    const row = this.thread.z * this.constants.rows! + this.thread.y * 4;
    const last = this.constants.last!;
    const x = this.thread.x;
    return [
      a[Math.min(row, last)]! * b[x]!,
      a[Math.min(row + 1, last)]! * b[x]!,
      a[Math.min(row + 2, last)]! * b[x]!,
      a[Math.min(row + 3, last)]! * b[x]!,
    ];
  }
  for (const rows of [400, 397]) {
    it(`should store four rows a thread, of ${rows}`, async () => {
      const [X, Z] = [45, 3];
      const threads = [X, Math.ceil(rows / 4), Z] as const;
      const kernel: Kernel = { name: 'outer', run: outer, threads, rows, integers: { rows, last: rows * Z - 1 } };
      const [a, b] = [values(rows * Z), values(X, 2)];
      const count = X * rows * Z;
      assert.ok(count > 3 * FLOATS);
      // the element behind the last shows that nothing was stored there
      const result = await same(kernel, [a, b], count + 1);
      assert.deepEqual([result[count - 1], result[count]], [Math.fround(a[rows * Z - 1]! * b[X - 1]!), 0]);
    });
  }

  function descend(this: KernelThis, w: Float32Array, dw: Float32Array): number {
    return w[this.thread.x]! - dw[this.thread.x]! * 0.5;
  }
  it('should update in place', async () => {
    const length = 2 * FLOATS + 333;
    const kernel: Kernel = { name: 'descend', run: descend, threads: [length], inout: 'w' };
    const [start, gradient] = [values(length), values(length, 2)];
    const [w, dw] = ['w', 'dw'].map(label => ({ buffer: split.allocate(length * 4, label), length, dtype: 'f32' as const }));
    split.write(w!.buffer, start);
    split.write(dw!.buffer, gradient);
    const launch = { kernel, inputs: ['w', 'dw'], output: 'w' };
    const segment = await split.compile([{ label: 'descend', launch, inputs: [w!, dw!], output: w! }]);
    for (let step = 0; step < 2; step++) await split.run(segment);
    assert.deepEqual(
      await split.read(w!.buffer, length * 4),
      start.map((value, i) => value - gradient[i]!),
    );
    split.free(w!.buffer);
    split.free(dw!.buffer);
  });

  it('should choose in the clamped accessor too, and store from several places', async () => {
    const kernel: Kernel = {
      name: 'shifted',
      run: function (this: KernelThis, a: Float32Array) {
        const i = this.thread.x - 1000;
        if (this.thread.x < 10) return -1;
        return i >= 0 ? a[i]! : 7;
      },
      threads: [2 * FLOATS + 1000],
    };
    const input = values(2 * FLOATS);
    const result = await same(kernel, [input], 2 * FLOATS + 1000);
    assert.deepEqual([result[9], result[10], result[1000], result.at(-1)], [-1, 7, input[0], input.at(-1)]);
  });

  it('should bind a small tensor alone in a large buffer', async () => {
    const [x, y] = ['x', 'y'].map(label => ({ buffer: split.allocate(3 * LARGEST, label), length: 100, dtype: 'f32' as const }));
    split.write(x!.buffer, values(100));
    const kernel: Kernel = { name: 'reversed', run: reversed, threads: [100], integers: { last: 99, step: 1 } };
    const launch = { kernel, inputs: ['x'], output: 'y' };
    await split.run(await split.compile([{ label: 'reversed', launch, inputs: [x!], output: y! }]));
    assert.deepEqual(await split.read(y!.buffer, 400), values(100).toReversed());
    split.free(x!.buffer);
    split.free(y!.buffer);
  });

  it('should name the launch whose arrays take too many bindings', async () => {
    const length = 40 * FLOATS;
    const kernel: Kernel = { name: 'reversed', run: reversed, threads: [4], integers: { last: 3, step: 1 } };
    await assert.rejects(
      runKernel(split, kernel, [values(length)], 4),
      /^MillraceError: reversed, kernel "reversed": expected at most \d+ arrays with the output \(this adapter's limit\), got 41, because a binding holds at most 65536 bytes: "a" of 2621440 bytes takes 40\./,
    );
  });

  it('should give no hand-written body an array in ranges', () => {
    const kernel: Kernel = { name: 'reversed', run: reversed, threads: [4], integers: { last: 3, step: 1 } };
    const body = {
      language: 'wgsl',
      workgroup: [1, 1, 1],
      groups: [1, 1, 1],
      arrays: [
        { name: 'a', element: 'f32' },
        { name: 'y', element: 'f32' },
      ],
      source: '@compute fn main() {}',
    } as const;
    const launch: VariantLaunch = { kernel, inputs: ['a'], output: 'y', body };
    const all = { ...limits, maxComputeWorkgroupsPerDimension: 65_535, maxComputeInvocationsPerWorkgroup: 128 };
    assert.throws(
      () => new WgslCompiler().compile({ launch, inputs: [float(300)], output: float(4) }, all),
      /variant of kernel "reversed": expected arrays of at most 1024 bytes \(this adapter binds no more at once\), got "a" of 1200\. Lower the program with the device's largestBinding/,
    );
    assert.equal(new WgslCompiler().compile({ launch, inputs: [float(256)], output: float(4) }, all).bindings.length, 2);
  });
});
