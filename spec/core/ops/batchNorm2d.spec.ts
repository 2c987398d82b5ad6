import assert from 'node:assert/strict';
import { op } from '../../../core/ops/index.ts';
import { elements, type Shape } from '../../../core/shape.ts';
import { assertClose, checkGradients, noise } from './finiteDifferences.ts';
import { opProgram } from './opProgram.ts';
import { interpret } from './run.ts';

const shapes: Shape[] = [
  [2, 3, 5, 3],
  [7, 1, 1, 5],
  [6, 2],
  // 19 · 17 pixels: more than one chunk, the last one cut off
  [1, 19, 17, 2],
];

/** Channel c of a tensor whose last dimension is C. */
const channel = (data: ArrayLike<number>, C: number, c: number) => Array.from(data).filter((_, i) => i % C === c);
const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const momentOf = (values: readonly number[]) => meanOf(values.map(value => (value - meanOf(values)) ** 2));

describe('batchNorm2d', () => {
  for (const shape of shapes) {
    it(`should normalise ${shape.join('x')} in training, and know its gradients`, async () => {
      const { y, inputs, parameters } = await checkGradients('batchNorm2d', { eps: 1e-3 }, [shape], { step: 1e-5, tolerance: 1e-6 });
      const C = shape[shape.length - 1];
      for (let c = 0; c < C; c++) {
        const x = channel(inputs[0], C, c);
        const [mean, deviation] = [meanOf(x), Math.sqrt(momentOf(x) + 1e-3)];
        assertClose(
          channel(y, C, c),
          x.map(value => ((value - mean) / deviation) * parameters.weight[c] + parameters.bias[c]),
        );
      }
    });

    it(`should use the running statistics of ${shape.join('x')} in evaluation, and know its gradients`, async () => {
      const C = shape[shape.length - 1];
      const running_var = noise(C, 77).map(value => 1.5 + value);
      const { y, inputs, parameters } = await checkGradients('batchNorm2d', {}, [shape], { mode: 'evaluate', parameters: { running_var } });
      for (let c = 0; c < C; c++) {
        const factor = parameters.weight[c] / Math.sqrt(running_var[c] + 1e-5);
        assertClose(
          channel(y, C, c),
          channel(inputs[0], C, c).map(value => (value - parameters.running_mean[c]) * factor + parameters.bias[c]),
        );
      }
    });
  }

  it('should move the running statistics towards the mean and the unbiased variance, and leave them alone in evaluation', async () => {
    const shape = [2, 2, 3, 2];
    const x = noise(elements(shape), 1);
    const start = { running_mean: [3, -1], running_var: [2, 0.5] };
    for (const mode of ['train', 'evaluate'] as const) {
      const built = opProgram('batchNorm2d', { momentum: 0.25 }, [shape], { mode, backward: false });
      const results = await interpret({ strict: true })(built.program, {
        [built.inputs[0]]: x,
        [built.parameters.weight]: [1, 1],
        [built.parameters.bias]: [0, 0],
        [built.parameters.running_mean]: start.running_mean,
        [built.parameters.running_var]: start.running_var,
      });
      const moved = (name: 'running_mean' | 'running_var', batch: (values: number[]) => number) =>
        start[name].map((value, c) => (mode === 'train' ? 0.75 * value + 0.25 * batch(channel(x, 2, c)) : value));
      assertClose(results[built.parameters.running_mean], moved('running_mean', meanOf));
      assertClose(
        results[built.parameters.running_var],
        moved('running_var', values => (momentOf(values) * 12) / 11),
      );
    }
  });

  it('should keep its digits in float32 when the mean is a thousand times the deviation', async () => {
    const shape = [3, 20, 20, 2];
    const x = Float32Array.from(noise(elements(shape), 5), value => 1000 + value);
    const built = opProgram('batchNorm2d', {}, [shape], { backward: false });
    const values = {
      [built.inputs[0]]: x,
      [built.parameters.weight]: [1, 1],
      [built.parameters.bias]: [0, 0],
      [built.parameters.running_mean]: [0, 0],
      [built.parameters.running_var]: [1, 1],
    };
    const exact = await interpret()(built.program, values);
    const rounded = await interpret({ precision: Float32Array })(built.program, values);
    assertClose(rounded[built.output], exact[built.output], 1e-6);
  });

  it('should compute no gradient that nobody asks for', () => {
    const { inputGradients, program } = opProgram('batchNorm2d', {}, [[2, 2, 2, 3]], { needs: [false] });
    assert.deepEqual(inputGradients, [undefined]);
    assert.deepEqual(
      program.nodes.filter(({ primitive }) => primitive.endsWith('inputGradient')),
      [],
    );
  });

  it('should refuse to train on one value per channel', () => {
    assert.throws(() => opProgram('batchNorm2d', {}, [[1, 1, 1, 4]]), {
      message:
        'batchNorm2d "layer": expected more than one value per channel when training, got [1,1,1,4]. Use a larger batch or a larger image.',
    });
    assert.doesNotThrow(() => opProgram('batchNorm2d', {}, [[1, 1, 1, 4]], { mode: 'evaluate' }));
  });

  it('should refuse what has no channels last, and attributes it does not have', () => {
    assert.throws(() => op('batchNorm2d').shape({ eps: 1e-5, momentum: 0.1 }, [[2, 3, 4]], 'batchNorm2d "bn"'), {
      message:
        'batchNorm2d "bn": expected an input of shape [N,H,W,C] or [N,C], got [2,3,4]. Put it after a convolution or a linear layer.',
    });
    assert.throws(() => op('batchNorm2d').attributes.parse({ epsilon: 1 }), /epsilon/);
    assert.deepEqual(op('batchNorm2d').attributes.parse({}), { eps: 1e-5, momentum: 0.1 });
  });
});
