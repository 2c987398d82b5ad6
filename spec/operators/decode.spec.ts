import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { bufferCount, delay, filter, lastValueFrom, map, mergeMap, take, tap, toArray } from 'rxjs';
import sharp from 'sharp';
import { Demand } from '../../core/data/demand.ts';
import type { Bad, Picture } from '../../core/data/sample.ts';
import { SlotPool } from '../../core/data/slots.ts';
import type { TaskPool } from '../../core/pool/taskPool.ts';
import { type Tuned, Tuning } from '../../core/pool/tuning.ts';
import { WorkerPool } from '../../core/pool/workerPool.ts';
import {
  augment,
  batch,
  centerCrop,
  decode,
  horizontalFlip,
  pixels,
  randomCrop,
  randomResizedCrop,
  shuffle,
} from '../../operators/index.ts';
import { itBehavesAsAStage, settled } from './stageContract.ts';
import { broken, flat, ImmediatePool, StrayPool, tinySource } from './tinySource.ts';

describe('decode', () => {
  itBehavesAsAStage(() => source => source);

  it('should do no work for samples that are dropped on the way @smoke', async () => {
    const pool = new ImmediatePool();
    const demand = new Demand();
    const out = tinySource(100, { demand }).pipe(
      decode({ pool }),
      augment([horizontalFlip()]),
      filter(s => s.index % 10 === 0),
      batch(5),
    );
    await lastValueFrom(out);
    assert.equal(pool.submitted, 10);
    assert.equal(demand.meters.stage('decode').itemsIn, 10);
  });

  it('should begin the work in the order of arrival, and only for samples inside', async () => {
    const demand = new Demand();
    const pool = new StrayPool(true);
    const subscription = tinySource(1000, { demand }).pipe(decode({ pool }), batch(16)).subscribe();
    await settled(() => pool.pending);
    assert.equal(pool.pending, demand.inside);
    assert.equal(demand.inside, demand.bound);
    assert.equal(demand.bound, 1 + (2 * 4 + 2) + 2 * 16);
    subscription.unsubscribe();
    assert.deepEqual([pool.pending, demand.inside], [0, 0]);
  });

  it('should leave a pool that was lent open, and samples that were kept usable after the stream ended', async () => {
    const pool = new ImmediatePool();
    const samples = await lastValueFrom(
      tinySource(3).pipe(
        decode({ pool }),
        tap(s => s.lease.hold()),
        toArray(),
      ),
    );
    assert.equal(pool.closed, false);
    const outcome = await samples[1].job?.result;
    assert.ok(outcome?.ok && outcome.data[0] === 1);
  });

  it("should follow the number of workers that an 'auto' pool chooses, within its bound, and say so", async () => {
    const applied: number[] = [];
    const tuning = new Tuning(
      3,
      1,
      () => true,
      workers => applied.push(workers),
    );
    class TunedPool extends StrayPool {
      readonly tuning = tuning;
    }
    const demand = new Demand();
    const told: Tuned[] = [];
    // a clock that runs with the samples, so that nothing depends on the machine: the more workers, the slower it goes
    const { clock } = demand.meters;
    let ms = 0;
    clock.now = () => ms;
    const out = tinySource(3000, { demand }).pipe(
      decode({ workers: 'auto', pool: new TunedPool(), tuned: each => told.push(each) }),
      tap(() => {
        ms += 12 / tuning.workers;
        assert.ok(demand.bound <= 1 + (2 * 3 + 2) + 2 * 8);
      }),
      batch(8),
      map(({ keys }) => keys),
    );
    const keys = (await lastValueFrom(out.pipe(toArray()))).flat();
    assert.equal(keys.length, 3000);
    assert.deepEqual(applied, [2, 3]);
    assert.deepEqual(
      told.map(({ workers, settled }) => [workers, settled]),
      [
        [2, false],
        [3, false],
        [3, true],
      ],
    );
    assert.equal(demand.declared.decode, 2 * 3 + 2);
    assert.equal(demand.meters.stage('decode').parallel, 3);
    assert.throws(() => decode({ workers: 'auto', pool: new StrayPool() }), {
      message: /decode: expected with workers 'auto' a pool that can change, got one of 4 workers\. Make the pool/,
    });
    assert.throws(() => decode({ workers: 0 }), { message: /workers to be a whole number, 1 or more, or 'auto', got 0/ });
  });

  it('should not grow with the number of samples', async () => {
    const slots = new SlotPool();
    await lastValueFrom(tinySource(5000).pipe(decode({ pool: new ImmediatePool(), slots }), batch(8)));
    assert.ok(slots.cells <= 21, `${slots.cells} cells`);
    assert.ok(slots.bytes <= 21 * 12, `${slots.bytes} bytes`);
  });

  it('should say that the lease was given back to whoever asks without holding it', async () => {
    const out = tinySource(1).pipe(
      decode({ pool: new StrayPool() }),
      mergeMap(async s => await s.job?.result),
    );
    const outcome = await lastValueFrom(out);
    assert.ok(outcome && !outcome.ok);
    assert.equal(outcome.reason, 'its lease was given back before its pixels were ready');
  });

  it('should decode again what a foreign operator kept beyond its lease', async () => {
    const slots = new SlotPool();
    const out = tinySource(20).pipe(
      decode({ pool: new StrayPool(), slots }),
      pixels(),
      delay(5),
      bufferCount(3),
      mergeMap(three => three),
      batch(6),
      map(b => b.labels.join()),
      toArray(),
    );
    assert.deepEqual(await lastValueFrom(out), ['0,1,2,3,4,5', '6,7,8,9,10,11', '12,13,14,15,16,17', '18,19']);
    assert.equal(slots.inUse, 0);
  });

  it('should refuse options that make no sense', () => {
    assert.throws(() => decode({ workers: 0 }), {
      message: "decode: expected workers to be a whole number, 1 or more, or 'auto', got 0. Change the number of workers.",
    });
    assert.throws(() => decode({ channels: 4 as 3 }), /decode: expected channels to be 1 or 3, got 4/);
    assert.throws(() => decode({ shrinkOnLoad: 'sometimes' as 'always' }), {
      message:
        'decode: expected shrinkOnLoad to be one of random, always, never, got "sometimes". Leave it out to shrink where crops are drawn at random.',
    });
    assert.throws(() => decode({ pixelLimit: 0 }), /decode: expected pixelLimit to be 1 or more, got 0/);
  });

  describe('in worker threads', () => {
    let png: Buffer;
    let wide: Buffer;
    before(async () => {
      const noise = (length: number) => Buffer.from(Array.from({ length }, (_, i) => Math.imul(i, 2654435761) >>> 24));
      png = await sharp(noise(12 * 10 * 3), { raw: { width: 12, height: 10, channels: 3 } })
        .png()
        .toBuffer();
      wide = await sharp(noise(30 * 9 * 3), { raw: { width: 30, height: 9, channels: 3 } })
        .jpeg()
        .toBuffer();
    });
    const picture = (i: number): Picture => ({ kind: 'encoded', bytes: i % 3 === 0 ? wide : png });
    const list = [randomResizedCrop(8), horizontalFlip(), randomCrop(8, { padding: 2 })];

    async function digest(workers: number, seed: number): Promise<string> {
      const hash = createHash('sha256');
      const out = tinySource(40, { picture, seed, epochs: 2 }).pipe(shuffle({ buffer: 7 }), decode({ workers }), augment(list), batch(16));
      await lastValueFrom(
        out.pipe(
          tap(({ cells, labels, epoch }) => {
            for (const cell of cells) hash.update(Uint8Array.from(cell));
            hash.update(labels).update(String(epoch));
          }),
        ),
      );
      return hash.digest('hex');
    }

    it('should give the same batches bit for bit with 1 and 4 workers, and others with another seed', async () => {
      const [one, four, other] = [await digest(1, 1), await digest(4, 1), await digest(2, 2)];
      assert.equal(one, four);
      assert.notEqual(one, other);
    });

    it('should treat bad files of all kinds as onError says', async () => {
      const bad: Picture[] = [
        { kind: 'encoded', bytes: png.subarray(0, 100) },
        { kind: 'encoded', bytes: new Uint8Array() },
        { kind: 'encoded', bytes: Buffer.from('hello') },
        { kind: 'file', path: 'no/such/file.png' },
        { kind: 'encoded', bytes: wide },
      ];
      const told: Bad[] = [];
      const run = (onError: 'skip' | 'replace') =>
        lastValueFrom(
          tinySource(10, { picture: i => (i % 2 ? bad[(i - 1) / 2] : { kind: 'encoded', bytes: png }) }).pipe(
            decode({ workers: 1, pixelLimit: 200, onError, bad: each => told.push(each) }),
            batch(10),
            map(each => each.labels.join()),
          ),
        );
      assert.equal(await run('skip'), '0,2,4,6,8');
      assert.deepEqual(
        told.map(each => each.key),
        ['s1', 's3', 's5', 's7', 's9'],
      );
      const [cut, ...others] = told.map(each => each.reason);
      assert.match(cut, /^it is damaged or cut short \(/);
      assert.deepEqual(others, [
        'it is empty (0 bytes)',
        'it is not an image in a format that sharp reads',
        'the file does not exist',
        'it is 30 x 9 pixels, more than pixelLimit allows (200)',
      ]);
      assert.equal(await run('replace'), '0,0,2,2,4,4,6,6,8,8');
    });

    it('should replace a thread that dies; a sample that kills ten is a bad one, by its name', async () => {
      const pool = new WorkerPool({ workers: 1, tasks: new URL('../core/pool/tasks/', import.meta.url) });
      const told: Bad[] = [];
      const deadly: Picture = { kind: 'encoded', bytes: Buffer.from('die') };
      const source = tinySource(9, { picture: i => (i === 4 ? deadly : picture(i)) });
      const out = source.pipe(decode({ pool, onError: 'skip', bad: each => told.push(each) }), augment([centerCrop(8)]), batch(8));
      assert.equal((await lastValueFrom(out)).labels.join(), '0,1,2,3,5,6,7,8');
      assert.deepEqual(
        told.map(({ key, stage }) => [key, stage]),
        [['s4', 'decode']],
      );
      assert.match(told[0].reason, /^its worker thread died 10 times over it/);
      await pool.close();
    });

    it('should stop everything when it is left in the middle of an epoch', async () => {
      const demand = new Demand();
      const slots = new SlotPool();
      const out = tinySource(1e9, { demand, picture }).pipe(decode({ workers: 2, slots }), augment(list), batch(16), take(3));
      await lastValueFrom(out);
      assert.equal(demand.inside, 0);
      await settled(() => slots.inUse);
      assert.equal(slots.inUse, 0);
    });

    it('should let the process end by itself within a second of being left', async () => {
      const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
      const script = `
        const { tinySource, flat } = await import(${url('./tinySource.ts')});
        const { decode, batch } = await import(${url('../../operators/index.ts')});
        let batches = 0;
        const subscription = tinySource(1e9).pipe(decode({ workers: 2 }), batch(32)).subscribe(() => {
          if (++batches < 5) return;
          subscription.unsubscribe();
          process.stdout.write(String(Date.now()));
        });`;
      const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
        timeout: 15_000,
      });
      const lingeredMs = Date.now() - Number(stdout);
      assert.ok(Number(stdout) > 0 && lingeredMs < 1000, `${lingeredMs} ms`);
    });

    it('should measure in the worker', async () => {
      const demand = new Demand();
      await lastValueFrom(tinySource(30, { demand, picture }).pipe(decode({ workers: 2 }), augment([centerCrop(8)]), batch(10)));
      const meter = demand.meters.stage('decode');
      assert.deepEqual([meter.itemsIn, meter.itemsOut, meter.dropped, meter.depth, meter.parallel], [30, 30, 0, 0, 2]);
      assert.equal(meter.bytes, 30 * 8 * 8 * 3);
      assert.ok(meter.busyMs > 0);
    });
  });

  it('should end with the reason when there are no threads, whatever onError says', async () => {
    const none: TaskPool = {
      workers: 1,
      submit: (_task, _input, done) => {
        done({ ok: false, kind: 'broken', reason: 'none that start (out of memory)' });
        return { cancel: () => false };
      },
      close: async () => {},
    };
    await assert.rejects(lastValueFrom(tinySource(3).pipe(decode({ pool: none, onError: 'skip' }), batch(2))), {
      message: 'decode: expected worker threads to work with, got none that start (out of memory). No sample is at fault: see the reason.',
    });
  });

  it('should report a bad sample once when two branches meet it', async () => {
    const told: string[] = [];
    const shared = tinySource(4, { picture: i => (i === 2 ? broken : flat(i)) }).pipe(
      decode({ pool: new StrayPool(), onError: 'skip', bad: each => told.push(each.key) }),
      mergeMap(s => [s, { ...s, label: -1 }]),
      batch(8),
    );
    assert.equal((await lastValueFrom(shared)).labels.join(), '0,-1,1,-1,3,-1');
    assert.deepEqual(told, ['s2']);
  });
});
