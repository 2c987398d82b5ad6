import assert from 'node:assert/strict';
import { concatMap, lastValueFrom, map, type Observable, take, tap, throwError, timer, toArray } from 'rxjs';
import { pull } from '../../core/data/pull.ts';
import { MeterSet } from '../../core/meter.ts';
import type { Profile } from '../../core/profile/snapshot.ts';
import { batch, decode, prefetch, profile, snapshots } from '../../operators/index.ts';
import { flat, ImmediatePool } from './tinySource.ts';

const source = (count: number, meters?: MeterSet) =>
  pull(
    async function* () {
      for (let index = 0; index < count; index++) {
        await new Promise(resolve => setTimeout(resolve, 2));
        yield { key: `s${index}`, label: 0, index, picture: flat(index) };
      }
    },
    { meters },
  );
const batches = (samples: ReturnType<typeof source>) => samples.pipe(decode({ pool: new ImmediatePool() }), batch(4), prefetch(1));

describe('profile', () => {
  it('should tell how a pipeline goes, and how it went when it has ended @smoke', async () => {
    const all = await lastValueFrom(profile(batches(source(40)), { intervalMs: 20 }).pipe(toArray()));
    assert.ok(all.length >= 3);
    assert.deepEqual(
      all.map(({ final }) => final),
      all.map((_, i) => i === all.length - 1),
    );
    const { total, settled } = all.at(-1)!;
    assert.equal(total.items, 40);
    assert.deepEqual(
      total.stages.map(({ name, itemsOut }) => [name, itemsOut]),
      ['source', 'decode', 'batch', 'prefetch'].map(name => [name, 40]),
    );
    assert.equal(settled.stages.find(({ name }) => name === 'batch')!.itemsOut, 36, 'the first batch belongs to the start');
    // before the first batch the last stage is an earlier one
    const out = ({ recent }: Profile) => recent.stages.find(({ name }) => name === 'prefetch')?.itemsOut ?? 0;
    const sum = all.reduce((items, each) => items + out(each), 0);
    assert.equal(sum, 40);
    assert.ok(Math.abs(all.reduce((ms, { recent }) => ms + recent.elapsedMs, 0) - total.elapsedMs) < 1e-3);
  });

  it('should tell of a pipeline that fails before it passes the error on', async () => {
    const seen: Profile[] = [];
    const failing = batches(source(40)).pipe(concatMap((each, i) => (i === 3 ? throwError(() => new Error('no more')) : [each])));
    await assert.rejects(lastValueFrom(profile(failing).pipe(tap(each => seen.push(each)))), /no more/);
    assert.deepEqual([seen.length, seen[0].final, seen[0].total.items], [1, true, 16]);
    assert.ok(seen[0].total.stages.every(({ depth }) => depth === 0));
  });

  it('should read meters that a source was given, and stop the pipeline when it is left', async () => {
    const meters = new MeterSet();
    await lastValueFrom(profile(batches(source(1e6, meters)), { intervalMs: 15 }).pipe(take(2)));
    const { itemsOut } = meters.stage('source');
    assert.ok(itemsOut > 2);
    await lastValueFrom(timer(20));
    assert.ok(meters.stage('source').itemsOut <= itemsOut + 1);
  });

  it('should watch meters that someone else reports to', async () => {
    const meters = new MeterSet();
    const running = batches(source(1e6, meters)).subscribe();
    const seen: Observable<number> = snapshots(meters, { intervalMs: 20 }).pipe(map(({ total }) => total.items));
    const counts = await lastValueFrom(seen.pipe(take(3), toArray()));
    running.unsubscribe();
    assert.ok(counts[2] > counts[0]);
  });

  it('should refuse an interval that makes no sense', () => {
    assert.throws(() => profile(batches(source(1)), { intervalMs: 0 }), {
      message: 'profile: expected intervalMs of 1 or more, got 0. Leave it out for a second.',
    });
  });
});
