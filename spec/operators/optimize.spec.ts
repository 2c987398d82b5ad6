import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { BehaviorSubject, concat, concatMap, delay, EMPTY, NEVER, Observable, of, Subject, take, tap, throwError } from 'rxjs';
import { openWasm } from '../../core/devices/wasm/device.ts';
import { crossEntropy } from '../../core/losses/index.ts';
import { adam, type LearningRate, sgd, stepDecay } from '../../core/optimizers/index.ts';
import { compile } from '../../core/training/compiledModel.ts';
import type { Step } from '../../core/training/records.ts';
import type { TensorData } from '../../core/training/torchLayout.ts';
import { tiny } from '../../models/tiny.ts';
import { backward } from '../../operators/backward.ts';
import { evaluate } from '../../operators/evaluate.ts';
import { forward } from '../../operators/forward.ts';
import { optimize } from '../../operators/optimize.ts';
import { fakeBatch } from '../trainingFixtures.ts';
import { record, TrainingRig, useTraining } from './trainingRig.ts';

const plain = (state: Map<string, TensorData>) => Object.fromEntries([...state].map(([name, { data }]) => [name, [...data]]));

describe('optimize', () => {
  const training = useTraining();
  const loss = crossEntropy();
  const steps = (rig: TrainingRig, count: number, lr: LearningRate = 0.05, options = {}) =>
    rig.batches(count, options).pipe(forward(rig.model), backward(loss), optimize(sgd({ lr })));

  it('should do nothing for never, complete for empty, and pass an error on', async () => {
    const work = optimize(sgd({ lr: 0.1 }));
    let ended = false;
    const subscription = NEVER.pipe(work).subscribe({ complete: () => (ended = true), error: () => (ended = true) });
    await turn();
    subscription.unsubscribe();
    assert.equal(ended, false);
    assert.deepEqual(await record(EMPTY.pipe(work)), { values: [], end: 'complete', errors: 0 });
    const broken = new Error('the source broke');
    assert.deepEqual((await record(throwError(() => broken).pipe(work))).error, broken);
  });

  it('should tell each step, and learn @smoke', async () => {
    const rig = training.rig();
    const { values, end } = await record(steps(rig, 30, 0.1, { seed: 4, epoch: 2 }));
    assert.equal(end, 'complete');
    assert.deepEqual(
      values.map(({ step }) => step),
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
    const { step, epoch, index, images, lr, consumed } = values[2]!;
    assert.deepEqual({ step, epoch, index, images, lr, consumed }, { step: 3, epoch: 2, index: 2, images: 8, lr: 0.1, consumed: 24 });
    for (const each of values) {
      assert.ok(each.seconds > 0 && Math.abs(each.imagesPerSecond - 8 / each.seconds) < 1e-6);
      assert.ok(each.top1 >= 0 && each.top1 <= each.top5 && each.top5 <= 1);
    }
    assert.ok(values.at(-1)!.loss < values[0]!.loss / 2, `from ${values[0]!.loss} to ${values.at(-1)!.loss}`);
    assert.equal(rig.model.updates, 30);
  });

  it('should stop after as many steps as are taken, and free everything', async () => {
    const rig = training.rig();
    const { values, end } = await record(steps(rig, 1000).pipe(take(3)));
    assert.deepEqual([values.length, end], [3, 'complete']);
    await rig.clean();
    assert.equal(rig.model.updates, 3);
    assert.ok(rig.made <= 7, `${rig.made} batches were made`);
  });

  it('should free everything when left in the middle of a step', async () => {
    const rig = training.rig();
    const optimizer = sgd({ lr: 0.05 }); // a model keeps to one
    for (let turns = 1; turns <= 6; turns++) {
      const subscription = rig.batches(1000).pipe(forward(rig.model), backward(loss), optimize(optimizer)).subscribe();
      for (let i = 0; i < turns * 3; i++) await turn();
      subscription.unsubscribe();
      await rig.clean();
    }
  });

  it('should let taps and delays stand between the stages', async () => {
    const rig = training.rig();
    const seen: string[] = [];
    const { values } = await record(
      rig.batches(2).pipe(
        tap(({ index }) => seen.push(`batch ${index}`)),
        forward(rig.model),
        tap(({ batch }) => seen.push(`pass ${batch.index}`)),
        backward(loss),
        tap(pass => seen.push(`gradients ${pass.batch.index}`)),
        optimize(sgd({ lr: 0.05 })),
        delay(1),
      ),
    );
    assert.equal(values.length, 2);
    assert.deepEqual(
      seen.filter(each => !each.startsWith('batch')),
      ['pass 0', 'gradients 0', 'pass 1', 'gradients 1'],
    );
  });

  it('should take the learning rate from a schedule of step and epoch', async () => {
    const rig = training.rig();
    const first = await record(steps(rig, 4, stepDecay(0.1, 2, 0.5)));
    assert.deepEqual(
      first.values.map(({ lr }) => lr),
      [0.1, 0.1, 0.05, 0.05],
    );
    const byEpoch = training.rig();
    const second = await record(steps(byEpoch, 2, (step, epoch) => 0.001 * (10 * epoch + step), { epoch: 3 }));
    assert.deepEqual(
      second.values.map(({ lr }) => lr),
      [0.03, 0.031],
    );
  });

  it('should take the learning rate from an Observable, changed at the next step', async () => {
    const rig = training.rig();
    const lr$ = new BehaviorSubject(0.1);
    const { allocatedBytes } = rig.model.device;
    let after = 0;
    const { values } = await record(
      steps(rig, 5, lr$).pipe(
        tap(({ step }) => {
          after ||= rig.model.device.allocatedBytes;
          if (step === 2) lr$.next(0.02);
          if (step === 4) lr$.next(0);
        }),
      ),
    );
    assert.deepEqual(
      values.map(({ lr }) => lr),
      [0.1, 0.1, 0.02, 0.02, 0],
    );
    // nothing was rebuilt
    assert.ok(after > allocatedBytes);
    assert.equal(rig.model.device.allocatedBytes, after);
    assert.equal(lr$.observed, false);
  });

  it('should move the weights by the rate that it tells', async () => {
    const rig = training.rig();
    const before = plain(await rig.model.state());
    await record(steps(rig, 1, 0));
    const after = plain(await rig.model.state());
    assert.deepEqual(after['conv.weight'], before['conv.weight']);
    assert.notDeepEqual(after['bn.running_mean'], before['bn.running_mean']);
  });

  it('should name what is wrong with an Observable of rates', async () => {
    const rig = training.rig();
    const none = await record(steps(rig, 3, new Subject<number>()));
    assert.match(
      String(none.error),
      /^MillraceError: optimize\(sgd\), step 0: expected a learning rate from the Observable, got none so far\. Give the stream a first value/,
    );
    const negative = await record(steps(rig, 3, of(-1)));
    assert.match(String(negative.error), /optimize\(sgd\), step 0: expected a learning rate that is finite and not negative, got -1/);
    const broken = await record(
      steps(
        rig,
        3,
        concat(
          of(0.1),
          throwError(() => new Error('no rate')),
        ),
      ),
    );
    assert.equal(String(broken.error), 'Error: no rate');
    assert.deepEqual([none.errors, negative.errors, broken.errors, rig.model.updates], [1, 1, 1, 0]);
  });

  it('should end with the step and the layer when the loss is not finite, before the weights are touched', async () => {
    const rig = training.rig();
    // as if the weights had grown too large: finite, but their products are not
    const grown = await rig.model.state();
    grown.get('fc.weight')!.data.fill(3e38);
    const { values, error, errors } = await record(
      steps(rig, 10).pipe(
        tap(({ step }) => {
          if (step === 3) void rig.model.load(grown);
        }),
      ),
    );
    assert.deepEqual([values.length, errors, rig.model.updates], [3, 1, 3]);
    assert.match(
      String(error),
      /^MillraceError: step 4: expected a finite loss, got (NaN|-?Infinity); it began in layer "fc" \(linear\)\. Lower the learning rate, or look at the batch; the weights are still those of the step before\.$/,
    );
    const [after, before] = [plain(await rig.model.state()), plain(grown)];
    for (const name of ['conv.weight', 'bn.weight', 'bn.bias', 'fc.weight', 'fc.bias']) assert.deepEqual(after[name], before[name]);
    for (const [name, data] of Object.entries(after)) assert.ok(data.every(Number.isFinite), name);
  });

  it('should tell once that the device is gone', async () => {
    const device = await openWasm({ threads: 1 });
    const model = compile(tiny(), { device, batch: 8 });
    const rig = new TrainingRig(model, 0);
    const { values, error, errors } = await record(
      steps(rig, 10).pipe(
        tap(({ step }) => {
          if (step === 2) void device.destroy();
        }),
      ),
    );
    assert.deepEqual([values.length, errors], [2, 1]);
    assert.match(String(error), /^MillraceError: wasm: expected an open device, got one that was destroyed/);
    await rig.close();
  });

  it('should diverge with an error, not with numbers that mean nothing, when the rate is far too large', async () => {
    const rig = training.rig();
    const { values, error } = await record(steps(rig, 60, 1e30));
    assert.ok(values.every(step => Number.isFinite(step.loss)));
    assert.match(
      String(error),
      /^MillraceError: step \d+: expected a finite loss, got .+; it began (in layer|in the loss|with the weights)/,
    );
    for (const [name, { data }] of await rig.model.state()) {
      if (name.includes('running')) assert.ok(data.every(Number.isFinite), name);
    }
  });

  it('should let two pipelines on one model take turns', async () => {
    const rig = training.rig();
    const held = Array.from({ length: 3 }, (_, index) => ({ count: 8, index, seed: 50 + index }));
    const test = () =>
      new Observable<ReturnType<typeof fakeBatch>>(subscriber => {
        for (const options of held) {
          const batch = fakeBatch({ demand: rig.demand, ...options });
          subscriber.next(batch);
          batch.lease.release();
        }
        subscriber.complete();
      });
    const log: string[] = [];
    const { values, end } = await record(
      steps(rig, 6).pipe(
        concatMap((step: Step) => {
          log.push(`step ${step.step}`);
          return step.step % 3 === 0 ? test().pipe(evaluate(rig.model, loss)) : of(step);
        }),
      ),
    );
    assert.equal(end, 'complete');
    assert.equal(values.filter(value => !('step' in value)).length, 2);
    assert.equal(log.length, 6);

    // evaluating between steps changes nothing about them
    const alone = training.rig();
    const straight = await record(steps(alone, 6));
    assert.deepEqual(
      values.filter(value => 'step' in value).map(value => value.loss),
      straight.values.filter(({ step }) => step % 3 !== 0).map(step => step.loss),
    );
    assert.deepEqual(plain(await rig.model.state()), plain(await alone.model.state()));
  });

  it('should train with two optimizers in two models, and refuse two in one', async () => {
    const rig = training.rig();
    const first = await record(rig.batches(2).pipe(forward(rig.model), backward(loss), optimize(adam({ lr: 0.001 }))));
    assert.equal(first.values.length, 2);
    const second = await record(steps(rig, 2));
    assert.match(String(second.error), /^MillraceError: optimize: expected the optimizer that this model was first updated with \(adam\)/);
    assert.equal(rig.model.updates, 2);
  });
});
