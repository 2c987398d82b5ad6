import assert from 'node:assert/strict';
import '../../../../core/losses/index.ts';
import { uniforms } from '../../../../core/random.ts';
import type { Shape } from '../../../../core/shape.ts';
import { noise } from '../finiteDifferences.ts';
import { Agreement, type PrimitiveInput } from './primitives.ts';

/** The kernels add a row's values one after the other. */
const tolerance = 4e-6;
const sizes: [N: number, C: number][] = [
  [1, 1],
  [3, 2],
  [5, 3],
  [4, 4],
  [7, 10],
  [129, 5],
  [16, 1000],
  [33, 1001],
];
const next = uniforms(11);
for (let i = 0; i < 20; i++) sizes.push([1 + Math.floor(40 * next()), 1 + Math.floor(300 * next() ** 2)]);

const given = (shape: Shape, values: ArrayLike<number>): PrimitiveInput => ({ shape, values });
const logits = (N: number, C: number) => noise(N * C, N + C).map(value => 8 * value);

describe('softmax and cross entropy on wasm', () => {
  const agreement = new Agreement();
  before(() => agreement.open());
  after(() => agreement.close());

  it('should equal the gpu.js kernels of softmax and its gradient', async () => {
    for (const [N, C] of sizes) {
      const shape = [N, C];
      const y = await agreement.check({ primitive: 'softmax', inputs: [given(shape, logits(N, C))], output: shape }, tolerance);
      await agreement.check({ primitive: 'softmax.inputGradient', inputs: [given(shape, y), { shape }], output: shape }, tolerance);
    }
    const odd = given([2, 2, 3, 7], logits(12, 7));
    await agreement.check({ primitive: 'softmax', inputs: [odd], output: odd.shape }, tolerance);
  });

  it('should make a row with NaN or infinity NaN, and keep the others', async () => {
    const x = logits(5, 9);
    x[9 + 8] = Number.NaN;
    x[2 * 9] = Number.POSITIVE_INFINITY;
    x[3 * 9 + 4] = Number.NEGATIVE_INFINITY;
    const y = await agreement.check({ primitive: 'softmax', inputs: [given([5, 9], x)], output: [5, 9] }, tolerance);
    const finite = Array.from({ length: 5 }, (_, n) => Array.from({ length: 9 }, (_, j) => Number.isFinite(y[9 * n + j]!)));
    assert.deepEqual(
      finite.map(row => [row.every(Boolean), row.some(Boolean)]),
      [true, false, false, true, true].map(whole => [whole, whole]),
    );
    assert.equal(y[3 * 9 + 4], 0);
  });

  it('should equal the gpu.js kernels of cross entropy, hits exactly', async () => {
    for (const [i, [N, C]] of sizes.entries()) {
      const x = logits(N, C);
      // ties
      if (i % 3 === 0) x.set(x.map(Math.round));
      const draw = uniforms(N, C);
      const targets = Array.from({ length: N }, (_, n) => (n % 5 === 3 ? -1 : Math.floor(C * draw())));
      const rows = given([N, C], x);
      const target = given([N], targets);
      const labelSmoothing = i % 2 ? 0.1 : 0;
      const column = async (primitive: string, inputs: PrimitiveInput[]) =>
        given([N], await agreement.check({ primitive, inputs, output: [N] }, tolerance));
      const largest = await column('crossEntropy.largest', [rows]);
      const sum = await column('crossEntropy.sum', [rows, largest]);
      const inputs = [rows, target, largest, sum];
      const samples = await agreement.check(
        { primitive: 'crossEntropy.samples', attributes: { labelSmoothing }, inputs, output: [4, N] },
        1e-6,
      );
      const counted = targets.filter(value => value >= 0).length;
      assert.equal(
        Array.from(samples)
          .slice(3 * N)
          .reduce((total, value) => total + value),
        counted,
      );
      const result = given([4], [0, 0, 0, counted]);
      const hyper = given([8], [0, 0, 0, 0, 0, 1024, 0, 0]);
      const more = { attributes: { labelSmoothing }, inputs: [...inputs, result, hyper], output: [N, C] };
      await agreement.check({ primitive: 'crossEntropy.gradient', ...more }, tolerance);
    }
  });

  it('should give a target without a logit a loss that is not finite', async () => {
    const inputs = [given([3, 4], logits(3, 4)), given([3], [4, 1.5, Number.NaN]), given([3], [9, 9, 9]), given([3], [1, 2, 3])];
    const samples = await agreement.check(
      { primitive: 'crossEntropy.samples', attributes: { labelSmoothing: 0 }, inputs, output: [4, 3] },
      1e-6,
    );
    for (let n = 0; n < 3; n++) assert.ok(!Number.isFinite(samples[n]!));
  });
});
