import assert from 'node:assert/strict';
import type { Step } from '../../../core/index.ts';
import { uniforms } from '../../../core/index.ts';
import { StepHistory } from '../../../pipelines/dashboard/stepHistory.ts';

const stepOf = (step: number, loss: number): Step => ({
  step,
  epoch: Math.floor(step / 1000),
  index: step,
  images: 32,
  loss,
  top1: loss / 10,
  top5: loss / 5,
  lr: 1 / step,
  seconds: 0.01,
  imagesPerSecond: 3200,
  consumed: 32,
  state: { seed: 1, epoch: 0, consumed: 32 } as Step['state'],
});

describe('StepHistory', () => {
  it('should keep every step while there is room, and means, sums and peaks of all of them after that @smoke', () => {
    for (const count of [1, 7, 100, 101, 1234, 12_345]) {
      const history = new StepHistory(100);
      const next = uniforms(7);
      const losses = Array.from({ length: count }, () => next());
      for (let i = 0; i < count; i++) history.add(stepOf(i + 1, losses[i]!));
      assert.ok(history.length <= 100, `${history.length} rows of ${count}`);
      const { step, steps, loss, lossMin, lossMax, images, seconds } = history.columns();
      assert.equal(step.at(-1), count);
      assert.equal(
        steps.reduce((a, b) => a + b, 0),
        count,
      );
      const mean = loss.reduce((sum, each, i) => sum + each * steps[i]!, 0) / count;
      assert.ok(Math.abs(mean - losses.reduce((a, b) => a + b, 0) / count) < 1e-9);
      assert.equal(Math.min(...lossMin), Math.min(...losses));
      assert.equal(Math.max(...lossMax), Math.max(...losses));
      assert.equal(
        images.reduce((a, b) => a + b, 0),
        count * 32,
      );
      assert.ok(Math.abs(seconds.reduce((a, b) => a + b, 0) - count * 0.01) < 1e-6);
      assert.equal(new Set(steps.slice(0, -1)).size <= 1, true, 'rows of one width');
    }
  });

  it('should be the same after crossing to a page, also when steps follow', () => {
    const [here, whole] = [new StepHistory(50), new StepHistory(50)];
    for (let i = 1; i <= 333; i++) {
      here.add(stepOf(i, i));
      whole.add(stepOf(i, i));
    }
    const there = StepHistory.from(JSON.parse(JSON.stringify(here.columns())), 50);
    for (let i = 334; i <= 500; i++) {
      there.add(stepOf(i, i));
      whole.add(stepOf(i, i));
    }
    assert.deepEqual(there.columns(), whole.columns());
  });

  it('should take back what a resumed run repeats', () => {
    const history = new StepHistory();
    for (const step of [1, 2, 3, 4, 5, 3, 4]) history.add(stepOf(step, step));
    assert.deepEqual(history.columns().step, [1, 2, 3, 4]);
  });
});
