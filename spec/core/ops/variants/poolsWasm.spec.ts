import { op } from '../../../../core/ops/index.ts';
import { elements, type Shape } from '../../../../core/shape.ts';
import { Agreement, integers, nasty } from './primitives.ts';

describe('pooling variants on wasm', () => {
  const agreement = new Agreement();
  before(() => agreement.open());
  after(() => agreement.close());

  type Case = readonly [attributes: Record<string, unknown>, x: Shape];
  /** Windows of nets, then any. */
  const windows: Case[] = [
    [{ kernel: 3, stride: 2, padding: 1 }, [2, 12, 13, 8]],
    [{ kernel: 3, stride: 2 }, [1, 13, 13, 5]],
    [{ kernel: 3, stride: 2, padding: 1, ceilMode: true }, [2, 8, 11, 8]],
    [{ kernel: 3, stride: 2, padding: 0, ceilMode: true }, [1, 8, 3, 4]],
    [{ kernel: 2 }, [2, 8, 9, 3]],
    [{ kernel: 2, stride: 2, ceilMode: true }, [1, 7, 5, 10]],
    [{ kernel: 3, stride: 1, padding: 1 }, [1, 5, 6, 1]],
    [{ kernel: 2, stride: 3 }, [1, 9, 10, 4]],
  ];
  const pick = integers(7);
  for (let i = 0; i < 7; i++) {
    const kernel = pick(1, 5);
    const attributes = { kernel, stride: pick(1, 4), padding: pick(0, Math.floor(kernel / 2)), ceilMode: pick(0, 1) === 1 };
    windows.push([attributes, [pick(1, 3), kernel + pick(0, 8), kernel + pick(0, 8), pick(1, 19)]]);
  }
  // channels beyond one unit of the average
  windows.push([{ kernel: 3, stride: 2, padding: 1 }, [1, 5, 4, 258]]);

  const pooled = (name: string, attributes: Record<string, unknown>, x: Shape) => {
    const parsed = op(name).attributes.parse(attributes) as Record<string, unknown>;
    return { parsed, y: op(name).shape(parsed, [x], name) };
  };

  it('should find the maximum and the first of equals as the kernels do, and give that one the gradient, NaN or not', async () => {
    for (const [attributes, x] of windows) {
      const { parsed, y } = pooled('maxPool2d', attributes, x);
      for (const values of [undefined, nasty(elements(x), 3)]) {
        const inputs = [{ shape: x, values }];
        await agreement.check({ primitive: 'maxPool2d', attributes: parsed, inputs, output: y });
        const indices = await agreement.check({ primitive: 'maxPool2d.indices', attributes: parsed, inputs, output: y });
        const gradient = { primitive: 'maxPool2d.inputGradient', attributes: parsed, output: x };
        await agreement.check({ ...gradient, inputs: [{ shape: y }, { shape: y, values: indices }] });
      }
    }
  });

  it('should average as the kernels do, forward and backward', async () => {
    for (const [i, [attributes, x]] of windows.entries()) {
      const { parsed, y } = pooled('avgPool2d', { ...attributes, countIncludePad: i % 2 === 0 }, x);
      await agreement.check({ primitive: 'avgPool2d', attributes: parsed, inputs: [{ shape: x }], output: y }, 1e-6);
      await agreement.check({ primitive: 'avgPool2d.inputGradient', attributes: parsed, inputs: [{ shape: y }], output: x }, 1e-6);
    }
  });

  it('should average adaptively as the kernels do, forward and backward', async () => {
    const cases: [output: number, x: Shape][] = [
      [1, [2, 7, 7, 512]],
      [1, [16, 4, 4, 300]],
      [6, [2, 6, 6, 16]],
      [6, [1, 13, 7, 5]],
      [7, [1, 4, 3, 3]],
    ];
    const any = integers(8);
    for (let i = 0; i < 6; i++) cases.push([any(1, 7), [any(1, 3), any(1, 15), any(1, 15), any(1, 19)]]);
    for (const [output, x] of cases) {
      const y: Shape = [x[0], output, output, x[3]];
      await agreement.check({ primitive: 'adaptiveAvgPool2d', inputs: [{ shape: x }], output: y }, 1e-6);
      await agreement.check({ primitive: 'adaptiveAvgPool2d.inputGradient', inputs: [{ shape: y }], output: x }, 1e-6);
    }
  });
});
