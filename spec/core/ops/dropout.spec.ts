import assert from 'node:assert/strict';
import { op } from '../../../core/ops/index.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { fillHyper, hyperLength, hyperName } from '../../../core/program/hyper.ts';
import { opProgram } from './opProgram.ts';
import { interpret } from './run.ts';

interface Draw {
  length?: number;
  probability?: number;
  seed?: number;
  step?: number;
  node?: string;
}

/** The dropped and scaled ones of a node, and what its gradient makes of ones. */
async function draw(options: Draw = {}, precision: typeof Float32Array | typeof Float64Array = Float64Array) {
  const { length = 4096, probability = 0.5, seed = 1, step = 0, node = 'drop' } = options;
  const program = new ProgramBuilder();
  const x = program.declare('x', 'input', [length]);
  const context = { name: node, attributes: { probability }, inputs: [x], parameters: {}, mode: 'train' as const };
  const dropout = op('dropout');
  const { output } = dropout.forward(program, context);
  program.segment = 'backward';
  assert.ok(dropout.gradient !== 'none');
  const gradients = dropout.gradient(program, { ...context, output, saved: {}, outputGradient: x, needs: [true] });
  const hyper = new Float32Array(hyperLength);
  fillHyper(hyper, { lr: 0, seed, step });
  const results = await interpret({ precision })(program.build(), { x: new Float32Array(length).fill(1), [hyperName]: hyper });
  return { y: Array.from(results[output.name]), dx: Array.from(results[gradients.inputs[0]!.name]) };
}
/** +1 where kept, -1 where dropped. */
const signs = async (options: Draw = {}) => (await draw(options)).y.map(value => (value > 0 ? 1 : -1));
/** In standard deviations of what two independent masks would give. */
const correlation = (a: readonly number[], b: readonly number[]) => {
  const length = Math.min(a.length, b.length);
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[i] * b[i];
  return Math.abs(sum) / Math.sqrt(length);
};

describe('dropout', () => {
  it('should zero a share of the elements and scale the others so that the mean stays @smoke', async () => {
    for (const probability of [0.1, 0.5, 0.8]) {
      const { y } = await draw({ length: 20_000, probability });
      const kept = y.filter(value => value !== 0);
      assert.deepEqual(new Set(kept), new Set([1 / (1 - probability)]));
      const deviation = Math.sqrt(probability * (1 - probability) * y.length);
      assert.ok(
        Math.abs(kept.length - (1 - probability) * y.length) < 4 * deviation,
        `${kept.length} kept of ${y.length} at ${probability}`,
      );
    }
  });

  it('should use the same mask on the gradient', async () => {
    const { y, dx } = await draw({ length: 100 });
    assert.deepEqual(dx, y);
  });

  it('should depend on seed, step and node alone, in float32 as in float64', async () => {
    const same = await draw({ length: 300 });
    assert.deepEqual(await draw({ length: 300 }), same);
    assert.deepEqual(await draw({ length: 300 }, Float32Array), same);
    // the first elements do not depend on how many there are
    assert.deepEqual((await draw({ length: 100 })).y, same.y.slice(0, 100));
    for (const other of [{ seed: 2 }, { step: 1 }, { node: 'drop2' }]) {
      assert.notDeepEqual((await draw({ length: 300, ...other })).y, same.y);
    }
  });

  it('should draw masks that have nothing to do with each other, nor with their neighbours', async () => {
    const length = 1 << 16;
    const mask = await signs({ length });
    for (const lag of [1, 2, 3, 4, 8, 16, 63, 64, 100, 256, 1000, 1024, 4096, 8192, 32768]) {
      const found = correlation(mask.slice(lag), mask);
      assert.ok(found < 4, `${found} standard deviations between elements ${lag} apart`);
    }
    for (const other of [{ step: 1 }, { step: 4096 }, { seed: 2 }, { seed: 4097 }, { node: 'dropout' }, { node: 'drop.1' }]) {
      const found = correlation(mask, await signs({ length, ...other }));
      assert.ok(found < 4, `${found} standard deviations between masks: ${JSON.stringify(other)}`);
    }
  });

  it('should drop each element as often as the others, over the steps', async () => {
    const [length, steps] = [64, 400];
    const kept = new Float64Array(length);
    for (let step = 0; step < steps; step++) for (const [i, sign] of (await signs({ length, step })).entries()) kept[i] += sign;
    const chi = kept.reduce((sum, value) => sum + value ** 2 / steps, 0) / length;
    // the mean of 64 squared normal numbers has a standard deviation of 0.18
    assert.ok(chi > 0.4 && chi < 1.6, `chi-square ${chi} per element`);
  });

  it('should be the identity in evaluation and at probability 0', () => {
    const evaluated = opProgram('dropout', {}, [[5, 3]], { mode: 'evaluate' });
    const never = opProgram('dropout', { probability: 0 }, [[5, 3]]);
    for (const { program, output, inputs, inputGradients } of [evaluated, never]) {
      assert.deepEqual(program.nodes, []);
      assert.equal(output, inputs[0]);
      assert.deepEqual(inputGradients, ['dy']);
    }
  });

  it('should refuse to drop everything', () => {
    assert.throws(() => op('dropout').attributes.parse({ probability: 1 }), /probability/);
    assert.deepEqual(op('dropout').attributes.parse({}), { probability: 0.5 });
  });
});
