import assert from 'node:assert/strict';
import { concatMap, delay, filter, lastValueFrom, map, mergeMap, of, timer } from 'rxjs';
import { Demand } from '../../core/data/demand.ts';
import { MeterSet } from '../../core/meter.ts';
import { metered } from '../../operators/index.ts';
import { itBehavesAsAStage } from './stageContract.ts';
import { tinySource } from './tinySource.ts';

describe('metered', () => {
  itBehavesAsAStage(() =>
    metered(
      'mine',
      map(sample => sample),
    ),
  );

  it('should count what an operator lets through and what it drops, and its work on the main thread @smoke', async () => {
    const demand = new Demand();
    const odd = ({ index }: { index: number }) => {
      for (const until = performance.now() + 0.5; performance.now() < until; );
      return index % 2 === 1;
    };
    await lastValueFrom(tinySource(20, { demand }).pipe(metered('odd', filter(odd))));
    const { itemsIn, itemsOut, dropped, depth, runs, mainMs, busyMs } = demand.meters.stage('odd').snapshot();
    assert.deepEqual([itemsIn, itemsOut, dropped, depth, runs], [20, 10, 10, 0, 'main']);
    assert.ok(mainMs >= 10 && busyMs === mainMs, `${mainMs} ms`);
  });

  it('should take an operator that waits for something as at work while it has anything', async () => {
    const meters = new MeterSet();
    const wait = metered(
      'lookup',
      mergeMap((value: number) => timer(20).pipe(map(() => value)), 2),
      { meters, parallel: 2 },
    );
    meters.clock.hold();
    await lastValueFrom(of(1, 2, 3, 4).pipe(wait));
    const { itemsOut, runs, busyMs, latency, capacityPerSecond } = meters.stage('lookup').snapshot();
    assert.deepEqual([itemsOut, runs, latency.count], [4, 'alone', 4]);
    // four of 20 ms, two at a time
    assert.ok(busyMs >= 75 && capacityPerSecond < 107, `${busyMs} ms, ${capacityPerSecond}/s`);
    assert.ok(latency.maxMs >= 38, 'the last ones waited for the first ones');
  });

  it('should take back that items were dropped when they come out later', async () => {
    const demand = new Demand();
    await lastValueFrom(tinySource(5, { demand }).pipe(metered('late', delay(5))));
    const { itemsIn, itemsOut, dropped } = demand.meters.stage('late');
    assert.deepEqual([itemsIn, itemsOut, dropped], [5, 5, 0]);
  });

  it('should count several that come out of one', async () => {
    const meters = new MeterSet();
    await lastValueFrom(
      of(1, 2).pipe(
        metered(
          'twice',
          concatMap(value => [value, value]),
          { meters },
        ),
      ),
    );
    const { itemsIn, itemsOut, depth } = meters.stage('twice');
    assert.deepEqual([itemsIn, itemsOut, depth], [4, 4, 0]);
  });

  it('should refuse a number that makes no sense, and ask for meters where no sample brings them', async () => {
    assert.throws(() => metered('x', map(String), { parallel: 0 }), {
      message: 'metered("x"): expected parallel to be a whole number, 1 or more, got 0. Change the number.',
    });
    await assert.rejects(
      lastValueFrom(of(1).pipe(metered('x', map(String)))),
      /metered\("x"\): expected samples or batches, which carry meters/,
    );
  });
});
