import assert from 'node:assert/strict';
import { checkGradients, noise } from './finiteDifferences.ts';
import { opProgram } from './opProgram.ts';
import { interpret } from './run.ts';

describe('relu', () => {
  for (const shape of [[2, 3, 5, 3], [7]]) {
    it(`should keep what is positive of ${shape.join('x')}, and know its gradient`, async () => {
      const { y, inputs } = await checkGradients('relu', {}, [shape]);
      assert.deepEqual(
        Array.from(y),
        Array.from(inputs[0], value => Math.max(value, 0)),
      );
    });
  }

  it('should give no gradient at zero and let NaN through', async () => {
    const { program, inputs, output, inputGradients } = opProgram('relu', {}, [[4]]);
    const results = await interpret()(program, { [inputs[0]]: [0, Number.NaN, -2, 1e-40], dy: noise(4, 1) });
    assert.deepEqual(Array.from(results[output]), [0, Number.NaN, 0, 1e-40]);
    assert.equal(results[inputGradients[0]!][0], 0);
  });
});
