import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { concatMap, defer, EMPTY, filter, firstValueFrom, NEVER, Observable, Subject, share, take, tap, throwError, toArray } from 'rxjs';
import { Demand } from '../../core/data/demand.ts';
import type { Batch } from '../../core/data/sample.ts';
import type { Pass } from '../../core/training/records.ts';
import { forward } from '../../operators/forward.ts';
import { fakeBatch } from '../trainingFixtures.ts';
import { record, useTraining } from './trainingRig.ts';

describe('forward', () => {
  const training = useTraining();

  it('should do nothing for never, and complete for empty', async () => {
    const { model } = training.rig();
    let ended = false;
    const subscription = NEVER.pipe(forward(model)).subscribe({ complete: () => (ended = true), error: () => (ended = true) });
    await turn();
    subscription.unsubscribe();
    assert.equal(ended, false);
    assert.deepEqual(await record(EMPTY.pipe(forward(model))), { values: [], end: 'complete', errors: 0 });
  });

  it('should pass one batch on, without its pixels, with its logits to be read while it is held', async () => {
    const rig = training.rig();
    const passes: Pass[] = [];
    const logits = await firstValueFrom(
      rig.batches(1).pipe(
        forward(rig.model),
        concatMap(async pass => {
          passes.push(pass);
          pass.lease.hold();
          const values = await pass.logits();
          pass.lease.release();
          return values;
        }),
        toArray(),
      ),
    );
    const [pass] = passes;
    assert.deepEqual([pass!.mode, pass!.batch.count, pass!.batch.index, pass!.model === rig.model], ['train', 8, 0, true]);
    assert.ok(!('cells' in pass!.batch) && !('lease' in pass!.batch));
    assert.equal(logits[0]!.length, 80);
    assert.ok(logits[0]!.every(Number.isFinite));
  });

  it('should keep the order of many, one pass at a time, and hold no more than it declares', async () => {
    const rig = training.rig();
    let alive = 0;
    const order: number[] = [];
    const { end } = await record(
      rig.batches(6).pipe(
        forward(rig.model),
        // as backward does: holds the pass across time
        tap(pass => {
          pass.lease.hold();
          assert.equal(++alive, 1);
          order.push(pass.batch.index);
          setImmediate(() => {
            alive--;
            pass.lease.release();
          });
        }),
      ),
    );
    assert.equal(end, 'complete');
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
    // what forward declares, and the batch that enters
    assert.equal(rig.demand.bound, 9);
    assert.ok(rig.demand.peak <= 16, `${rig.demand.peak} samples were inside`);
  });

  it('should stop asking when its consumer never gives a pass back', async () => {
    const rig = training.rig();
    const held: Pass[] = [];
    const subscription = rig
      .batches(1000)
      .pipe(forward(rig.model))
      .subscribe(pass => {
        pass.lease.hold();
        held.push(pass);
      });
    while (held.length === 0) await turn();
    for (let i = 0; i < 50; i++) await turn();
    assert.equal(held.length, 1);
    // the pass has freed its batch; the next waits, and another has entered at most
    assert.ok(rig.made <= 3, `${rig.made} batches were made`);
    assert.ok(rig.demand.inside <= 16, `${rig.demand.inside} samples are inside`);
    subscription.unsubscribe();
    held[0]!.lease.release();
  });

  it('should free the batch as soon as its pixels are on the device', async () => {
    const rig = training.rig();
    await record(
      rig.batches(2).pipe(
        forward(rig.model),
        tap(({ batch }) => {
          if (batch.index === 1) assert.equal(rig.demand.inside, 0);
        }),
      ),
    );
  });

  it('should pass the error of its source on, and free what waited', async () => {
    const rig = training.rig();
    const broken = new Error('the source broke');
    const source = new Observable<Batch>(subscriber => {
      for (let index = 0; index < 3; index++) {
        const batch = fakeBatch({ demand: rig.demand, index });
        subscriber.next(batch);
        batch.lease.release();
      }
      subscriber.error(broken);
    });
    assert.deepEqual(await record(source.pipe(forward(rig.model))), { values: [], end: 'error', error: broken, errors: 1 });
    assert.deepEqual((await record(throwError(() => broken).pipe(forward(rig.model)))).error, broken);
  });

  it('should tell an image of the wrong size once, and begin no other pass', async () => {
    const rig = training.rig();
    const { values, error, errors } = await record(rig.batches(5, { size: [8, 7, 3] }).pipe(forward(rig.model)));
    assert.deepEqual([values.length, errors], [0, 1]);
    assert.match(String(error), /^MillraceError: forward: expected images of \[8,8,3\]/);
  });

  it('should free everything when left early, waiting for the lock or at work', async () => {
    const rig = training.rig();
    const unlock = await rig.model.lock.acquire();
    const waiting = rig.batches(5).pipe(forward(rig.model)).subscribe();
    for (let i = 0; i < 5; i++) await turn();
    assert.ok(rig.demand.inside > 0);
    waiting.unsubscribe();
    unlock();
    await rig.clean();

    const source = new Subject<Batch>();
    let passes = 0;
    const working = source.pipe(forward(rig.model)).subscribe(() => passes++);
    for (let index = 0; index < 2; index++) {
      const batch = fakeBatch({ demand: rig.demand, index });
      source.next(batch);
      batch.lease.release();
    }
    await Promise.resolve();
    working.unsubscribe();
    await rig.clean();
    assert.deepEqual([passes, source.observed], [0, false]);
  });

  it('should take operators of RxJS around it: filter, take, share', async () => {
    const rig = training.rig();
    const shared = rig.batches(10).pipe(
      filter(({ index }) => index % 2 === 1),
      forward(rig.model),
      share(),
    );
    const [first, second] = await Promise.all([record(shared.pipe(take(2))), record(shared.pipe(take(3)))]);
    assert.deepEqual(
      [first, second].map(({ values }) => values.map(({ batch }) => batch.index)),
      [
        [1, 3],
        [1, 3, 5],
      ],
    );
  });

  it('should take partial batches when evaluating, and refuse them when training', async () => {
    const rig = training.rig();
    const { values } = await record(
      rig.batches(1, { count: 3 }).pipe(
        forward(rig.model, { mode: 'evaluate' }),
        concatMap(async pass => {
          pass.lease.hold();
          const { length } = await pass.logits();
          pass.lease.release();
          return length;
        }),
      ),
    );
    assert.deepEqual(values, [30]);
    const { error } = await record(rig.batches(1, { count: 3 }).pipe(forward(rig.model)));
    assert.match(String(error), /forward: expected batches of 8, for which the model is compiled, got one of 3\. Use batch\(8/);
  });

  it('should make too small a bound an error of the stream', async () => {
    const rig = training.rig();
    const demand = new Demand(undefined, 8);
    const source = defer(() => [fakeBatch({ demand })]).pipe(tap(batch => queueMicrotask(() => batch.lease.release())));
    const { error } = await record(source.pipe(forward(rig.model)));
    assert.match(String(error), /forward: expected a pipeline that keeps at most 8 samples, got stages that need 9 \(forward 8\)/);
    assert.equal(demand.inside, 0);
  });

  it('should say on its meter what went through', async () => {
    const rig = training.rig();
    await record(rig.batches(4).pipe(forward(rig.model)));
    const meter = rig.demand.meters.stage('forward');
    assert.deepEqual([meter.itemsIn, meter.itemsOut, meter.depth, meter.bound], [32, 32, 0, rig.demand.bound]);
    assert.ok(meter.busyMs > 0 && meter.peakDepth >= 8);
  });
});
