import assert from 'node:assert/strict';
import { lastValueFrom, map, take, toArray } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { Demand } from '../../core/data/demand.ts';
import { type Found, pull } from '../../core/data/pull.ts';
import type { Sample, SourceOptions } from '../../core/data/sample.ts';
import { epochs, shuffle } from '../../operators/index.ts';
import { admitted, until } from '../dataFixtures.ts';

describe('shuffle', () => {
  const marbles = (body: Parameters<TestScheduler['run']>[0]) =>
    new TestScheduler((actual, expected) => assert.deepEqual(actual, expected)).run(body);
  const numbers = (count: number, options: SourceOptions = {}) =>
    pull(
      () => Array.from({ length: count }, (_, index): Found => ({ key: `${index}`, label: 0, index, picture: { kind: 'file', path: '' } })),
      options,
    );
  const order = async (count: number, buffer: number, options: SourceOptions) =>
    (await lastValueFrom(numbers(count, options).pipe(shuffle({ buffer }), toArray()))).map(sample => sample.index);
  const keyOf = map((sample: Sample) => sample.key);

  it('should keep as many as the buffer takes, then give one for each that comes, and drain at the end @smoke', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--a--b--c--d|    ');
      const subs = '       ^-----------!    ';
      const expected = '   --------a--b(dc|)';
      expectObservable(admitted(source).pipe(shuffle({ buffer: 2 }), keyOf)).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subs);
    });
  });

  it('should drain the old epoch before the first of the new one, one for each that comes', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('a-b-c-A-B-C-|     ');
      const expected = '   ------O-O-O-(NNN|)';
      const epoch = (letter: string) => (letter < 'a' ? 1 : 0);
      const samples = admitted(source, new Demand(), { epoch }).pipe(shuffle({ buffer: 3 }));
      expectObservable(samples.pipe(map(sample => (sample.epoch === 1 ? 'N' : 'O')))).toBe(expected);
    });
  });

  it('should never emit on a source that never does, and complete on an empty one', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(admitted(cold('-')).pipe(shuffle({ buffer: 2 }), keyOf)).toBe('-');
      expectObservable(admitted(cold('--|')).pipe(shuffle({ buffer: 2 }), keyOf)).toBe('--|');
      expectObservable(admitted(cold('-a|')).pipe(shuffle({ buffer: 2 }), keyOf)).toBe('--(a|)');
    });
  });

  it('should give back what it keeps on an error, and emit none of it', () => {
    const demand = new Demand();
    marbles(({ cold, expectObservable }) => {
      expectObservable(admitted(cold('-a-b-#'), demand).pipe(shuffle({ buffer: 3 }), keyOf)).toBe('-----#');
    });
    assert.equal(demand.inside, 0);
    assert.equal(demand.meters.stage('shuffle').depth, 0);
  });

  it('should give back what it keeps when the subscriber leaves', () => {
    const demand = new Demand();
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('   -a-b-c-d|');
      expectObservable(admitted(source, demand).pipe(shuffle({ buffer: 3 }), keyOf), '----!').toBe('----');
      expectSubscriptions(source.subscriptions).toBe('                        ^---!');
    });
    assert.equal(demand.inside, 0);
  });

  it('should give back everything when the subscriber leaves within an emission', async () => {
    const demand = new Demand();
    await lastValueFrom(numbers(50, { demand }).pipe(shuffle({ buffer: 10 }), take(3)));
    await until(() => demand.inside === 0);
    assert.equal(demand.meters.stage('shuffle').depth, 0);
  });

  it('should deliver every sample once, in an order that seed and epoch alone decide @smoke', async () => {
    const first = await order(200, 50, { seed: 1 });
    assert.deepEqual(
      [...first].sort((a, b) => a - b),
      Array.from({ length: 200 }, (_, i) => i),
    );
    assert.deepEqual(await order(200, 50, { seed: 1 }), first);
    assert.notDeepEqual(await order(200, 50, { seed: 2 }), first);
    assert.notDeepEqual(await order(200, 50, { seed: 1, epoch: 1 }), first);
  });

  it('should shuffle well when the buffer holds an epoch', async () => {
    // Mean distance from the old place is n/3 for a random permutation.
    const places = await order(3000, 3000, { seed: 4 });
    const moved = places.reduce((sum, index, place) => sum + Math.abs(index - place), 0) / places.length;
    assert.ok(Math.abs(moved - 1000) < 50, `moved ${moved}`);
  });

  it('should give each epoch the same order, whatever comes before and after it', async () => {
    for (const buffer of [1, 7, 20, 33, 100]) {
      const epoch1 = await order(20, buffer, { seed: 3, epoch: 1 });
      const all = await lastValueFrom(numbers(20).pipe(epochs(4, { seed: 3 }), shuffle({ buffer }), toArray()));
      assert.deepEqual(
        all.map(sample => sample.epoch),
        all.map((_, i) => Math.floor(i / 20)),
        `epochs mix with a buffer of ${buffer}`,
      );
      assert.deepEqual(
        all.slice(20, 40).map(sample => sample.index),
        epoch1,
        `buffer ${buffer}`,
      );
    }
  });

  it('should hold its bound with 100,000 samples and a consumer that never asks', async () => {
    const demand = new Demand();
    const kept: Sample[] = [];
    const subscription = numbers(100_000, { demand })
      .pipe(epochs(2), shuffle({ buffer: 30 }))
      .subscribe(sample => {
        demand.declare('keeper', 5);
        sample.lease.hold();
        kept.push(sample);
      });
    await until(() => demand.inside === 36);
    await new Promise(resolve => setTimeout(resolve, 20));
    const meter = demand.meters.stage('shuffle');
    assert.equal(kept.length, 6);
    assert.equal(demand.peak, 36);
    assert.equal(meter.peakDepth, 30);
    assert.equal(meter.bound, 30);
    subscription.unsubscribe();
    for (const { lease } of kept) lease.release();
    await until(() => demand.inside === 0);
  });

  it('should drain no faster than downstream has room', async () => {
    const demand = new Demand();
    const kept: Sample[] = [];
    let completed = false;
    numbers(40, { demand })
      .pipe(shuffle({ buffer: 100 }))
      .subscribe({
        next: sample => {
          demand.declare('keeper', 5);
          sample.lease.hold();
          kept.push(sample);
        },
        complete: () => {
          completed = true;
        },
      });
    await until(() => kept.length >= 6);
    await new Promise(resolve => setTimeout(resolve, 20));
    assert.equal(kept.length, 6, 'the five that it declared, and one on its way');
    for (let i = 0; i < 40; i++) {
      await until(() => kept.length > i);
      assert.ok(kept.length - i <= 6);
      kept[i].lease.release();
    }
    await until(() => completed);
    assert.equal(demand.inside, 0);
  });

  it('should stop draining when the subscriber leaves', async () => {
    const demand = new Demand();
    const kept: Sample[] = [];
    const subscription = numbers(40, { demand })
      .pipe(shuffle({ buffer: 100 }))
      .subscribe(sample => {
        sample.lease.hold();
        kept.push(sample);
      });
    await until(() => kept.length === 1);
    subscription.unsubscribe();
    for (const { lease } of kept) lease.release();
    await new Promise(resolve => setTimeout(resolve, 5));
    assert.equal(kept.length, 1);
    assert.equal(demand.inside, 0);
  });

  it("should fail at once when the source's bound is smaller than the buffer", async () => {
    await assert.rejects(lastValueFrom(numbers(40, { bound: 10 }).pipe(shuffle({ buffer: 20 }))), {
      message:
        "shuffle: expected a pipeline that keeps at most 10 samples, got stages that need 21 (shuffle 20). Raise the source's bound to at least 21, or make the stages smaller.",
    });
  });

  it('should refuse a buffer that holds nothing', () => {
    for (const buffer of [0, -1, 2.5, Number.NaN]) {
      assert.throws(() => shuffle({ buffer }), {
        message: new RegExp(`^shuffle: expected a buffer of at least 1 sample, got ${buffer}\\.`),
      });
    }
  });

  it('should not stall before another one, each with a buffer of its own @smoke', async () => {
    for (const [one, other] of [
      [20, 3],
      [3, 20],
      [5, 5],
    ]) {
      const demand = new Demand();
      const all = numbers(50, { demand }).pipe(shuffle({ buffer: one }), shuffle({ buffer: other }), toArray());
      const places = (await lastValueFrom(all)).map(sample => sample.index);
      assert.deepEqual(
        places.toSorted((a, b) => a - b),
        Array.from({ length: 50 }, (_, i) => i),
      );
      assert.ok(demand.peak <= one + other + 1, `${demand.peak} of ${one} + ${other}`);
      assert.equal(demand.inside, 0);
    }
  });

  it('should not go on inside an epoch from a state of two of them', async () => {
    const twice = (source: ReturnType<typeof numbers>) => source.pipe(shuffle({ buffer: 4 }), shuffle({ buffer: 4 }));
    const state = await lastValueFrom(twice(numbers(20)).pipe(take(7)));
    await assert.rejects(lastValueFrom(twice(numbers(20, { from: state }))), {
      message:
        'from: expected a state from behind at most one shuffle, got one from behind several. ' +
        'Go on at the beginning of an epoch (from: { seed, epoch, position: -1 }), or shuffle once, with a larger buffer.',
    });
  });

  it('should state no more places when it is subscribed to again, epoch after epoch', async () => {
    const demand = new Demand();
    await lastValueFrom(numbers(20, { demand }).pipe(shuffle({ buffer: 4 }), epochs(3), toArray()));
    const claim = demand.claim('shuffle');
    claim.declare(4);
    assert.equal(demand.bound, 5);
  });
});
