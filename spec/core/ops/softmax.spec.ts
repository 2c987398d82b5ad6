import assert from 'node:assert/strict';
import { assertClose, checkGradients } from './finiteDifferences.ts';
import { opProgram } from './opProgram.ts';
import { interpret } from './run.ts';

describe('softmax', () => {
  for (const shape of [
    [3, 7],
    [2, 3, 2, 5],
    [4, 1],
  ]) {
    it(`should share 1 over the last axis of ${shape.join('x')}, and know its gradient`, async () => {
      const { y, inputs } = await checkGradients('softmax', {}, [shape]);
      const C = shape[shape.length - 1];
      for (let row = 0; row < y.length / C; row++) {
        const powers = Array.from(inputs[0]).slice(row * C, (row + 1) * C);
        const sum = powers.reduce((total, value) => total + Math.exp(value), 0);
        assertClose(
          Array.from(y).slice(row * C, (row + 1) * C),
          powers.map(value => Math.exp(value) / sum),
        );
      }
    });
  }

  it('should stay finite for huge inputs', async () => {
    const { program, inputs, output } = opProgram('softmax', {}, [[1, 3]], { backward: false });
    const { [output]: y } = await interpret({ precision: Float32Array })(program, { [inputs[0]]: [1e30, 1e30, -1e30] });
    assert.deepEqual(Array.from(y), [0.5, 0.5, 0]);
  });
});
