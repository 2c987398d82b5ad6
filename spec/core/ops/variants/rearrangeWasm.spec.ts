import { normalQuantiles } from '../../../../core/data/augment/noise.ts';
import { quantilesLength } from '../../../../core/program/edits.ts';
import { elements, type Shape } from '../../../../core/shape.ts';
import { randomAdjustments, randomEdits } from '../randomEdits.ts';
import { Agreement, integers } from './primitives.ts';

describe('variants on wasm that move or scale numbers', () => {
  const agreement = new Agreement();
  before(() => agreement.open());
  after(() => agreement.close());
  const pick = integers(31);
  const any = (): Shape => [pick(1, 3), pick(1, 12), pick(1, 12), pick(1, 40)];

  it('should turn bytes into floats exactly as the kernel does @smoke', async () => {
    for (const shape of [[2, 33, 37, 3], [1, 5, 7, 1], [3, 1, 1, 10], [1, 64, 64, 3], [1, 3, 3, 70], any(), any()] as Shape[]) {
      const byte = integers(elements(shape));
      const pixels = { shape, dtype: 'u8' as const, values: Array.from({ length: elements(shape) }, () => byte(0, 255)) };
      await agreement.check({ primitive: 'toFloat', inputs: [pixels, { shape: [2, shape[3]] }], output: shape });
    }
  });

  it('should turn bytes into floats with their edits exactly as the kernel does @smoke', async () => {
    for (const [seed, shape] of (
      [[3, 33, 37, 3], [1, 5, 7, 1], [4, 1, 1, 10], [2, 64, 64, 3], [5, 3, 3, 70], any(), any()] as Shape[]
    ).entries()) {
      const byte = integers(elements(shape));
      const pixels = { shape, dtype: 'u8' as const, values: Array.from({ length: elements(shape) }, () => byte(0, 255)) };
      const { values } = randomEdits(shape, seed);
      const edits = { shape: [shape[0], values.length / shape[0]], values };
      await agreement.check({ primitive: 'toFloat.edited', inputs: [pixels, { shape: [2, shape[3]] }, edits], output: shape });
    }
  });

  it('should adjust colours, draw noise and mix on the way exactly as the kernels do', async () => {
    for (const [seed, shape] of (
      [
        [5, 33, 37, 3],
        [4, 5, 7, 1],
        [9, 1, 1, 3],
        [3, 64, 64, 3],
      ] as Shape[]
    ).entries()) {
      const byte = integers(elements(shape));
      const pixels = { shape, dtype: 'u8' as const, values: Array.from({ length: elements(shape) }, () => byte(0, 255)) };
      const values = randomAdjustments(shape, seed);
      const edits = { shape: [shape[0], values.length / shape[0]], values };
      const inputs = [pixels, { shape: [2, shape[3]] }, edits, { shape: [quantilesLength], values: normalQuantiles() }];
      await agreement.check({ primitive: 'toFloat.adjusted', inputs, output: shape });
    }
  });

  it('should join channels and cut them as the kernels do', async () => {
    for (const widths of [
      [1, 2],
      [64, 64],
      [3, 5, 10, 1],
      [4, 1, 8, 2, 16],
      [96, 7],
    ]) {
      const at: Shape = [2, pick(1, 9), pick(1, 9)];
      const inputs = widths.map(width => ({ shape: [...at, width] }));
      const output = [...at, widths.reduce((sum, width) => sum + width, 0)];
      await agreement.check({ primitive: 'concat', inputs, output });
      let from = 0;
      for (const width of widths) {
        await agreement.check({ primitive: 'concat.slice', attributes: { from }, inputs: [{ shape: output }], output: [...at, width] });
        from += width;
      }
    }
  });

  it('should skip pixels and add channels as the kernels do, and back', async () => {
    for (let i = 0; i < 7; i++) {
      const x = any();
      const stride = i < 2 ? 2 : pick(1, 3);
      const y = [x[0], Math.ceil(x[1] / stride), Math.ceil(x[2] / stride), x[3] + (i === 0 ? 0 : pick(0, 20))];
      await agreement.check({ primitive: 'padChannels', attributes: { stride }, inputs: [{ shape: x }], output: y });
      await agreement.check({ primitive: 'padChannels.inputGradient', attributes: { stride }, inputs: [{ shape: y }], output: x });
    }
  });

  it('should flatten images as the kernels do, and back @smoke', async () => {
    for (const x of [[2, 6, 6, 256], [3, 1, 1, 70], [2, 5, 3, 1], [4, 9], [1, 4, 4, 18], any(), any(), any()] as Shape[]) {
      const y = [x[0], elements(x.slice(1))];
      await agreement.check({ primitive: 'flatten', inputs: [{ shape: x }], output: y });
      await agreement.check({ primitive: 'flatten.inputGradient', inputs: [{ shape: y }], output: x });
    }
  });

  it('should normalise over channels as the kernels do, and give the gradient', async () => {
    const cases: [x: Shape, size: number, beta: number][] = [
      [[2, 5, 7, 64], 5, 0.75],
      [[1, 3, 3, 3], 5, 0.75],
      [[9, 1], 1, 0.5],
      [[1, 4, 5, 10], 4, 1],
      [[1, 2, 3, 5], 11, 1.25],
      [any(), pick(1, 9), 0.75],
      [any(), pick(1, 9), 2],
    ];
    for (const [shape, size, beta] of cases) {
      const scale = { size, alpha: 0.3, k: 1.5 };
      const x = { shape };
      const scales = await agreement.check({ primitive: 'localResponseNorm.scale', attributes: scale, inputs: [x], output: shape }, 1e-6);
      const s = { shape, values: scales };
      await agreement.check({ primitive: 'localResponseNorm', attributes: { beta }, inputs: [x, s], output: shape }, 1e-6);
      const attributes = { size, alpha: 0.3, beta };
      await agreement.check(
        { primitive: 'localResponseNorm.inputGradient', attributes, inputs: [x, { shape }, s, { shape }], output: shape },
        1e-6,
      );
    }
  });

  it('should normalise by scales so small or large that only roots can', async () => {
    const shape: Shape = [2, 3, 3, 8];
    for (const extreme of [1e-32, 1e32]) {
      const values = Float32Array.from({ length: elements(shape) }, (_, i) => (i % 37 === 5 ? extreme : 1 + (i % 7)));
      const s = { shape, values };
      await agreement.check({ primitive: 'localResponseNorm', attributes: { beta: 0.75 }, inputs: [{ shape }, s], output: shape }, 1e-6);
      await agreement.check(
        {
          primitive: 'localResponseNorm.inputGradient',
          attributes: { size: 5, alpha: 0.3, beta: 0.75 },
          inputs: [{ shape }, { shape }, s, { shape }],
          output: shape,
        },
        1e-6,
      );
    }
  });
});
