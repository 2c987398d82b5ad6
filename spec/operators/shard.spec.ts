import assert from 'node:assert/strict';
import { filter, lastValueFrom, map, take, toArray } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { Demand } from '../../core/data/demand.ts';
import type { PipelineState } from '../../core/data/pipelineState.ts';
import { type Found, pull } from '../../core/data/pull.ts';
import type { Sample, SourceOptions } from '../../core/data/sample.ts';
import { hash } from '../../core/random.ts';
import { batch, decode, epochs, pixels, type ShardOptions, shard, shuffle } from '../../operators/index.ts';
import { admitted, until } from '../dataFixtures.ts';
import { flat, ImmediatePool } from './tinySource.ts';

describe('shard', () => {
  const marbles = (body: Parameters<TestScheduler['run']>[0]) =>
    new TestScheduler((actual, expected) => assert.deepEqual(actual, expected)).run(body);
  const keyOf = map((sample: Sample) => sample.key);
  const numbers = (count: number, options: SourceOptions = {}) =>
    pull(() => Array.from({ length: count }, (_, index): Found => ({ key: `${index}`, label: 0, index, picture: flat(index) })), options);
  const drop: ShardOptions = { uneven: 'drop' };

  it('should take every one of so many, and give those that go without the last one again @smoke', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('             --a--b--c--d--e--|   ');
      const subs = '                    ^----------------!   ';
      expectObservable(admitted(source).pipe(shard(0, 2), keyOf)).toBe('--a-----c-----e--|');
      expectObservable(admitted(source).pipe(shard(1, 2), keyOf)).toBe('-----b-----d-----(e|)');
      expectSubscriptions(source.subscriptions).toBe([subs, subs]);
    });
  });

  it('should leave out a last round that is not full where it is told to', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('                                  --a--b--c--d--e--|');
      expectObservable(admitted(source).pipe(shard(0, 2, drop), keyOf)).toBe('-----a-----c-----|');
      expectObservable(admitted(source).pipe(shard(1, 2, drop), keyOf)).toBe('-----b-----d-----|');
    });
  });

  it('should never emit on a source that never does, and complete on an empty one', () => {
    marbles(({ cold, expectObservable }) => {
      for (const options of [{}, drop]) {
        expectObservable(admitted(cold('-')).pipe(shard(0, 2, options), keyOf)).toBe('-');
        expectObservable(admitted(cold('--|')).pipe(shard(1, 2, options), keyOf)).toBe('--|');
      }
      expectObservable(admitted(cold('-a|')).pipe(shard(2, 3), keyOf)).toBe('--(a|)');
      expectObservable(admitted(cold('-a|')).pipe(shard(0, 3, drop), keyOf)).toBe('--|');
    });
  });

  it('should pass an error on and give back what it holds, as when the subscriber leaves', () => {
    const demand = new Demand();
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      expectObservable(admitted(cold('-a-#'), demand).pipe(shard(1, 2), keyOf)).toBe('---#');
      const source = cold('-a-b-c-|');
      expectObservable(admitted(source, demand).pipe(shard(1, 2), keyOf), '------!').toBe('---b--');
      expectSubscriptions(source.subscriptions).toBe('^-----!');
    });
    assert.equal(demand.inside, 0);
  });

  it('should hold no more than one with 100,000 samples and a consumer that never asks, and leave nothing', async () => {
    const demand = new Demand();
    const kept: Sample[] = [];
    const subscription = numbers(100_000, { demand })
      .pipe(shard(2, 3))
      .subscribe(sample => {
        demand.declare('keeper', 4);
        sample.lease.hold();
        kept.push(sample);
      });
    await until(() => demand.inside === 6);
    await new Promise(resolve => setTimeout(resolve, 20));
    assert.equal(demand.peak, 6);
    subscription.unsubscribe();
    for (const { lease } of kept) lease.release();
    await until(() => demand.inside === 0);
  });

  /** What each rank gets of two epochs, shuffled and filtered. */
  const parts = (count: number, world: number, seed: number, buffer: number, options: ShardOptions) =>
    Promise.all(
      Array.from(Array(world).keys(), rank =>
        lastValueFrom(
          numbers(count).pipe(
            filter(({ index }) => index % 7 !== 3),
            epochs(2, { seed }),
            shuffle({ buffer }),
            shard(rank, world, options),
            toArray(),
          ),
        ),
      ),
    );
  const inTurn = (samples: readonly (readonly Sample[])[], epoch: number) => {
    const ranks = samples.map(each => each.filter(sample => sample.epoch === epoch).map(({ index }) => index));
    return ranks[0].flatMap((_, i) => ranks.map(rank => rank[i]));
  };

  it('should split any epoch into parts that are disjoint, complete and equal, in an order that the number of ranks does not change', async () => {
    for (let n = 0; n < 40; n++) {
      const [count, world, buffer] = [hash(n, 1) % 30, 1 + (hash(n, 2) % 6), 1 + (hash(n, 3) % 20)];
      const told = `${count} samples, ${world} ranks, buffer ${buffer}`;
      const [all] = await parts(count, 1, n, buffer, {});
      const padded = await parts(count, world, n, buffer, {});
      const dropped = await parts(count, world, n, buffer, drop);
      for (const epoch of [0, 1]) {
        const order = all.filter(each => each.epoch === epoch).map(({ index }) => index);
        const whole = Math.floor(order.length / world) * world;
        const repeats = order.length === whole ? 0 : whole + world - order.length;
        assert.deepEqual(inTurn(padded, epoch), [...order, ...Array(repeats).fill(order.at(-1))], told);
        assert.deepEqual(inTurn(dropped, epoch), order.slice(0, whole), told);
        for (const ranks of [padded, dropped]) {
          assert.equal(new Set(ranks.map(rank => rank.filter(each => each.epoch === epoch).length)).size, 1, told);
        }
      }
    }
  });

  it('should let each step of all ranks see what one rank sees in a larger batch', async () => {
    const pool = new ImmediatePool();
    const steps = (rank: number, world: number) =>
      lastValueFrom(
        numbers(50, { seed: 6 }).pipe(
          shuffle({ buffer: 20 }),
          shard(rank, world, drop),
          decode({ pool, channels: 1 }),
          batch(12 / world, { dropLast: true }),
          map(({ keys }) => keys),
          toArray(),
        ),
      );
    const alone = await steps(0, 1);
    assert.equal(alone.length, 4);
    for (const world of [2, 3, 4]) {
      const ranks = await Promise.all(Array.from(Array(world).keys(), rank => steps(rank, world)));
      const together = ranks[0].map((keys, step) => keys.flatMap((_, i) => ranks.map(rank => rank[step][i])));
      assert.deepEqual(together, alone.slice(0, together.length));
    }
  });

  it('should go on behind any sample of a rank, also with another number of ranks', async () => {
    const pool = new ImmediatePool();
    const rest = (rank: number, world: number, options: ShardOptions, from?: PipelineState) =>
      lastValueFrom(
        numbers(23).pipe(
          epochs(2 - (from?.epoch ?? 0), { seed: 8, from }),
          shuffle({ buffer: 6 }),
          shard(rank, world, options),
          decode({ pool, channels: 1 }),
          pixels(),
          map(({ key, epoch, state }) => ({ key, epoch, state })),
          toArray(),
        ),
        { defaultValue: [] },
      );
    for (const options of [{}, drop]) {
      for (const [rank, world] of [
        [0, 1],
        [0, 3],
        [1, 3],
        [2, 3],
        [4, 5],
      ] as const) {
        const whole = await rest(rank, world, options);
        for (let k = 0; k < whole.length; k++) {
          assert.deepEqual(await rest(rank, world, options, whole[k].state), whole.slice(k + 1), `rank ${rank} of ${world} behind ${k}`);
        }
      }
    }
    const [two, all] = [await rest(1, 2, {}), await rest(0, 1, {})];
    const wide = await Promise.all([0, 1, 2].map(rank => rest(rank, 3, {}, two[3].state)));
    const together = wide[0].slice(0, 5).flatMap((_, i) => [0, 1, 2].map(rank => wide[(rank + 8) % 3][i]?.key));
    assert.deepEqual(
      together,
      all.slice(8, 8 + together.length).map(({ key }) => key),
    );
  });

  it('should refuse ranks that make no sense', async () => {
    assert.throws(() => shard(0, 0), { message: 'shard: expected a number of ranks, 1 or more, got 0. Say how many there are.' });
    assert.throws(() => shard(2, 2), { message: 'shard: expected a rank from 0 to 1, got 2. Number the ranks from 0.' });
    assert.equal((await lastValueFrom(numbers(5).pipe(shard(0, 1), take(9), toArray()))).length, 5);
  });
});
