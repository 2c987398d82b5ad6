import assert from 'node:assert/strict';
import type { Device } from '../../../core/devices/device.ts';
import { checkGpujs, WgslCompiler } from '../../../core/kernels/gpujsWebgpu.ts';
import type { Kernel, KernelThis, Quad } from '../../../core/kernels/kernel.ts';
import { openAnyWebgpu } from '../devices/openAnyWebgpu.ts';
import { runKernel } from '../devices/runKernel.ts';

const limits = {
  maxComputeWorkgroupsPerDimension: 65_535,
  maxComputeInvocationsPerWorkgroup: 128,
  maxStorageBuffersPerShaderStage: 8,
  maxStorageBufferBindingSize: 2 ** 27,
};
const float = (length: number) => ({ length, dtype: 'f32' as const });

/** The module of a kernel whose inputs are floats. */
function compile(kernel: Kernel, inputs: number, output = 64) {
  const launch = { kernel, inputs: [], output: 'output' };
  return new WgslCompiler().compile({ launch, inputs: Array.from({ length: inputs }, () => float(64)), output: float(output) }, limits);
}
function zero(this: KernelThis): number {
  return 0;
}
function zeros(this: KernelThis): Quad {
  return [0, 0, 0, 0];
}
function first(this: KernelThis, a: Float32Array): number {
  return a[0]!;
}
/** Takes eight arrays, written as text because the linter wants each of them used. */
const eight = new Function('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'return a[0];') as Kernel['run'];
/** As text because esbuild would rename the inner one. */
const shadowed = new Function(
  'a',
  'const i = this.thread.x; let s = 0; for (let k = 0; k < 4; k++) { const i = a[k]; s += i; } return s;',
) as Kernel['run'];
const kernelOf = (run: Kernel['run'], more: Partial<Kernel> = {}): Kernel => ({ name: 'sample', run, threads: [64], ...more });

describe('WgslCompiler', () => {
  it('should translate with the gpu.js whose internals it knows @smoke', () => {
    checkGpujs();
    const { source, bindings, groups } = compile(
      kernelOf(function (this: KernelThis, a: Float32Array) {
        return a[this.thread.x] * 2;
      }),
      1,
    );
    assert.match(source, /result\[data_index\] = \(get_user_a\(0, 0, i32\(i32\(threadGid\.x\)\)\)\*2\.0\);/);
    assert.deepEqual(groups, [1, 1, 1]);
    assert.deepEqual(
      bindings.map(({ array, byteOffset, byteLength }) => [array, byteOffset, byteLength]),
      [
        [0, 0, 256],
        ['output', 0, 256],
      ],
    );
  });

  it('should name what is missing, and the version, when gpu.js is another', () => {
    assert.throws(
      () => checkGpujs({}),
      /^MillraceError: gpu\.js \d+\.\d+\.\d+: expected the compiler internals of gpu\.js 2\.24\.1, got no WGSLFunctionNode\.getType\. Install gpu\.js 2\.24\.1 exactly/,
    );
  });

  it('should keep const locals of integers as i32, and let as f32', () => {
    const { source } = compile(
      kernelOf(
        function (this: KernelThis, a: Float32Array) {
          const four = 4;
          const i = this.thread.x * this.constants.n + four;
          let f = this.thread.x;
          f = f + 1;
          return a[i] + f;
        },
        { integers: { n: 3 } },
      ),
      1,
    );
    assert.match(source, /let user_i : i32 = /);
    assert.match(source, /let user_four : i32 = 4;/);
    assert.match(source, /var user_f : f32 = /);
  });

  it('should fold more workgroups than one dimension holds', () => {
    const { groups } = compile(kernelOf(zero, { threads: [3, 100, 70_000] }), 0);
    // 328,125 groups of 64 threads in six rows of at most 65,535
    assert.deepEqual(groups, [54_688, 6, 1]);
  });

  const refused: [string, () => unknown, RegExp][] = [
    [
      'a function of Math that differs between devices',
      () =>
        compile(
          kernelOf(function (this: KernelThis, a: Float32Array) {
            return Math.tanh(a[0]);
          }),
          1,
        ),
      /kernel "sample": .* got Math\.tanh differs between devices: build it from Math\.exp and Math\.log/,
    ],
    [
      'a loop whose end is computed',
      () =>
        compile(
          kernelOf(function (this: KernelThis, a: Float32Array) {
            let sum = 0;
            for (let i = 0; i < a[0]; i++) sum += i;
            return sum;
          }),
          1,
        ),
      /expected loops from a literal to an integer constant, got a loop whose length gpu\.js cannot see/,
    ],
    [
      'an index computed in floats',
      () =>
        compile(
          kernelOf(function (this: KernelThis, a: Float32Array) {
            let row = this.thread.x;
            row = row + 1;
            return a[row * 4 + 1];
          }),
          1,
        ),
      /an index is computed in floats, which are exact only to 2\^24/,
    ],
    ['a name declared twice', () => compile(kernelOf(shadowed), 1), /"i" is declared twice where both are visible/],
    ['four values without rows', () => compile(kernelOf(zeros), 0), /it returns Array\(4\) but states no rows/],
    ['rows without four values', () => compile(kernelOf(zero, { rows: 4 }), 0), /a kernel that states rows returns \[a, b, c, d\]/],
    [
      'a fraction among the integers',
      () => compile(kernelOf(zero, { integers: { n: 1.5 } }), 0),
      /constant "n" to be a 32-bit integer, got 1\.5/,
    ],
    [
      'a constant that is not finite',
      () => compile(kernelOf(zero, { floats: { f: Number.NaN } }), 0),
      /constant "f" to be a finite 32-bit float, got NaN/,
    ],
    [
      'an arrow function',
      () =>
        compile(
          kernelOf(() => 0),
          0,
        ),
      /a function with its own this, got \(\) ?=> ?0\. Write function/,
    ],
    ['too few inputs', () => compile(kernelOf(first), 0), /expected 1 inputs \(a\), got 0/],
    [
      'more arrays than the adapter binds',
      () => compile(kernelOf(eight), 8),
      /at most 8 arrays with the output \(this adapter's limit\), got 9/,
    ],
    ['an inout argument that is none', () => compile(kernelOf(first, { inout: 'w' }), 1), /an argument named "w" \(inout\), got a/],
    ['no threads', () => compile(kernelOf(zero, { threads: [0] }), 0), /between 1 and 2\^31 - 1 threads, got \[0\]/],
  ];
  for (const [what, run, message] of refused) {
    it(`should refuse ${what}`, () => {
      assert.throws(run, message);
    });
  }
});

describe('WgslCompiler on an adapter', () => {
  let device: Device;
  before(async function () {
    device = await openAnyWebgpu(this);
  });
  after(() => device?.destroy());

  it('should compute integers exactly beyond 2^24 @smoke', async () => {
    const kernel = kernelOf(
      function (this: KernelThis, a: Float32Array) {
        const i = this.thread.x + this.constants.far;
        const same = this.thread.x + this.constants.far;
        const odd = i - 2 * Math.floor(same / 2);
        return a[i - this.constants.far] * 10 + odd;
      },
      { threads: [1000], integers: { far: 2 ** 30 - 500 } },
    );
    const values = Float32Array.from({ length: 1000 }, (_, i) => i % 7);
    assert.deepEqual(
      await runKernel(device, kernel, [values], 1000),
      values.map((value, i) => value * 10 + (i % 2)),
    );
  });

  it('should divide integers exactly, rounding down', async () => {
    const divisors = [1, 2, 3, 7, 49, 147, 1000, -1, -3, -7];
    for (const by of divisors) {
      const kernel = kernelOf(
        function (this: KernelThis, a: Float32Array) {
          const i = (this.thread.x - 300) * this.constants.step;
          const q = Math.floor(i / this.constants.by);
          // the quotient in two parts that floats hold exactly
          return this.thread.y < 1 ? q - 1024 * Math.floor(q / 1024) + a[0] : Math.floor(q / 1024) + a[0];
        },
        { threads: [600, 2], integers: { by, step: 2_796_203 } },
      );
      const result = await runKernel(device, kernel, [new Float32Array(1)], 1200);
      for (let x = 0; x < 600; x++) {
        const exact = Math.floor(((x - 300) * 2_796_203) / by) + 0; // no -0
        assert.equal(result[600 + x] * 1024 + result[x], exact, `${(x - 300) * 2_796_203} / ${by}`);
      }
    }
  });

  it('should take minimum, maximum and choice of integers as integers', async () => {
    const kernel = kernelOf(
      function (this: KernelThis, a: Float32Array) {
        const low = Math.max(this.thread.x - 2, 0);
        const both = Math.min(low, this.constants.last);
        const chosen = this.thread.x >= 3 ? both : 0;
        const one = this.thread.x >= 5 ? 1 : 0;
        return a[chosen] + one * 100;
      },
      { threads: [8], integers: { last: 3 } },
    );
    const result = await runKernel(device, kernel, [new Float32Array([10, 11, 12, 13])], 8);
    assert.deepEqual([...result], [10, 10, 10, 11, 12, 113, 113, 113]);
  });

  it('should not read outside an array in the branch that is not taken', async () => {
    const kernel = kernelOf(
      function (this: KernelThis, a: Float32Array) {
        const i = (this.thread.x - 4) * 1_000_000;
        const inside = i >= 0 && i <= 3;
        return inside ? a[i] : -1;
      },
      { threads: [8] },
    );
    assert.deepEqual([...(await runKernel(device, kernel, [new Float32Array([7, 8, 9, 10])], 8))], [-1, -1, -1, -1, 7, -1, -1, -1]);
  });

  for (const rows of [1, 4, 6, 7, 9]) {
    it(`should store four rows a thread, of ${rows}`, async () => {
      const kernel = kernelOf(
        function (this: KernelThis, a: Float32Array): Quad {
          const row = (this.thread.z * this.constants.rows + this.thread.y * 4) * 5 + this.thread.x;
          return [row + a[0], row + 5, row + 10, row + 15];
        },
        { threads: [5, Math.ceil(rows / 4), 3], rows, integers: { rows } },
      );
      const length = 5 * rows * 3;
      // one element more than the kernel owns shows that nothing was stored past the end
      const result = await runKernel(device, kernel, [new Float32Array(1)], length + 1);
      assert.deepEqual([...result], [...Array(length).keys(), 0]);
    });
  }

  it('should read bytes', async () => {
    const kernel = kernelOf(
      function (this: KernelThis, pixels: Uint8Array | Float32Array, scale: Float32Array) {
        return pixels[this.thread.x] * scale[0];
      } as Kernel['run'],
      { threads: [259] },
    );
    const pixels = Uint8Array.from({ length: 259 }, (_, i) => (i * 89) % 256);
    assert.deepEqual(
      await runKernel(device, kernel, [pixels, new Float32Array([0.5])], 259),
      Float32Array.from(pixels, pixel => pixel / 2),
    );
  });

  it('should run three-dimensional threads with z over 65,535', async () => {
    const kernel = kernelOf(
      function (this: KernelThis, a: Float32Array) {
        return this.thread.x + 2 * this.thread.y + 6 * this.thread.z + a[0];
      },
      { threads: [2, 3, 70_001] },
    );
    const result = await runKernel(device, kernel, [new Float32Array(1)], 6 * 70_001);
    assert.equal(
      result.findIndex((value, i) => value !== i),
      -1,
    );
  });

  it('should run more threads than 65,535 workgroups hold', async function () {
    this.timeout(60_000);
    const count = 65_535 * 64 + 77;
    const kernel = kernelOf(
      function (this: KernelThis, a: Float32Array) {
        return this.thread.x - 4_000_000 + a[0];
      },
      { threads: [count] },
    );
    const result = await runKernel(device, kernel, [new Float32Array(1)], count);
    assert.equal(
      result.findIndex((value, i) => value !== i - 4_000_000),
      -1,
    );
  });
});
