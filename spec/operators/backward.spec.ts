import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { concatMap, EMPTY, map, NEVER, take, throwError } from 'rxjs';
import { crossEntropy, type Loss } from '../../core/losses/index.ts';
import { backward } from '../../operators/backward.ts';
import { forward } from '../../operators/forward.ts';
import { record, useTraining } from './trainingRig.ts';

describe('backward', () => {
  const training = useTraining();
  const loss = crossEntropy();

  it('should do nothing for never, complete for empty, and pass an error on', async () => {
    let ended = false;
    const subscription = NEVER.pipe(backward(loss)).subscribe({ complete: () => (ended = true), error: () => (ended = true) });
    await turn();
    subscription.unsubscribe();
    assert.equal(ended, false);
    assert.deepEqual(await record(EMPTY.pipe(backward(loss))), { values: [], end: 'complete', errors: 0 });
    const broken = new Error('the source broke');
    assert.deepEqual((await record(throwError(() => broken).pipe(backward(loss)))).error, broken);
  });

  it('should leave loss and gradients on the device for each pass, in order', async () => {
    const rig = training.rig();
    const seen: { index: number; loss: number; gradients: string[]; norm: number }[] = [];
    const { values, end } = await record(
      rig.batches(3).pipe(
        forward(rig.model),
        backward(loss),
        concatMap(async pass => {
          pass.lease.hold();
          const gradients = await rig.model.gradients();
          const norm = Math.hypot(...[...gradients.values()].flatMap(({ data }) => [...data]));
          seen.push({ index: pass.batch.index, loss: (await rig.model.readLoss()).loss, gradients: [...gradients.keys()], norm });
          pass.lease.release();
          return pass.loss === loss;
        }),
      ),
    );
    assert.deepEqual([values, end], [[true, true, true], 'complete']);
    assert.deepEqual(
      seen.map(({ index }) => index),
      [0, 1, 2],
    );
    for (const each of seen) {
      assert.ok(each.loss > 0.5 && each.norm > 0.01, JSON.stringify(each));
      assert.deepEqual(each.gradients, ['conv.weight', 'bn.weight', 'bn.bias', 'fc.weight', 'fc.bias']);
    }
    const meter = rig.demand.meters.stage('backward');
    assert.deepEqual([meter.itemsIn, meter.itemsOut, meter.depth], [24, 24, 0]);
  });

  it('should refuse passes that were not made for training', async () => {
    const rig = training.rig();
    const { error, errors } = await record(rig.batches(2).pipe(forward(rig.model, { mode: 'evaluate' }), backward(loss)));
    assert.match(
      String(error),
      /^MillraceError: backward: expected passes of forward in mode 'train', got one in mode 'evaluate'\. Leave the/,
    );
    assert.equal(errors, 1);
  });

  it('should tell what the loss throws once, and begin no other pass', async () => {
    const rig = training.rig();
    let built = 0;
    const broken: Loss = {
      name: 'broken',
      build() {
        built++;
        throw new Error('no such loss');
      },
    };
    let forwards = 0;
    const { values, error, errors } = await record(
      rig.batches(5).pipe(
        forward(rig.model),
        map(pass => {
          forwards++;
          return pass;
        }),
        backward(broken),
      ),
    );
    assert.deepEqual([values.length, String(error), errors, built, forwards], [0, 'Error: no such loss', 1, 1, 1]);
  });

  it('should free everything when left early', async () => {
    const rig = training.rig();
    const { values } = await record(rig.batches(50).pipe(forward(rig.model), backward(loss), take(2)));
    assert.equal(values.length, 2);
    await rig.clean();
    assert.ok(rig.made < 10, `${rig.made} batches were made`);
  });
});
