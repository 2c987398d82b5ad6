import assert from 'node:assert/strict';
import { lastValueFrom, map, Observable, toArray } from 'rxjs';
import { Demand } from '../../core/data/demand.ts';
import type { Batch } from '../../core/data/sample.ts';
import { batch, decode, prefetch } from '../../operators/index.ts';
import { itBehavesAsAStage, settled } from './stageContract.ts';
import { ImmediatePool, StrayPool, tinySource } from './tinySource.ts';

const pool = new ImmediatePool();

/** Takes `ms` for each batch, one after the other or however they come. */
const slowly = (source: Observable<Batch>, ms: number): Observable<{ labels: string; atOnce: number }> =>
  new Observable(subscriber => {
    let inWork = 0;
    return source.subscribe({
      next: each => {
        each.lease.hold();
        const atOnce = ++inWork;
        setTimeout(() => {
          inWork--;
          subscriber.next({ labels: each.labels.join(), atOnce });
          each.lease.release();
          if (inWork === 0 && subscriber.closed) subscriber.complete();
        }, ms);
      },
      error: error => subscriber.error(error),
      complete: () => setTimeout(() => subscriber.complete(), ms + 5),
    });
  });

describe('prefetch', () => {
  itBehavesAsAStage(() => source => source.pipe(batch(4), prefetch(2)));

  it('should hand batches on one at a time, in order @smoke', async () => {
    const out = slowly(tinySource(12).pipe(decode({ pool: new StrayPool() }), batch(2), prefetch(2)), 3);
    assert.deepEqual(
      await lastValueFrom(out.pipe(toArray())),
      ['0,1', '2,3', '4,5', '6,7', '8,9', '10,11'].map(labels => ({ labels, atOnce: 1 })),
    );
  });

  it('should pass batches straight through to a consumer that does not hold them', async () => {
    const demand = new Demand();
    const out = tinySource(7, { demand }).pipe(
      decode({ pool }),
      batch(2),
      prefetch(1),
      map(each => each.labels.join()),
      toArray(),
    );
    assert.deepEqual(await lastValueFrom(out), ['0,1', '2,3', '4,5', '6']);
    assert.equal(demand.inside, 0);
  });

  it('should keep its batches also where another one like it follows', async () => {
    const demand = new Demand();
    const twice = tinySource(12, { demand }).pipe(decode({ pool }), batch(2), prefetch(2), prefetch(2), toArray());
    await lastValueFrom(twice);
    assert.equal(demand.declared['prefetch(2)'], 8);
    assert.equal(demand.inside, 0);
  });

  it('should keep that many batches more inside, and not one sample beyond', async () => {
    const inside = async (batches: number) => {
      const demand = new Demand();
      const got: Batch[] = [];
      const subscription = tinySource(1000, { demand })
        .pipe(decode({ pool }), batch(10), prefetch(batches))
        .subscribe(each => got.push({ ...each, lease: each.lease.hold() }));
      await settled(() => demand.inside);
      const count = demand.inside;
      assert.deepEqual([got.length, count], [1, demand.bound]);
      subscription.unsubscribe();
      assert.equal(demand.inside, 10);
      got[0].lease.release();
      assert.equal(demand.inside, 0);
      return count;
    };
    assert.deepEqual([await inside(1), await inside(4)], [35, 65]);
  });

  it('should tell waiting for batches from waiting for the consumer', async () => {
    const demand = new Demand();
    await lastValueFrom(slowly(tinySource(60, { demand }).pipe(decode({ pool }), batch(4), prefetch(1)), 4));
    const { waitDownstreamMs, waitUpstreamMs, depth, itemsOut } = demand.meters.stage('prefetch').snapshot();
    assert.ok(waitDownstreamMs > 4 * waitUpstreamMs, `${waitDownstreamMs} ms and ${waitUpstreamMs} ms`);
    assert.deepEqual([depth, itemsOut], [0, 60]);
  });

  it('should refuse a number that makes no sense', () => {
    assert.throws(() => prefetch(0), { message: 'prefetch: expected a number of batches, 1 or more, got 0. Change the number.' });
  });
});
