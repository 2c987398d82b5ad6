import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { concat, EMPTY, NEVER, take, throwError } from 'rxjs';
import { crossEntropy } from '../../core/losses/index.ts';
import { evaluate } from '../../operators/evaluate.ts';
import { record, useTraining } from './trainingRig.ts';

describe('evaluate', () => {
  const training = useTraining();
  const loss = crossEntropy();

  it('should do nothing for never, measure nothing for empty, and pass an error on', async () => {
    const { model } = training.rig();
    let ended = false;
    const subscription = NEVER.pipe(evaluate(model, loss)).subscribe({ next: () => (ended = true), complete: () => (ended = true) });
    await turn();
    subscription.unsubscribe();
    assert.equal(ended, false);
    const { values, end } = await record(EMPTY.pipe(evaluate(model, loss)));
    assert.equal(end, 'complete');
    const [{ images, loss: mean, top1, top5, imagesPerSecond }] = values as [(typeof values)[0]];
    assert.deepEqual({ images, mean, top1, top5, imagesPerSecond }, { images: 0, mean: 0, top1: 0, top5: 0, imagesPerSecond: 0 });
    const broken = new Error('the source broke');
    assert.deepEqual((await record(throwError(() => broken).pipe(evaluate(model, loss)))).error, broken);
  });

  it('should count every image once, whatever the batches', async () => {
    const rig = training.rig();
    const [one, both] = [
      { seed: 3, count: 8 },
      { seed: 9, count: 3 },
    ];
    const measure = async (...parts: { seed: number; count: number }[]) => {
      const { values, end } = await record(concat(...parts.map(part => rig.batches(1, part))).pipe(evaluate(rig.model, loss)));
      assert.deepEqual([values.length, end], [1, 'complete']);
      return values[0]!;
    };
    const [first, second, together] = [await measure(one), await measure(both), await measure(one, both)];
    assert.deepEqual([first.images, second.images, together.images], [8, 3, 11]);
    for (const key of ['loss', 'top1', 'top5'] as const) {
      assert.ok(Math.abs(together[key] - (8 * first[key] + 3 * second[key]) / 11) < 1e-6, key);
    }
    assert.ok(together.top1 <= together.top5 && together.top5 <= 1 && together.loss > 0);
    assert.ok(Math.abs(together.imagesPerSecond - 11 / together.seconds) < 1e-6);
    // once more, it is the same: nothing in the model has moved
    assert.equal((await measure(one, both)).loss, together.loss);
    assert.equal(rig.model.updates, 0);
  });

  it('should count hits as labels say', async () => {
    const rig = training.rig();
    // with a bias of its own, class 7 wins for every image
    const state = await rig.model.state();
    state.get('fc.bias')!.data[7] = 1e4;
    await rig.model.load(state);
    const { values } = await record(rig.batches(2, { labels: [7, 7, 7, 1, 2, 3, 4, 5] }).pipe(evaluate(rig.model, loss)));
    assert.equal(values[0]!.top1, 3 / 8);
    assert.ok(values[0]!.top5 >= 3 / 8);
  });

  it('should hold its bound and free everything when left early', async () => {
    const rig = training.rig();
    const { end } = await record(rig.batches(12).pipe(evaluate(rig.model, loss)));
    assert.equal(end, 'complete');
    assert.ok(rig.demand.peak <= 16, `${rig.demand.peak} samples were inside`);
    const subscription = rig.batches(1000).pipe(evaluate(rig.model, loss), take(1)).subscribe();
    for (let i = 0; i < 20; i++) await turn();
    subscription.unsubscribe();
    await rig.clean();
    assert.ok(rig.made < 1000);
  });

  it('should tell what the device says once', async () => {
    const rig = training.rig();
    const { error, errors, values } = await record(rig.batches(3, { labels: [0, 1, 2, 3, 4, 5, 6, 99] }).pipe(evaluate(rig.model, loss)));
    assert.match(
      String(error),
      /^MillraceError: sample "sample 7": expected a label from 0 to 9, since the model has 10 classes, got 99\./,
    );
    assert.deepEqual([errors, values.length], [1, 0]);
  });
});
