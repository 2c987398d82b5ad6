/**
 * Memory over many images through the data stages: `npx tsx spec/bench/flat.ts [IMAGES] [WORKERS]`. Resident memory of the process and
 * the shared memory of pixels, ten times on the way; exit status 1 if the last third needs more than 5 % above the middle one.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, takeWhile } from 'rxjs';
import { SlotPool } from '../../core/index.ts';
import { augment, batch, decode, epochs, horizontalFlip, openDataSet, randomResizedCrop, shuffle } from '../../operators/index.ts';
import { makePhotos } from './photos.ts';

const [total = '100000', workers = '2'] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'millrace-flat-'));
const megabytes: number[] = [];
try {
  await makePhotos(folder);
  const data = await openDataSet(folder, { split: 'train' });
  const slots = new SlotPool();
  let images = 0;
  const pipeline = data.samples({ order: 'random', boxes: false }).pipe(
    epochs(Number.POSITIVE_INFINITY, { seed: 1 }),
    shuffle({ buffer: 1024 }),
    decode({ workers: Number(workers), slots }),
    augment([randomResizedCrop(224), horizontalFlip()]),
    batch(128),
    takeWhile(({ count }) => {
      images += count;
      if (images >= ((megabytes.length + 1) * Number(total)) / 10) {
        megabytes.push(process.memoryUsage.rss() / 2 ** 20);
        console.log(`${images} images: ${megabytes.at(-1)?.toFixed(0)} MiB resident, ${(slots.bytes / 2 ** 20).toFixed(0)} MiB of pixels`);
      }
      return megabytes.length < 10;
    }),
  );
  await lastValueFrom(pipeline);
} finally {
  await rm(folder, { recursive: true });
}
if (Math.max(...megabytes.slice(7)) > 1.05 * Math.max(...megabytes.slice(3, 7))) process.exitCode = 1;
