import { elements, type Shape } from '../../../../core/shape.ts';
import { Agreement, nasty } from './primitives.ts';

describe('element-wise variants on wasm', () => {
  const agreement = new Agreement();
  before(() => agreement.open());
  after(() => agreement.close());

  const shapes: Shape[] = [[1], [3], [4, 5], [2, 3, 5, 3], [4095], [4096], [4097], [3, 37, 41, 10]];
  for (const [primitive, operands] of [
    ['add', 2],
    ['relu', 1],
    ['relu.inputGradient', 2],
  ] as const) {
    it(`should compute ${primitive} as its kernel does, also of NaN and infinities @smoke`, async () => {
      for (const shape of shapes) {
        const inputs = Array.from({ length: operands }, (_, i) => ({ shape, values: nasty(elements(shape), i + 1) }));
        await agreement.check({ primitive, inputs, output: shape });
        await agreement.check({ primitive, inputs: inputs.map(() => ({ shape })), output: shape });
      }
    });
  }

  it('should drop the same elements as the kernel, bit for bit @smoke', async () => {
    for (const [i, shape] of [...shapes, [17, 4099]].entries()) {
      for (const probability of [0.5, 0.1 * i]) {
        // hyper's third and fifth number are the step's key
        const hyper = { shape: [8], values: [0, 0, 0xabcdef - i, 0, 0x123456 + 7 * i, 0, 0, 0] };
        const attributes = { probability, key: 0xfedcba - 1001 * i };
        await agreement.check({ primitive: 'dropout', attributes, inputs: [{ shape }, hyper], output: shape });
      }
    }
  });
});
