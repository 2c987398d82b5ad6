import assert from 'node:assert/strict';
import { op, primitive } from '../../../core/ops/index.ts';
import { uniforms } from '../../../core/random.ts';
import { elements, type Shape } from '../../../core/shape.ts';
import { opProgram } from './opProgram.ts';
import { interpret } from './run.ts';

const fill = (count: number, seed: number) => {
  const next = uniforms(seed);
  return Float32Array.from({ length: count }, () => 2 * next() - 1);
};
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);

/** y and dx of one padChannels node, with every read checked to stay inside its array. */
async function both(shape: Shape, attributes: { stride: number; channels: number }) {
  const { program, inputs, output, outputShape, inputGradients } = opProgram('padChannels', attributes, [shape]);
  const x = fill(elements(shape), 1);
  const dy = fill(elements(outputShape), 2);
  const values = await interpret({ strict: true })(program, { [inputs[0]]: x, dy });
  return { x, dy, y: values[output], dx: Array.from(values[inputGradients[0]!]), outputShape };
}

describe('padChannels', () => {
  const cases: [Shape, { stride: number; channels: number }, Shape][] = [
    [[2, 5, 7, 3], { stride: 2, channels: 5 }, [2, 3, 4, 5]],
    [[1, 4, 4, 2], { stride: 2, channels: 4 }, [1, 2, 2, 4]],
    [[2, 3, 2, 3], { stride: 1, channels: 8 }, [2, 3, 2, 8]],
    [[3, 7, 1, 1], { stride: 3, channels: 1 }, [3, 3, 1, 1]],
  ];
  for (const [shape, attributes, expected] of cases) {
    it(`should take [${shape}] with stride ${attributes.stride} to ${attributes.channels} channels, zeros behind its own`, async () => {
      const { x, y, dy, dx, outputShape } = await both(shape, attributes);
      assert.deepEqual(outputShape, expected);
      const [N, P, Q, K] = outputShape;
      const [, H, W, C] = shape;
      for (let n = 0; n < N; n++)
        for (let p = 0; p < P; p++)
          for (let q = 0; q < Q; q++)
            for (let k = 0; k < K; k++) {
              const pixel = (n * H + p * attributes.stride) * W + q * attributes.stride;
              assert.equal(y[((n * P + p) * Q + q) * K + k], k < C ? x[pixel * C + k] : 0, `y[${[n, p, q, k]}]`);
            }
      // the op is linear, so its gradient is its adjoint, and nothing that was skipped gets any
      assert.ok(Math.abs(dot(y, dy) - dot(x, dx)) < 1e-12);
      assert.equal(dx.filter(value => value !== 0).length, N * P * Q * C);
    });
  }

  it('should cost what is copied and the result, not what is skipped', () => {
    const [x, y]: Shape[] = [
      [1, 4, 6, 3],
      [1, 2, 3, 5],
    ];
    assert.deepEqual(primitive('padChannels').cost({ stride: 2 }, [x], y), { flops: 0, bytes: 4 * (18 + 30) });
    assert.deepEqual(primitive('padChannels.inputGradient').cost({ stride: 2 }, [y], x), { flops: 0, bytes: 4 * (18 + 72) });
  });

  it('should refuse to drop channels', () => {
    assert.throws(() => op('padChannels').shape({ stride: 1, channels: 2 }, [[1, 4, 4, 3]], 'padChannels "p"'), {
      message: 'padChannels "p": expected an input of at most 2 channels, got 3 (input is [1,4,4,3]). Set channels to 3 or more.',
    });
  });
});
