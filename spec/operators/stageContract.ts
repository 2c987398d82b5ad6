import assert from 'node:assert/strict';
import { ignoreElements, Observable, type OperatorFunction, type Subscription } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { Demand } from '../../core/data/demand.ts';
import type { Sample, SharedLease } from '../../core/data/sample.ts';
import { SlotPool } from '../../core/data/slots.ts';
import { decode } from '../../operators/index.ts';
import { broken, ImmediatePool, StrayPool, sampleOf, tinySource } from './tinySource.ts';

export function marbles(body: Parameters<TestScheduler['run']>[0]): void {
  new TestScheduler((actual, expected) => assert.deepEqual(actual, expected)).run(body);
}

/** What a source does around `next`: its hold on the lease ends when everybody downstream has seen the sample. */
export const asSource = (samples: Observable<Sample>): Observable<Sample> =>
  new Observable(subscriber =>
    samples.subscribe({
      next(sample) {
        subscriber.next(sample);
        sample.lease.release();
      },
      error: error => subscriber.error(error),
      complete: () => subscriber.complete(),
    }),
  );

/** Samples by letter: a is 0, b is 1, ...; a capital letter is a sample with a broken picture. */
export function letters(demand: Demand, options: Parameters<typeof sampleOf>[2] = {}): Record<string, Sample> {
  const all: Record<string, Sample> = {};
  for (const [i, letter] of [...'abcdefghij'].entries()) {
    all[letter] = sampleOf(i, demand, options);
    all[letter.toUpperCase()] = sampleOf(i, demand, { ...options, picture: broken });
  }
  return all;
}

interface Leased {
  readonly lease: Pick<SharedLease, 'release'> & { hold(): unknown };
}

/** The list that every stage on the way from decoded samples answers. `build` is what follows `decode`. */
export function itBehavesAsAStage(build: () => OperatorFunction<Sample, Leased>): void {
  const pool = new ImmediatePool();

  it('should never emit from never', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold<Sample>('-');
      expectObservable(source.pipe(decode({ pool }), build())).toBe('-');
      expectSubscriptions(source.subscriptions).toBe('^');
    });
  });

  it('should complete from empty', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold<Sample>('---|');
      expectObservable(source.pipe(decode({ pool }), build())).toBe('---|');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  it('should pass an error on, once and at once, and give back what it holds', () => {
    const demand = new Demand();
    const samples = letters(demand);
    const before = demand.inside;
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold<Sample>('--a--#', samples);
      const out = asSource(source).pipe(decode({ pool }), build());
      expectObservable(out.pipe(ignoreElements())).toBe('-----#');
      expectSubscriptions(source.subscriptions).toBe('^----!');
    });
    assert.equal(demand.inside, before - 1);
  });

  it('should unsubscribe from its source as soon as it is left', () => {
    const demand = new Demand();
    const samples = letters(demand);
    const before = demand.inside;
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold<Sample>('--a--b--c--d--e--|', samples);
      const out = asSource(source).pipe(decode({ pool }), build());
      expectObservable(out.pipe(ignoreElements()), '^--!').toBe('----');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
    assert.equal(demand.inside, before - 1);
  });

  it('should hold its bound with 100,000 samples and a consumer that stops asking, then leave nothing @smoke', async () => {
    const demand = new Demand();
    const slots = new SlotPool();
    const kept: Leased[] = [];
    const out = tinySource(100_000, { demand }).pipe(decode({ pool: new StrayPool(), slots }), build());
    const subscription = out.subscribe(each => {
      each.lease.hold();
      kept.push(each);
    });
    await settled(() => demand.inside);
    assert.ok(kept.length > 0, 'something came out');
    assert.ok(demand.peak <= demand.bound && demand.inside <= demand.bound, `${demand.peak} inside of ${demand.bound}`);
    assert.ok(demand.bound < 200);
    assert.ok(slots.cells <= demand.bound);
    subscription.unsubscribe();
    for (const each of kept) each.lease.release();
    assert.equal(demand.inside, 0);
    assert.equal(slots.inUse, 0);
  });

  it('should give everything back when it is left with work in the pool', async () => {
    const demand = new Demand();
    const slots = new SlotPool();
    const stuck = new StrayPool(true);
    const subscription: Subscription = tinySource(1000, { demand })
      .pipe(decode({ pool: stuck, slots }), build())
      .subscribe();
    await settled(() => demand.inside);
    subscription.unsubscribe();
    await settled(() => demand.inside);
    assert.deepEqual([demand.inside, slots.inUse, stuck.pending], [0, 0, 0]);
  });
}

/** Waits until a number has not changed for 25 ms. */
export async function settled(read: () => number): Promise<void> {
  let before = -1;
  for (let same = 0; same < 5; ) {
    await new Promise(resolve => setTimeout(resolve, 5));
    same = read() === before ? same + 1 : 0;
    before = read();
  }
}
