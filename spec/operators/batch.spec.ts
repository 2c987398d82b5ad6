import assert from 'node:assert/strict';
import { concat, delay, filter, finalize, firstValueFrom, lastValueFrom, map, share, take, takeUntil, tap, timer, toArray } from 'rxjs';
import { Demand } from '../../core/data/demand.ts';
import type { Batch } from '../../core/data/sample.ts';
import { SlotPool } from '../../core/data/slots.ts';
import { augment, batch, decode, normalize } from '../../operators/index.ts';
import { asSource, itBehavesAsAStage, letters, marbles, settled } from './stageContract.ts';
import { broken, flat, ImmediatePool, StrayPool, tinySource } from './tinySource.ts';

const pool = new ImmediatePool();
/** A batch as it reads: its labels; with the first pixel of each, which the tiny source makes equal to them. */
const read = ({ labels, cells }: Batch): string => {
  for (const [i, label] of labels.entries()) assert.equal(cells[i][0], label % 256);
  return labels.join();
};

describe('batch', () => {
  itBehavesAsAStage(() => batch(4));

  it('should emit when full and the rest at the end, before completing @smoke', () => {
    marbles(({ cold, expectObservable }) => {
      const out = asSource(cold('--a--b--c--d--e|', letters(new Demand()))).pipe(decode({ pool }), batch(2), map(read));
      expectObservable(out).toBe('  -----x-----y---(z|)', { x: '0,1', y: '2,3', z: '4' });
    });
  });

  it('should drop the rest with dropLast', () => {
    marbles(({ cold, expectObservable }) => {
      const out = asSource(cold('--a--b--c|', letters(new Demand()))).pipe(decode({ pool }), batch(2, { dropLast: true }), map(read));
      expectObservable(out).toBe('  -----x---|', { x: '0,1' });
    });
  });

  it('should describe what it holds', async () => {
    const normalization = { mean: [0.5], std: [0.25] };
    const source = tinySource(5, { picture: i => flat(i, 3, 2), epochs: 2 });
    const batches = await lastValueFrom(
      source.pipe(decode({ pool, channels: 1 }), augment([normalize(normalization)]), batch(2), toArray()),
    );
    assert.deepEqual(
      batches.map(each => [each.epoch, each.index, each.count, each.state.consumed, each.keys.join(' ')]),
      [
        [0, 0, 2, 2, 's0 s1'],
        [0, 1, 2, 4, 's2 s3'],
        [0, 2, 1, 5, 's4'],
        [1, 0, 2, 2, 's0 s1'],
        [1, 1, 2, 4, 's2 s3'],
        [1, 2, 1, 5, 's4'],
      ],
    );
    const [{ height, width, channels, cells, labels }] = batches;
    assert.deepEqual([height, width, channels, cells.length, cells[0].length], [3, 2, 1, 2, 6]);
    assert.ok(labels instanceof Int32Array && cells[0].buffer instanceof SharedArrayBuffer);
    assert.deepEqual(batches[0].normalization, normalization);
    assert.deepEqual(batches[4].first, { seed: 1, epoch: 1, index: 2 });
  });

  it('should never straddle epochs, and drop the rest of each with dropLast', async () => {
    const out = tinySource(5, { epochs: 2 }).pipe(decode({ pool }), batch(2, { dropLast: true }), map(read), toArray());
    assert.deepEqual(await lastValueFrom(out), ['0,1', '2,3', '0,1', '2,3']);
  });

  it('should keep the order of the source however the workers finish', async () => {
    const out = tinySource(200).pipe(decode({ pool: new StrayPool() }), batch(7), map(read), toArray());
    const labels = (await lastValueFrom(out)).flatMap(text => text.split(',').map(Number));
    assert.deepEqual(
      labels,
      Array.from({ length: 200 }, (_, i) => i),
    );
  });

  it('should keep a batch in place for whoever holds it, and no longer', async () => {
    const demand = new Demand();
    const slots = new SlotPool();
    const out = tinySource(8, { demand }).pipe(
      decode({ pool, slots }),
      batch(4),
      tap(each => each.lease.hold()),
      toArray(),
    );
    const [first, second] = await lastValueFrom(out);
    assert.deepEqual([demand.inside, slots.inUse], [8, 8]);
    first.lease.hold();
    first.lease.release();
    assert.equal(demand.inside, 8);
    first.lease.release();
    assert.deepEqual([demand.inside, slots.inUse], [4, 4]);
    assert.equal(read(second), '4,5,6,7');
    second.lease.release();
    assert.deepEqual([demand.inside, slots.inUse], [0, 0]);
    assert.throws(() => second.lease.release(), /released more often than it was held/);
  });

  it('should fill the next batch while one is in use, and no more than that', async () => {
    const demand = new Demand();
    const slots = new SlotPool();
    const got: Batch[] = [];
    const subscription = tinySource(100, { demand })
      .pipe(decode({ pool, slots }), batch(8), take(50))
      .subscribe(each => got.push({ ...each, lease: each.lease.hold() }));
    await settled(() => demand.inside);
    // 1 on its way, 2 × 1 + 2 for decode, 2 × 8 for batch: two whole batches and a start on the third.
    assert.deepEqual([got.length, demand.inside, demand.bound], [2, 21, 21]);
    subscription.unsubscribe();
    for (const each of got) each.lease.release();
    assert.deepEqual([demand.inside, slots.inUse], [0, 0]);
  });

  it("should work with RxJS's own operators on both sides", async () => {
    const demand = new Demand();
    const slots = new SlotPool();
    const mine = { pool: new StrayPool(), slots };
    const even = tinySource(100, { demand }).pipe(
      filter(s => s.index % 2 === 0),
      decode(mine),
      tap(),
      map(s => ({ ...s, label: s.index })),
      filter(s => s.index % 4 === 0),
      take(10),
      batch(4),
    );
    assert.deepEqual(await lastValueFrom(even.pipe(map(read), toArray())), ['0,4,8,12', '16,20,24,28', '32,36']);
    const late = tinySource(20, { demand }).pipe(decode(mine), delay(3), batch(8), map(read), toArray());
    assert.deepEqual(await lastValueFrom(late), ['0,1,2,3,4,5,6,7', '8,9,10,11,12,13,14,15', '16,17,18,19']);
    const until = tinySource(1e9, { demand }).pipe(decode(mine), takeUntil(timer(40)), batch(4), map(read));
    assert.ok((await lastValueFrom(until)).length > 0);
    await settled(() => demand.inside);
    assert.deepEqual([demand.inside, slots.inUse, mine.pool.pending], [0, 0, 0]);
  });

  it('should serve two branches of a share, each with its own transforms', async () => {
    const demand = new Demand();
    const slots = new SlotPool();
    const shared = tinySource(12, { demand }).pipe(decode({ pool: new StrayPool(), slots, channels: 1 }), share());
    const cropped = shared.pipe(
      augment([{ name: 'one pixel', draw: () => ({ kind: 'centerCrop', height: 1, width: 1 }) }]),
      filter(s => s.index % 3 === 0),
      batch(2),
    );
    const [small, whole] = await Promise.all([lastValueFrom(cropped.pipe(toArray())), lastValueFrom(shared.pipe(batch(5), toArray()))]);
    assert.deepEqual(
      small.map(each => [each.labels.join(), each.height]),
      [
        ['0,3', 1],
        ['6,9', 1],
      ],
    );
    assert.deepEqual(
      whole.map(each => [each.labels.join(), each.height]),
      [
        ['0,1,2,3,4', 2],
        ['5,6,7,8,9', 2],
        ['10,11', 2],
      ],
    );
    await settled(() => demand.inside);
    assert.deepEqual([demand.inside, slots.inUse], [0, 0]);
  });

  describe('mistakes', () => {
    const failure = async (out: Promise<unknown>): Promise<string> => {
      try {
        await out;
      } catch (error) {
        return (error as Error).message;
      }
      return 'no error';
    };
    it('should name the sample of another size, and the fix', async () => {
      const sizes = tinySource(4, { picture: i => flat(i, 2, i === 2 ? 3 : 2) });
      assert.equal(
        await failure(lastValueFrom(sizes.pipe(decode({ pool }), batch(4)))),
        'batch(4): expected images of one size (2 x 2 x 3 as "s0"), got 2 x 3 x 3 in "s2". Add augment([resize({ height, width })]) or a crop before it.',
      );
    });
    it('should ask for decode', async () => {
      assert.equal(
        await failure(lastValueFrom(tinySource(2).pipe(batch(2)))),
        'batch(2): expected samples from decode(), got "s0" without a job. Put decode() before batch(2).',
      );
    });
    it('should refuse a batch larger than the epoch when the rest is dropped', async () => {
      const fix = 'Use a batch of 100 or fewer, more data, or dropLast: false.';
      for (const epochs of [1, 3]) {
        const out = tinySource(100, { epochs }).pipe(decode({ pool }), batch(512, { dropLast: true }));
        assert.equal(await failure(lastValueFrom(out)), `batch(512): expected at least 512 samples an epoch, got 100. ${fix}`);
      }
      const partial = await lastValueFrom(tinySource(100).pipe(decode({ pool }), batch(512)));
      assert.equal(partial.count, 100);
    });
    it('should let a resumed run begin with the short rest of an epoch', async () => {
      const demand = new Demand();
      const rest = tinySource(3, { demand });
      const next = tinySource(8, { demand }).pipe(map(sample => ({ ...sample, epoch: 1 })));
      const out = concat(rest, next).pipe(
        decode({ pool }),
        batch(4, { dropLast: true }),
        map(each => each.epoch),
        toArray(),
      );
      assert.deepEqual(await lastValueFrom(out), [1, 1]);
    });
    it('should refuse a size that makes no sense, and a pipeline too narrow for it', async () => {
      assert.throws(() => batch(0), { message: 'batch: expected a size of 1 or more, got 0. Change the size.' });
      const narrow = tinySource(9, { demand: new Demand(undefined, 6) }).pipe(decode({ pool }), batch(4));
      assert.match(
        await failure(lastValueFrom(narrow)),
        /^batch\(4\): expected a pipeline that keeps at most 6 samples, got stages that need 13/,
      );
    });
  });

  describe('bad samples', () => {
    const source = (demand: Demand, bad: number[], epochs = 1) =>
      tinySource(8, { demand, epochs, picture: i => (bad.includes(i) ? broken : flat(i)) });
    for (const [onError, bad, expected] of [
      ['skip', [0, 3, 7], ['1,2,4', '5,6']],
      ['replace', [3, 7], ['0,1,2', '2,4,5', '6,6']],
      ['replace', [0, 1, 3], ['2,2,2', '2,4,5', '6,7']],
      ['skip', [0, 1, 2, 3, 4, 5, 6, 7], []],
    ] as const) {
      it(`should ${onError} ${bad.length === 8 ? 'all' : bad.join(', ')}, report each once and leave nothing`, async () => {
        const demand = new Demand();
        const slots = new SlotPool();
        const reported: string[] = [];
        const decoded = source(demand, [...bad]).pipe(
          decode({ pool: new StrayPool(), slots, onError, bad: each => reported.push(`${each.stage} ${each.key} ${each.reason}`) }),
        );
        assert.deepEqual(await lastValueFrom(decoded.pipe(batch(3), map(read), toArray())), expected);
        assert.deepEqual(
          reported,
          bad.map(i => `decode s${i} it is not raw`),
        );
        await settled(() => demand.inside);
        assert.deepEqual([demand.inside, slots.inUse, demand.meters.stage('decode').dropped], [0, 0, bad.length]);
      });
    }
    it('should count bad samples as consumed', async () => {
      const consumed = async (onError: 'skip' | 'replace', bad: number[]) =>
        (await lastValueFrom(source(new Demand(), bad).pipe(decode({ pool, onError }), batch(3), toArray()))).map(
          each => each.state.consumed,
        );
      assert.deepEqual(await consumed('skip', [0, 3]), [5, 8]);
      assert.deepEqual(await consumed('replace', [0, 3]), [3, 6, 8]);
    });
    it('should replace within an epoch, not across', async () => {
      const out = source(new Demand(), [0], 2).pipe(decode({ pool, onError: 'replace' }), batch(4), map(read), toArray());
      assert.deepEqual(await lastValueFrom(out), ['1,1,2,3', '4,5,6,7', '1,1,2,3', '4,5,6,7']);
    });
    it('should stop at the first one with throw, name it once and give everything back', async () => {
      const demand = new Demand();
      const slots = new SlotPool();
      const errors: string[] = [];
      const reported: string[] = [];
      const batches: string[] = [];
      const ended = new Promise<void>(resolve =>
        source(demand, [4, 5])
          .pipe(
            decode({ pool: new StrayPool(), slots, bad: { next: each => reported.push(each.key) } }),
            batch(2),
            map(read),
            finalize(resolve),
          )
          .subscribe({ next: each => batches.push(each), error: error => errors.push(error.message) }),
      );
      await ended;
      assert.deepEqual(errors, [
        'decode "s4": expected an image, got a bad sample: it is not raw. Repair or remove it, or set onError to "skip" or "replace".',
      ]);
      assert.deepEqual([reported, batches], [['s4'], ['0,1', '2,3']]);
      await settled(() => demand.inside);
      assert.deepEqual([demand.inside, slots.inUse], [0, 0]);
    });
  });

  it('should meter samples, not batches', async () => {
    const demand = new Demand();
    await lastValueFrom(tinySource(10, { demand }).pipe(decode({ pool }), batch(4)));
    const meter = demand.meters.stage('batch');
    assert.deepEqual([meter.itemsIn, meter.itemsOut, meter.depth, meter.peakDepth, meter.bytes], [10, 10, 0, 4, 10 * 12]);
    assert.ok(await firstValueFrom(tinySource(1).pipe(decode({ pool }), batch(1))));
  });
});
