import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lastValueFrom, take, takeWhile, tap } from 'rxjs';
import sharp from 'sharp';
import { Demand } from '../../core/data/demand.ts';
import type { Batch, Picture } from '../../core/data/sample.ts';
import { SlotPool } from '../../core/data/slots.ts';
import { WorkerPool } from '../../core/pool/workerPool.ts';
import { uniforms } from '../../core/random.ts';
import { augment, batch, colorJitter, decode, horizontalFlip, randomResizedCrop, shuffle } from '../../operators/index.ts';
import { until } from '../dataFixtures.ts';
import { broken, tinySource } from './tinySource.ts';

const kills = 50;
const images = 60;

describe('workers that are killed', function () {
  this.timeout(60_000);
  let pictures: Picture[];
  before(async () => {
    pictures = await Promise.all(
      Array.from({ length: images }, async (_, i): Promise<Picture> => {
        if (i % 20 === 7) return broken;
        const pixels = Uint8Array.from({ length: 160 * 120 * 3 }, (_, j) => (j * (i + 3) + (j >> 6)) % 251);
        return {
          kind: 'encoded',
          bytes: await sharp(pixels, { raw: { width: 160, height: 120, channels: 3 } })
            .jpeg()
            .toBuffer(),
        };
      }),
    );
  });

  const batches = (pool: WorkerPool, demand: Demand, slots: SlotPool, bad: string[] = []) =>
    tinySource(images, { demand, picture: i => pictures[i], epochs: 1000, seed: 5 }).pipe(
      shuffle({ buffer: 16 }),
      decode({ pool, slots, onError: 'skip', bad: ({ key }) => bad.push(key) }),
      augment([randomResizedCrop(64), horizontalFlip(), colorJitter({ brightness: 0.4, hue: 0.1 })]),
      batch(8),
    );
  const printOf = ({ cells, keys, epoch }: Batch) => {
    const hash = createHash('sha256');
    for (const cell of cells) hash.update(cell);
    return `${epoch} ${keys.join(' ')} ${hash.digest('hex')}`;
  };

  for (const [how, kill] of Object.entries({
    'one at a time': (pool: WorkerPool, random: () => number) => {
      const { threads } = pool;
      void threads[Math.floor(random() * threads.length)]?.terminate();
      return 1;
    },
    'all at once, also while they start': (pool: WorkerPool) => {
      const { threads } = pool;
      for (const thread of threads) void thread.terminate();
      return threads.length;
    },
  })) {
    it(`should cost nothing but time: ${kills} of them, ${how}`, async () => {
      const pool = new WorkerPool({ workers: 2 });
      const [demand, slots] = [new Demand(), new SlotPool()];
      const bad: string[] = [];
      const prints: string[] = [];
      let killed = 0;
      const random = uniforms(17, how.length);
      let timer: NodeJS.Timeout;
      const again = () => {
        timer = setTimeout(() => {
          killed += kill(pool, random);
          if (killed < kills) again();
        }, random() * 60);
      };
      again();
      // until the last kill, and an epoch beyond it
      let left = Math.ceil(images / 8);
      const disturbed = batches(pool, demand, slots, bad).pipe(
        tap(each => prints.push(printOf(each))),
        takeWhile(() => killed < kills || left-- > 0),
      );
      await lastValueFrom(disturbed).finally(() => clearTimeout(timer));
      await until(() => demand.inside === 0 && slots.inUse === 0 && pool.queued === 0);
      await until(() => pool.threads.length === 2);

      const expected: string[] = [];
      const calm = batches(pool, new Demand(), new SlotPool()).pipe(take(prints.length));
      await lastValueFrom(calm.pipe(tap(each => expected.push(printOf(each)))));
      assert.deepEqual(prints, expected);
      assert.ok(bad.length > 0 && bad.every(key => /^s(7|27|47)$/.test(key)), `bad: ${bad}`);
      await pool.close();
      assert.equal(pool.threads.length, 0);
    });
  }
});
