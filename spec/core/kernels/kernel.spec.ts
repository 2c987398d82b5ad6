import assert from 'node:assert/strict';
import type { Device } from '../../../core/devices/device.ts';
import { type Kernel, type KernelThis, type Quad, settings } from '../../../core/kernels/kernel.ts';
import { uniforms } from '../../../core/random.ts';
import { everyDevice } from '../devices/everyDevice.ts';
import { runKernel } from '../devices/runKernel.ts';

const numbers = (count: number) => Float32Array.from({ length: count }, (_, i) => i + 0.5);

/** Far beyond what a float holds exactly; one more than a multiple of 2. */
const far = 2 ** 29 + 1;

/** One row a rule of core/kernels/kernel.ts: a kernel on numbers 0.5, 1.5, … and what thread x must give. */
const rules: readonly [string, Omit<Kernel, 'name' | 'threads'>, (x: number) => number][] = [
  [
    'exact const locals of thread coordinates, constants and literals',
    {
      run: function (this: KernelThis, a: Float32Array) {
        const two = 2;
        const near = this.thread.x + this.constants.far! - two;
        const at = near - this.constants.far! + two;
        return a[at]!;
      },
      integers: { far },
    },
    x => x + 0.5,
  ],
  [
    'a let that is a float, also when it starts as an integer',
    {
      run: function (this: KernelThis, a: Float32Array) {
        let f = this.thread.x;
        f = f / 2;
        f += a[0]!;
        return f;
      },
    },
    x => x / 2 + 0.5,
  ],
  [
    'loop counters that are integers, in loops within loops',
    {
      run: function (this: KernelThis, a: Float32Array) {
        let sum = 0;
        for (let i = 0; i < this.constants.rows!; i++) {
          for (let j = 0; j < 3; j++) {
            const near = this.constants.far! + i * 3 + j + this.thread.x;
            sum += a[near - this.constants.far!]!;
          }
        }
        return sum;
      },
      integers: { rows: 2, far },
    },
    x => 6 * x + 15 + 3,
  ],
  [
    'remainders written with Math.floor',
    {
      run: function (this: KernelThis, a: Float32Array) {
        const i = this.thread.x + this.constants.far!;
        const rest = i - 7 * Math.floor(i / 7);
        return a[rest]!;
      },
      integers: { far },
    },
    x => ((x + far) % 7) + 0.5,
  ],
  [
    'integers of floats, with Math.trunc',
    {
      run: function (this: KernelThis, a: Float32Array) {
        const two = Math.trunc(a[2]!);
        const near = two * this.constants.far! - this.thread.x;
        const at = Math.trunc(a[this.thread.x]!) + two;
        return a[near - 2 * this.constants.far! + 12]! * 100 + a[at]!;
      },
      integers: { far },
    },
    x => (12 - x + 0.5) * 100 + x + 2.5,
  ],
  [
    'a choice of integers',
    {
      run: function (this: KernelThis, a: Float32Array) {
        const near = this.thread.x >= 3 ? this.thread.x + this.constants.far! : this.constants.far!;
        return a[near - this.constants.far!]!;
      },
      integers: { far },
    },
    x => (x >= 3 ? x : 0) + 0.5,
  ],
  [
    'one name for two locals in blocks side by side',
    {
      run: function (this: KernelThis, a: Float32Array) {
        let sum = 0;
        for (let i = 0; i < 2; i++) {
          const at = this.thread.x + i;
          sum += a[at]!;
        }
        for (let i = 0; i < 2; i++) {
          const at = 2 * this.thread.x + i;
          sum += a[at]! * 100;
        }
        for (let i = 0; i < 2; i++) {
          const at = i;
          sum += a[at]! * 10000;
        }
        return sum;
      },
    },
    x => 2 * x + 2 + (4 * x + 2) * 100 + 20000,
  ],
  [
    'conditions that differ from thread to thread, with reads in their branches',
    {
      run: function (this: KernelThis, a: Float32Array) {
        let sum = 0;
        for (let k = 0; k < 5; k++) {
          const at = this.thread.x + k - 2;
          if (at >= 0 && at < this.constants.n!) {
            sum += a[at]!;
          }
        }
        return sum;
      },
      integers: { n: 11 },
    },
    x => [0, 1, 2, 3, 4].reduce((sum, k) => sum + (x + k - 2 >= 0 && x + k - 2 < 11 ? x + k - 2 + 0.5 : 0), 0),
  ],
  [
    'a ?: whose other branch would read outside the array',
    {
      run: function (this: KernelThis, a: Float32Array) {
        const at = (this.thread.x - 4) * 1_000_000;
        return at >= 0 && at <= 3 ? a[at]! : -1;
      },
    },
    x => (x === 4 ? 0.5 : -1),
  ],
  [
    'float constants beside integer ones',
    {
      run: function (this: KernelThis, a: Float32Array) {
        return a[this.thread.x]! * this.constants.half! + this.constants.n!;
      },
      integers: { n: 3 },
      floats: { half: 0.5 },
    },
    x => (x + 0.5) / 2 + 3,
  ],
];

