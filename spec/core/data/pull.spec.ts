import assert from 'node:assert/strict';
import { lastValueFrom, merge, take, toArray } from 'rxjs';
import { Demand, type Lease } from '../../../core/data/demand.ts';
import { type Found, pull } from '../../../core/data/pull.ts';
import { until } from '../../dataFixtures.ts';

describe('pull', () => {
  const found = (index: number): Found => ({ key: `${index}`, label: 0, index, picture: { kind: 'file', path: '' } });
  function* many(count: number): Generator<Found> {
    for (let i = 0; i < count; i++) yield found(i);
  }

  it('should read nothing ahead of demand, and take the place before it reads @smoke', async () => {
    const demand = new Demand();
    let read = 0;
    const inside: number[] = [];
    const kept: Lease[] = [];
    const subscription = pull(
      function* () {
        for (;;) {
          inside.push(demand.inside);
          yield found(read++);
        }
      },
      { demand },
    ).subscribe(({ lease }) => kept.push(lease.hold()));
    await until(() => kept.length === 1);
    await new Promise(resolve => setTimeout(resolve, 10));
    assert.equal(read, 1);
    kept[0].release();
    await until(() => kept.length === 2);
    assert.deepEqual(inside, [1, 1]);
    subscription.unsubscribe();
    kept[1].release();
    assert.equal(demand.inside, 0);
  });

  it('should complete on nothing, and give back the place that it took to look', async () => {
    const demand = new Demand();
    assert.deepEqual(await lastValueFrom(pull(() => [], { demand }).pipe(toArray())), []);
    assert.equal(demand.inside, 0);
    assert.equal(demand.peak, 1);
  });

  it('should wait for an iterator that never delivers, and let go of it', async () => {
    const demand = new Demand();
    let stopped = false;
    const never = pull(
      async function* (_pass, signal) {
        await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()));
        stopped = true;
        yield found(0);
      },
      { demand },
    );
    let heard = 0;
    const subscription = never.subscribe({ next: () => heard++, complete: () => heard++, error: () => heard++ });
    await new Promise(resolve => setTimeout(resolve, 5));
    subscription.unsubscribe();
    await until(() => demand.inside === 0);
    assert.ok(stopped);
    assert.equal(heard, 0);
  });

  it('should pass on what the reader throws, once, and give back its place', async () => {
    const demand = new Demand();
    const keys: string[] = [];
    const failing = pull(
      function* () {
        yield found(0);
        throw new Error('disk on fire');
      },
      { demand },
    );
    const failure = await new Promise<Error>(resolve => {
      failing.subscribe({ next: sample => keys.push(sample.key), error: resolve });
    });
    assert.equal(failure.message, 'disk on fire');
    assert.deepEqual(keys, ['0']);
    assert.equal(demand.inside, 0);
  });

  it('should return the iterator when the subscriber leaves, also while it waits for room', async () => {
    for (const leave of ['within next', 'while waiting'] as const) {
      let returned = false;
      const demand = new Demand();
      const source = pull(
        function* () {
          try {
            yield* many(100);
          } finally {
            returned = true;
          }
        },
        { demand },
      );
      if (leave === 'within next') await lastValueFrom(source.pipe(take(2)));
      else {
        const lease = await new Promise<Lease>(resolve => {
          const subscription = source.subscribe(sample => {
            resolve(sample.lease.hold());
            setTimeout(() => subscription.unsubscribe(), 5);
          });
        });
        await until(() => returned);
        assert.equal(demand.inside, 1);
        lease.release();
      }
      await until(() => returned);
      assert.equal(demand.inside, 0, leave);
    }
  });

  it('should bound independent subscribers each by itself', async () => {
    const source = pull(() => many(10));
    const first: Lease[] = [];
    const held = source.subscribe(({ lease }) => first.push(lease.hold()));
    await until(() => first.length === 1);
    assert.equal((await lastValueFrom(source.pipe(toArray()))).length, 10);
    held.unsubscribe();
    for (const lease of first) lease.release();
  });

  it('should keep merged sources under one demand, and starve neither', async () => {
    const demand = new Demand();
    const seen: number[] = [];
    const queue: Lease[] = [];
    const merged = merge(
      pull(() => many(50), { demand }),
      pull(() => many(50), { demand }),
    );
    const done = new Promise<void>(resolve => {
      merged.subscribe({
        next: sample => {
          seen.push(sample.index);
          queue.push(sample.lease.hold());
          setTimeout(() => queue.shift()!.release(), 0);
        },
        complete: resolve,
      });
    });
    await done;
    assert.equal(seen.length, 100);
    assert.equal(demand.peak, 1);
  });

  it('should take its bound for the limit of the demand', async () => {
    const demands: Demand[] = [];
    const subscription = pull(() => many(5), { bound: 3 }).subscribe(({ lease }) => {
      lease.hold();
      demands.push(lease.demand);
    });
    await until(() => demands.length === 1);
    assert.equal(demands[0].limit, 3);
    subscription.unsubscribe();
  });

  it('should cost a few microseconds a sample', async () => {
    const count = 100_000;
    const began = performance.now();
    await lastValueFrom(pull(() => many(count)));
    const each = ((performance.now() - began) / count) * 1000;
    assert.ok(each < 50, `${each} microseconds a sample`);
  });
});
