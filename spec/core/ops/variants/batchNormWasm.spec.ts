import assert from 'node:assert/strict';
import { openWasm } from '../../../../core/devices/wasm/device.ts';
import { ProgramBuilder } from '../../../../core/program/builder.ts';
import { normals } from '../../../../core/random.ts';
import { elements, type Shape } from '../../../../core/shape.ts';
import { noise } from '../finiteDifferences.ts';
import { onDevice } from '../run.ts';
import { Agreement, integers, type PrimitiveInput } from './primitives.ts';

describe('sums per channel and batch norm on wasm', () => {
  const agreement = new Agreement();
  before(() => agreement.open());
  after(() => agreement.close());

  /** Few channels make rows of several pixels, more than 512 several units; then any. */
  const shapes: Shape[] = [
    [2, 1],
    [3, 5, 7, 3],
    [2, 9, 11, 10],
    [70, 64],
    [1, 19, 21, 66],
    [1, 5, 4, 514],
  ];
  const pick = integers(11);
  for (let i = 0; i < 2; i++) shapes.push([pick(1, 3), pick(1, 30), pick(2, 30), pick(1, 90)]);

  const eps = 1e-5;
  const values = (shape: Shape, seed: number, scale = 1, shift = 0): PrimitiveInput => ({
    shape,
    values: Float32Array.from(noise(elements(shape), seed), value => shift + scale * value),
  });
  /** shift, offset, variance as they would be of such an x. */
  const statisticsOf = (C: number): PrimitiveInput => ({
    shape: [3, C],
    values: [...noise(2 * C, 21), ...Array.from(noise(C, 22), value => 0.3 + 0.1 * value)],
  });

  it('should sum the gradient of a bias as the kernels do, and mask it in place @smoke', async () => {
    for (const shape of shapes) {
      const C = shape.at(-1)!;
      await agreement.check({ primitive: 'conv2d.biasGradient', inputs: [{ shape }], output: [C] }, 2e-6);
      await agreement.check(
        { primitive: 'linear.biasGradient', attributes: { mask: true }, inputs: [{ shape }, { shape }], output: [C] },
        2e-6,
        'input 0',
      );
    }
  });

  it('should find the statistics of a batch as the kernels do @smoke', async () => {
    for (const shape of shapes) {
      const C = shape.at(-1)!;
      await agreement.check({ primitive: 'batchNorm2d.statistics', inputs: [values(shape, 5, 2, 0.3)], output: [3, C] }, 1e-6);
    }
  });

  it('should normalise as the kernels do, with a residual and a rectifier or without', async () => {
    for (const shape of shapes) {
      const C = shape.at(-1)!;
      const own = [{ shape }, statisticsOf(C), values([C], 3), values([C], 4)];
      const running = [{ shape }, values([C], 5), values([C], 6, 0.2, 0.5), values([C], 3), values([C], 4)];
      for (const [primitive, inputs] of [
        ['batchNorm2d', own],
        ['batchNorm2d.evaluate', running],
      ] as const) {
        const residual = values(shape, 7);
        await agreement.check({ primitive, attributes: { eps }, inputs, output: shape }, 1e-6);
        await agreement.check({ primitive, attributes: { eps, relu: true }, inputs, output: shape }, 1e-6);
        const more = { primitive, inputs: [...inputs, residual], output: shape };
        await agreement.check({ ...more, attributes: { eps, residual: true } }, 1e-6);
        await agreement.check({ ...more, attributes: { eps, residual: true, relu: true } }, 1e-6);
      }
    }
  });

  it('should sum and give gradients as the kernels do, through a gate, masked, or neither', async () => {
    for (const shape of shapes) {
      const C = shape.at(-1)!;
      const [weight, bias] = [values([C], 3, 0.5, 1), values([C], 4)];
      const [x, dy, y] = [values(shape, 5, 1, 0.2), values(shape, 6), values(shape, 7)];
      const inputs = [x, dy, statisticsOf(C)];
      const sums = { primitive: 'batchNorm2d.gradientSums', output: [2, C] };
      await agreement.check({ ...sums, attributes: { eps }, inputs }, 2e-6);
      await agreement.check({ ...sums, attributes: { eps, gate: true }, inputs: [...inputs, weight, bias] }, 2e-6);
      await agreement.check({ ...sums, attributes: { eps, mask: true }, inputs: [...inputs, y] }, 2e-6, 'input 1');
      const both = { attributes: { eps, mask: true, sum: true }, inputs: [...inputs, y, values(shape, 9)] };
      await agreement.check({ ...sums, ...both }, 2e-6, 'input 1');
      const given = values([2, C], 8, shape[0]);
      const gradient = { primitive: 'batchNorm2d.inputGradient', output: shape };
      await agreement.check({ ...gradient, attributes: { eps }, inputs: [...inputs, weight, given] }, 1e-6);
      await agreement.check({ ...gradient, attributes: { eps, gate: true }, inputs: [...inputs, weight, given, bias] }, 1e-6);
    }
  });

  it('should give gradients of evaluation and move running statistics as the kernels do', async () => {
    for (const shape of shapes) {
      const C = shape.at(-1)!;
      const [mean, variance] = [values([C], 3), values([C], 4, 0.2, 0.5)];
      const attributes = { eps };
      const inputs = [{ shape }, { shape }, mean, variance];
      await agreement.check({ primitive: 'batchNorm2d.evaluate.gradientSums', attributes, inputs, output: [2, C] }, 2e-6);
      const read = [{ shape }, variance, mean];
      await agreement.check({ primitive: 'batchNorm2d.evaluate.inputGradient', attributes, inputs: read, output: shape }, 1e-6);
      for (const row of [0, 1]) {
        await agreement.check({
          primitive: 'batchNorm2d.parameterGradient',
          attributes: { row },
          inputs: [values([2, C], 3)],
          output: [C],
        });
      }
      const broken = { shape: [3, C], values: noise(3 * C, 9).map((value, i) => (i % 5 === 2 ? Number.NaN : value)) };
      for (const statistics of [statisticsOf(C), broken]) {
        const moved = { inputs: [{ shape: [C] }, statistics], output: [C] };
        await agreement.check({ primitive: 'batchNorm2d.runningMean', attributes: { momentum: 0.1 }, ...moved }, 1e-6);
        await agreement.check({ primitive: 'batchNorm2d.runningVariance', attributes: { momentum: 0.1, pixels: 7 }, ...moved }, 1e-6);
      }
    }
  });

  it('should keep the digits of a variance that is small beside the mean', async () => {
    const device = await openWasm({ threads: 2 });
    try {
      for (const C of [3, 64]) {
        const shape = [4, 40, 50, C];
        const next = normals(5, C);
        const x = Float32Array.from({ length: elements(shape) }, () => 100 + next());
        // the shift of one channel lies far from the others' values
        x[1] = 160;
        const builder = new ProgramBuilder();
        builder.emit('batchNorm2d.statistics', 'output', [3, C], [builder.declare('input', 'input', shape)]);
        const { output } = await onDevice(device)(builder.build(), { input: x });
        for (let c = 0; c < C; c++) {
          const channel = Float64Array.from({ length: x.length / C }, (_, i) => x[i * C + c]!);
          const mean = channel.reduce((sum, value) => sum + value, 0) / channel.length;
          const variance = channel.reduce((sum, value) => sum + (value - mean) ** 2, 0) / channel.length;
          assert.ok(Math.abs(output![c]! + output![C + c]! - mean) <= 1e-6 * mean, `mean ${c}`);
          assert.ok(
            Math.abs(output![2 * C + c]! - variance) <= 1e-6 * variance,
            `variance ${c}: ${output![2 * C + c]}, in f64 ${variance}`,
          );
        }
      }
    } finally {
      await device.destroy();
    }
  });
});
