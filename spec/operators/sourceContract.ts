import assert from 'node:assert/strict';
import { lastValueFrom, type Observable, take, toArray } from 'rxjs';
import type { Lease } from '../../core/data/demand.ts';
import { Demand } from '../../core/data/demand.ts';
import type { Sample, SourceOptions } from '../../core/data/sample.ts';
import { MeterSet } from '../../core/meter.ts';
import { openFilesBelow, until } from '../dataFixtures.ts';

/** What every source must do, whatever it reads. `make` builds one over about `count` samples in the folder of the test. */
export function itBehavesAsASource(
  make: (count: number, options: SourceOptions) => Promise<Observable<Sample>>,
  folder: () => string,
): void {
  const closed = () => until(async () => ((await openFilesBelow(folder())) ?? []).length === 0);

  it('should read nothing and take no place before it is subscribed to', async () => {
    const demand = new Demand();
    await make(3, { demand });
    await closed();
    assert.equal(demand.inside, 0);
  });

  it('should deliver one sample at a time, all of them, and leave nothing inside', async () => {
    const demand = new Demand();
    const source = await make(6, { demand, seed: 3, epoch: 2 });
    let emitted = false;
    const all = lastValueFrom(source.pipe(toArray()));
    source.pipe(take(1)).subscribe(() => {
      emitted = true;
    });
    assert.equal(emitted, false, 'emitted while being subscribed to');
    const samples = await all;
    assert.ok(samples.length >= 6);
    assert.deepEqual(
      samples.map(sample => sample.index),
      samples.map((_, i) => i),
    );
    assert.ok(samples.every(sample => sample.seed === 3 && sample.epoch === 2));
    assert.equal(new Set(samples.map(sample => sample.key)).size, samples.length);
    await until(() => emitted && demand.inside === 0);
    await closed();
  });

  it('should deliver the same again to a second subscriber', async () => {
    const source = await make(6, {});
    const keys = async () => (await lastValueFrom(source.pipe(toArray()))).map(sample => sample.key);
    assert.deepEqual(await keys(), await keys());
  });

  it('should not let more in than the stages declare, with 100,000 samples and a consumer that never asks @smoke', async () => {
    const meters = new MeterSet();
    const demand = new Demand(meters);
    const kept: Lease[] = [];
    const subscription = (await make(100_000, { demand })).subscribe(({ lease }) => {
      demand.declare('keeper', 7);
      kept.push(lease.hold());
    });
    await until(() => kept.length === 8);
    await new Promise(resolve => setTimeout(resolve, 30));
    assert.equal(kept.length, 8);
    assert.equal(demand.inside, 8);
    assert.equal(demand.peak, 8);
    assert.equal(meters.stage('source').itemsOut, 8);

    kept.pop()!.release();
    await until(() => kept.length === 8);
    subscription.unsubscribe();
    await closed();
    assert.equal(demand.inside, 8);
    for (const lease of kept) lease.release();
    assert.equal(demand.inside, 0);
    await new Promise(resolve => setTimeout(resolve, 10));
    assert.equal(kept.length, 8, 'delivered after unsubscribing');
  });

  it('should stop at once and close its files when the subscriber leaves early', async () => {
    const demand = new Demand();
    const meters = demand.meters;
    const samples = await lastValueFrom((await make(100_000, { demand })).pipe(take(3), toArray()));
    assert.equal(samples.length, 3);
    await closed();
    assert.equal(meters.stage('source').itemsOut, 3);
    assert.equal(demand.inside, 0);
  });

  it('should close its files when the subscriber leaves before the first sample', async () => {
    const demand = new Demand();
    let samples = 0;
    const subscription = (await make(100, { demand })).subscribe(() => samples++);
    await null;
    subscription.unsubscribe();
    await closed();
    await until(() => demand.inside === 0);
    assert.equal(samples, 0);
  });

  it('should let timers run while it floods', async () => {
    let timers = 0;
    const timer = setInterval(() => timers++, 1);
    const began = performance.now();
    await lastValueFrom((await make(20_000, {})).pipe(take(20_000)));
    const elapsedMs = performance.now() - began;
    clearInterval(timer);
    assert.ok(elapsedMs < 30 || timers >= elapsedMs / 60, `${timers} timers in ${elapsedMs.toFixed(0)} ms`);
  });

  it('should meter samples, and the time without room', async () => {
    const meters = new MeterSet();
    const source = await make(4, { meters });
    const seen = new Promise<void>(resolve => {
      const subscription = source.subscribe(({ lease }) => {
        lease.hold();
        setTimeout(() => {
          lease.release();
          if (meters.stage('source').itemsOut >= 3) {
            subscription.unsubscribe();
            resolve();
          }
        }, 15);
      });
    });
    await seen;
    const meter = meters.stage('source').snapshot();
    assert.ok(meter.waitDownstreamMs >= 20, `waited ${meter.waitDownstreamMs} ms`);
    assert.ok(meter.busyMs > 0);
  });
}

/** The message of the error that a source ends with. */
export async function failureOf(source: Observable<Sample>): Promise<string> {
  try {
    await lastValueFrom(source, { defaultValue: undefined });
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('the source did not fail');
}