for (const { name, open } of everyDevice.filter(({ name }) => !/[13] thread/.test(name))) {
  describe(`Kernel rules on ${name}`, () => {
    let device: Device;
    before(async function () {
      device = await open(this);
    });
    after(() => device?.destroy());

    for (const [rule, kernel, expected] of rules) {
      it(`should allow ${rule}`, async () => {
        // eleven threads: two quads of lanes and three single ones
        const got = await runKernel(device, { name: 'rule', threads: [11], ...kernel }, [numbers(40)], 11);
        assert.deepEqual(
          [...got],
          Array.from({ length: 11 }, (_, x) => expected(x)),
        );
      });
    }

    const functions = ['abs', 'ceil', 'cos', 'exp', 'floor', 'log', 'log2', 'sign', 'sin', 'sqrt', 'trunc'] as const;
    it(`should compute Math.${functions.join(', ')}, min and max of floats`, async () => {
      const values = Float32Array.from([0.3, 0.9, 1.25, 2, 3.75]);
      for (const each of functions) {
        // as text, since the name of the function is not known here
        const run = new Function('a', `return Math.${each}(a[this.thread.x] - 0.125);`) as Kernel['run'];
        const got = await runKernel(device, { name: each, run, threads: [5] }, [values], 5);
        for (let i = 0; i < 5; i++) assert.ok(Math.abs(got[i]! - Math[each](values[i]! - 0.125)) < 1e-3, `Math.${each}: ${got[i]}`);
      }
      const run = function (this: KernelThis, a: Float32Array) {
        return Math.min(Math.max(a[this.thread.x]!, 0.5), 2.5);
      };
      assert.deepEqual(
        [...(await runKernel(device, { name: 'clamp', run, threads: [5] }, [values], 5))],
        [0.5, Math.fround(0.9), 1.25, 2, 2.5],
      );
    });

    it('should round where Math.fround stands, to the same bits as JavaScript, and divide so @smoke', async () => {
      const { fround } = Math;
      const count = 20_000;
      const random = uniforms(7);
      const [a, b, c] = [0, 1, 2].map(k =>
        Float32Array.from({ length: count }, (_, i) => (i % 3 === k ? Math.floor(256 * random()) + 1 : 2 * random() - (k === 1 ? 0 : 1))),
      ) as [Float32Array, Float32Array, Float32Array];
      // zeros, quotients far from 1, powers of two
      [
        [0, 3, -0.5],
        [1e30, 1e-5, 1],
        [1e-30, 3e4, 1],
        [64, 0.25, 1],
        [255, 255, 0],
      ].forEach((row, i) => {
        [a, b, c].forEach((values, k) => {
          values[i] = row[k]!;
        });
      });
      const same = async (run: Kernel['run'], of: (a: number, b: number, c: number, i: number) => number) => {
        const got = await runKernel(device, { name: 'rounded', run, threads: [count] }, [a, b, c], count);
        const wrong = got.findIndex((value, i) => value !== of(a[i]!, b[i]!, c[i]!, i));
        assert.equal(wrong, -1, `of ${a[wrong]}, ${b[wrong]}, ${c[wrong]}: ${got[wrong]}`);
      };
      await same(
        function (this: KernelThis, a: Float32Array, b: Float32Array, c: Float32Array) {
          const i = this.thread.x;
          return Math.floor(Math.fround(Math.fround(a[i]! * b[i]!) - Math.fround(c[i]! * a[i]!)) * 4194304);
        },
        (a, b, c) => fround(Math.floor(fround(fround(fround(a * b) - fround(c * a)) * 4194304))),
      );
      await same(
        function (this: KernelThis, a: Float32Array, b: Float32Array, c: Float32Array) {
          const i = this.thread.x;
          return Math.fround(a[i]! / b[i]!) + 0 * c[i]!;
        },
        (a, b) => fround(a / b),
      );
      await same(
        function (this: KernelThis, a: Float32Array, b: Float32Array, c: Float32Array) {
          const i = this.thread.x;
          return Math.fround(Math.fround(a[i]! + Math.fround(i / 255)) / 6) + 0 * b[i]! * c[i]!;
        },
        (a, _b, _c, i) => fround(fround(a + fround(i / 255)) / 6),
      );
    });

    it('should take no more than four rows where they do not exist', async () => {
      const run = function (this: KernelThis, a: Float32Array): Quad {
        const last = this.constants.rows! - 1;
        const y = this.thread.y * 4;
        const y1 = Math.min(y + 1, last);
        const y2 = Math.min(y + 2, last);
        const y3 = Math.min(y + 3, last);
        return [a[y]!, a[y1]!, a[y2]!, a[y3]!];
      };
      const kernel: Kernel = { name: 'rows', run, threads: [3, 2], rows: 6, integers: { rows: 6 } };
      const got = await runKernel(device, kernel, [numbers(6)], 18);
      assert.deepEqual(
        [...got],
        [0, 1, 2, 3, 4, 5].flatMap(row => [row + 0.5, row + 0.5, row + 0.5]),
      );
    });

    it('should refuse rows without four values, and four values without rows', async () => {
      const one = function (this: KernelThis, a: Float32Array) {
        return a[this.thread.x]!;
      };
      const four = function (this: KernelThis, a: Float32Array): Quad {
        return [a[this.thread.x]!, 0, 0, 0];
      };
      const run = (kernel: Partial<Kernel>) => runKernel(device, { name: 'rule', run: one, threads: [4, 1], ...kernel }, [numbers(4)], 16);
      await assert.rejects(run({ rows: 4 }), /kernel "?rule"?/);
      await assert.rejects(run({ run: four }), /kernel "?rule"?/);
    });

    const constants: [string, Partial<Kernel>, RegExp][] = [
      ['a fraction among the integers', { integers: { n: 1.5 } }, /kernel "rule": expected constant "n" to be a 32-bit integer, got 1\.5/],
      ['an integer beyond 32 bits', { integers: { n: 2 ** 31 } }, /constant "n" to be a 32-bit integer, got 2147483648/],
      ['a float that is not finite', { floats: { n: Number.NaN } }, /constant "n" to be a finite 32-bit float, got NaN/],
    ];
    for (const [what, more, message] of constants) {
      it(`should refuse ${what}`, async () => {
        const run = function (this: KernelThis, a: Float32Array) {
          return a[0]! * this.constants.n!;
        };
        const left = device.allocatedBytes;
        await assert.rejects(runKernel(device, { name: 'rule', run, threads: [4], ...more }, [numbers(4)], 4), message);
        assert.ok(device.allocatedBytes >= left);
      });
    }
  });
}

describe('settings', () => {
  it('should tell gpu.js the type of every constant, and of four rows', () => {
    const run = () => 0;
    assert.deepEqual(settings({ name: 'k', run, threads: [3, 2], integers: { n: 4 }, floats: { f: 0.5 } }), {
      output: [3, 2],
      constants: { n: 4, f: 0.5 },
      constantTypes: { n: 'Integer', f: 'Float' },
    });
    assert.equal(settings({ name: 'k', run, threads: [3, 2], rows: 7 }).returnType, 'Array(4)');
  });
});
