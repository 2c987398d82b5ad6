import assert from 'node:assert/strict';
import { op } from '../../../core/ops/index.ts';
import { assertClose, checkGradients } from './finiteDifferences.ts';

describe('localResponseNorm', () => {
  const cases: [number[], { size: number; alpha: number; beta: number; k: number }][] = [
    [[2, 3, 1, 7], { size: 5, alpha: 0.7, beta: 0.75, k: 2 }],
    // an even window reaches further down than up
    [[1, 2, 3, 6], { size: 4, alpha: 1.3, beta: 0.5, k: 1 }],
    // a window wider than the channels
    [[3, 2], { size: 9, alpha: 2, beta: 1.25, k: 1 }],
    [[1, 1, 2, 3], { size: 1, alpha: 1, beta: 0.75, k: 0.5 }],
  ];
  for (const [shape, attributes] of cases) {
    it(`should normalise ${shape.join('x')} over ${attributes.size} channels, and know its gradient`, async () => {
      const { y, inputs } = await checkGradients('localResponseNorm', attributes, [shape]);
      const { size, alpha, beta, k } = attributes;
      const C = shape[shape.length - 1];
      const expected = Array.from(inputs[0], (value, i) => {
        const c = i % C;
        let sum = 0;
        for (let j = c - Math.floor(size / 2); j < c - Math.floor(size / 2) + size; j++)
          if (j >= 0 && j < C) sum += inputs[0][i - c + j] ** 2;
        return value / (k + (alpha / size) * sum) ** beta;
      });
      assertClose(y, expected);
    });
  }

  it('should refuse an empty window and a k that lets the sum vanish', () => {
    const { attributes } = op('localResponseNorm');
    assert.throws(() => attributes.parse({ size: 0 }), /size/);
    assert.throws(() => attributes.parse({ size: 5, k: 0 }), /k/);
    assert.deepEqual(attributes.parse({ size: 5 }), { size: 5, alpha: 1e-4, beta: 0.75, k: 1 });
  });
});
