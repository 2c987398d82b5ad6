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

  it('should tell the mean cost of the best guess and of the cheapest of five', async () => {
    const rig = training.rig();
    const state = await rig.model.state();
    // the order of classes is 7 3 1 9 0 for every image
    for (const [place, label] of [7, 3, 1, 9, 0].entries()) state.get('fc.bias')!.data[label] = 1e4 * (5 - place);
    await rig.model.load(state);
    const asked: string[] = [];
    const cost = (predicted: number, label: number) => {
      asked.push(`${predicted} for ${label}`);
      return Math.abs(predicted - label);
    };
    const batches = rig.batches(2, { labels: [7, 7, 8, 4, 5, 6, 2, 0] });
    const { values } = await record(batches.pipe(evaluate(rig.model, loss, { cost })));
    assert.equal(values[0]!.cost1, (0 + 0 + 1 + 3 + 2 + 1 + 5 + 7) / 8);
    assert.equal(values[0]!.cost5, (0 + 0 + 1 + 1 + 2 + 1 + 1 + 0) / 8);
    assert.equal(values[0]!.top1, 2 / 8);
    assert.deepEqual(asked.slice(10, 15), ['7 for 8', '3 for 8', '1 for 8', '9 for 8', '0 for 8']);
    assert.deepEqual(
      (await record(EMPTY.pipe(evaluate(rig.model, loss, { cost })))).values.map(({ cost1, cost5 }) => [cost1, cost5]),
      [[0, 0]],
    );
    const [plain] = (await record(rig.batches(1).pipe(evaluate(rig.model, loss)))).values;
    assert.ok(!('cost1' in plain!));
    const broken = new Error('no price');
    const failing = () => {
      throw broken;
    };
    assert.equal((await record(rig.batches(1).pipe(evaluate(rig.model, loss, { cost: failing })))).error, broken);
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
