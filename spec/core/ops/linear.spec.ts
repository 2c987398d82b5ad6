import assert from 'node:assert/strict';
import { op, primitive } from '../../../core/ops/index.ts';
import type { Shape } from '../../../core/shape.ts';
import { assertClose, checkGradients } from './finiteDifferences.ts';

const linear = op('linear');

describe('linear', () => {
  it('should infer shape, parameters and multiply-accumulates @smoke', () => {
    const a = linear.attributes.parse({ features: 10 });
    assert.deepEqual(linear.shape(a, [[32, 64]], 'linear "fc"'), [32, 10]);
    const init = { kind: 'uniform', bound: 1 / 8 };
    assert.deepEqual(linear.parameters!(a, [[32, 64]]), [
      { name: 'weight', role: 'parameter', shape: [64, 10], layout: 'matrix', init },
      { name: 'bias', role: 'parameter', shape: [10], layout: 'plain', init },
    ]);
    assert.equal(linear.parameters!(linear.attributes.parse({ features: 10, bias: false }), [[32, 64]]).length, 1);
    assert.equal(linear.macs!(a, [[1, 64]], [1, 10]), 640);
  });

  it('should ask for a flatten before it', () => {
    assert.throws(() => linear.shape(linear.attributes.parse({ features: 10 }), [[32, 7, 7, 64]], 'linear "fc"'), {
      message: 'linear "fc": expected a matrix [N,features], got [32,7,7,64]. Put a flatten before it.',
    });
  });

  it('should cost two operations for each product, and each operand once', () => {
    const cost = { flops: 2 * 4 * 7 * 5, bytes: 4 * (28 + 35 + 20) };
    assert.deepEqual(
      primitive('linear').cost(
        {},
        [
          [4, 7],
          [7, 5],
        ],
        [4, 5],
      ),
      cost,
    );
    assert.deepEqual(
      primitive('linear.inputGradient').cost(
        {},
        [
          [4, 5],
          [7, 5],
        ],
        [4, 7],
      ),
      cost,
    );
    assert.deepEqual(
      primitive('linear.filterGradient').cost(
        {},
        [
          [4, 7],
          [4, 5],
        ],
        [7, 5],
      ),
      cost,
    );
  });

  const cases: [number, Shape, boolean][] = [
    [1, [1, 1], true],
    [5, [3, 7], true],
    [6, [9, 2], false],
    [3, [17, 5], true],
    [9, [4, 13], false],
  ];
  for (const [features, x, bias] of cases) {
    it(`should take [${x}] to ${features} features ${bias ? 'with' : 'without'} bias, with the gradients of finite differences`, async () => {
      const { y, inputs, parameters } = await checkGradients('linear', { features, bias }, [x]);
      const [N, I] = x;
      const expected = Array.from({ length: N * features }, (_, at) => {
        const [n, o] = [Math.floor(at / features), at % features];
        let sum = bias ? parameters.bias[o] : 0;
        for (let i = 0; i < I; i++) sum += inputs[0][n * I + i] * parameters.weight[i * features + o];
        return sum;
      });
      assertClose(y, expected);
    });
  }
});
