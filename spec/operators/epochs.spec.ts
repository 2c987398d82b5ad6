import assert from 'node:assert/strict';
import { filter, lastValueFrom, map, type Observable, of, take, toArray } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { Demand, type Lease } from '../../core/data/demand.ts';
import { type Found, pull } from '../../core/data/pull.ts';
import type { Sample } from '../../core/data/sample.ts';
import { epochs } from '../../operators/index.ts';
import { admitted, until } from '../dataFixtures.ts';

describe('epochs', () => {
  const marbles = (body: Parameters<TestScheduler['run']>[0]) =>
    new TestScheduler((actual, expected) => assert.deepEqual(actual, expected)).run(body);
  /** Epoch 0 in lower case, epoch 1 in upper case. */
  const letters = (samples: Observable<Sample>) =>
    samples.pipe(map(sample => (sample.epoch === 1 ? sample.key.toUpperCase() : sample.key)));
  const found = (count: number): Found[] =>
    Array.from({ length: count }, (_, index) => ({ key: `${index}`, label: 0, index, picture: { kind: 'file', path: '' } }));

  it('should go through the source once per epoch, and stamp each sample @smoke', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('      --a--b|     ');
      const subs = ['            ^-----!     ', '------^-----!'];
      const expected = '         --a--b--A--B|';
      expectObservable(letters(admitted(source).pipe(epochs(2, { seed: 5 })))).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subs);
    });
  });

  it('should number from where it is told and stamp the seed', async () => {
    const samples = await lastValueFrom(pull(() => found(2)).pipe(epochs(2, { seed: 5, from: 7 }), toArray()));
    assert.deepEqual(
      samples.map(({ key, epoch, seed }) => [key, epoch, seed]),
      [
        ['0', 7, 5],
        ['1', 7, 5],
        ['0', 8, 5],
        ['1', 8, 5],
      ],
    );
  });

  it('should never end on a source that never does', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-');
      expectObservable(letters(admitted(source).pipe(epochs(2)))).toBe('-');
      expectSubscriptions(source.subscriptions).toBe('^');
    });
  });

  it('should complete on an empty source, after as many epochs', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('---|');
      expectObservable(letters(admitted(source).pipe(epochs(2)))).toBe('------|');
      expectSubscriptions(source.subscriptions).toBe(['^--!', '---^--!']);
    });
  });

  it('should complete at once for no epochs, without subscribing', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-a|');
      expectObservable(letters(admitted(source).pipe(epochs(0)))).toBe('|');
      expectSubscriptions(source.subscriptions).toBe([]);
    });
  });

  it('should pass an error on and start no further epoch', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-a-#');
      expectObservable(letters(admitted(source).pipe(epochs(3)))).toBe('-a-#');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  it('should unsubscribe in the middle of an epoch', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('  -a-b|     ');
      const unsubscribed = ' ------!   ';
      const expected = '     -a-b-A-   ';
      expectObservable(letters(admitted(source).pipe(epochs(3))), unsubscribed).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(['^---!', '----^-!']);
    });
  });

  it('should go round for ever with Infinity, also on a synchronous source, until someone has enough', async () => {
    const samples = await lastValueFrom(admitted(of('a', 'b')).pipe(epochs(Number.POSITIVE_INFINITY), take(5), toArray()));
    assert.deepEqual(
      samples.map(({ key, epoch }) => `${key}${epoch}`),
      ['a0', 'b0', 'a1', 'b1', 'a2'],
    );
    let many = 0;
    await lastValueFrom(
      admitted(of('a')).pipe(
        epochs(20_000),
        map(() => many++),
      ),
    );
    assert.equal(many, 20_000, 'no recursion');
  });

  it('should refuse to go round for ever without a sample', async () => {
    const nothing = admitted(of('a')).pipe(
      filter(() => false),
      epochs(Number.POSITIVE_INFINITY),
    );
    await assert.rejects(lastValueFrom(nothing), {
      message:
        'epochs(Infinity): expected at least one sample an epoch, got none in epoch 0. Check the data and the filters before epochs.',
    });
  });

  it('should refuse a count that is none', () => {
    for (const count of [-1, 1.5, Number.NaN]) {
      assert.throws(() => epochs(count), {
        message: `epochs: expected a count from 0, or Infinity, got ${count}. Say how many times to go through the data.`,
      });
    }
  });

  it('should hold the bound across epochs, through operators in between, with a consumer that never asks', async () => {
    const kept: Sample[] = [];
    const subscription = pull(() => found(10))
      .pipe(
        filter(({ index }) => index % 2 === 0),
        epochs(20_000),
      )
      .subscribe(sample => {
        sample.lease.demand.declare('keeper', 7);
        sample.lease.hold();
        kept.push(sample);
      });
    await until(() => kept.length === 8);
    await new Promise(resolve => setTimeout(resolve, 20));
    const { demand } = kept[0].lease;
    assert.equal(kept.length, 8);
    assert.deepEqual(
      kept.map(({ epoch }) => epoch),
      [0, 0, 0, 0, 0, 1, 1, 1],
      'the next epoch starts while samples of the last are inside',
    );
    assert.ok(
      kept.every(({ lease }) => lease.demand === demand),
      'one demand for all epochs',
    );
    assert.equal(demand.peak, 8);
    subscription.unsubscribe();
    for (const { lease } of kept) lease.release();
    await new Promise(resolve => setTimeout(resolve, 5));
    assert.equal(demand.inside, 0);
    assert.equal(kept.length, 8);
  });

  it('should give each subscriber a demand of its own', async () => {
    const source = pull(() => found(3)).pipe(epochs(2));
    const demands = async () => new Set((await lastValueFrom(source.pipe(toArray()))).map(({ lease }) => lease.demand));
    const [first, second] = [await demands(), await demands()];
    assert.equal(first.size, 1);
    assert.equal(second.size, 1);
    assert.notEqual([...first][0], [...second][0]);
  });

  it("should keep to the source's own bound and demand", async () => {
    const demand = new Demand();
    const leases = new Set<Lease['demand']>();
    await lastValueFrom(
      pull(() => found(3), { demand }).pipe(
        epochs(3),
        map(({ lease }) => leases.add(lease.demand)),
      ),
    );
    assert.deepEqual([...leases], [demand]);
    assert.equal(demand.inside, 0);
    assert.equal(demand.meters.stage('source').itemsOut, 9);
  });

  it('should leave a source alone that is subscribed to outside of it', async () => {
    const source = pull(() => found(1), { seed: 9, epoch: 4 });
    await lastValueFrom(source.pipe(epochs(1, { seed: 5 })));
    const sample = await lastValueFrom(source);
    assert.deepEqual([sample.epoch, sample.seed], [4, 9]);
  });
});
