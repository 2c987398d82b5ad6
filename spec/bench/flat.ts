/**
 * Memory over many images through the data stages: `npx tsx spec/bench/flat.ts [IMAGES] [WORKERS]`. Twenty times on the way: resident memory
 * of the process, what of it is the main thread's JavaScript heap (which grows and shrinks with its garbage), and the shared memory of
 * pixels; and what is alive in that heap, after a quarter and in the end, where its garbage is collected for this. Then the straight
 * line through the resident memory of the last three quarters. Exit status 1 if that goes up by more than 5 % in 100,000 images, or if
 * more than 5 % more is alive.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { lastValueFrom, takeWhile } from 'rxjs';
import { SlotPool } from '../../core/index.ts';
import { augment, batch, decode, epochs, horizontalFlip, openDataSet, randomResizedCrop, shuffle } from '../../operators/index.ts';
import { makePhotos } from './photos.ts';

const [total = '200000', workers = '2'] = process.argv.slice(2);
const points = 20;
const mebibytes = (bytes: number) => bytes / 2 ** 20;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const resident: [images: number, mebibytes: number][] = [];
const alive: number[] = [];
const folder = await mkdtemp(join(tmpdir(), 'millrace-flat-'));
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
      if (images < ((resident.length + 1) * Number(total)) / points) return true;
      const { rss, heapTotal } = process.memoryUsage();
      resident.push([images, mebibytes(rss)]);
      const parts = [`heap ${mebibytes(heapTotal).toFixed(0)}`, `pixels ${mebibytes(slots.bytes).toFixed(0)}`];
      if (resident.length === points / 4 || resident.length === points) {
        collect();
        alive.push(mebibytes(process.memoryUsage().heapUsed));
        parts.push(`alive ${alive.at(-1)!.toFixed(1)}`);
      }
      console.log(`${images} images: ${mebibytes(rss).toFixed(0)} MiB resident; ${parts.join(', ')}`);
      return resident.length < points;
    }),
  );
  await lastValueFrom(pipeline);
} finally {
  await rm(folder, { recursive: true });
}

const { mean, per100k } = line(resident.slice(points / 4));
console.log(`${mean.toFixed(0)} MiB resident in the last three quarters, ${per100k.toFixed(1)} MiB more in 100,000 images`);
if (per100k > 0.05 * mean || alive[1] > 1.05 * alive[0]) process.exitCode = 1;

/** Least squares. */
function line(pairs: readonly (readonly [number, number])[]): { readonly mean: number; readonly per100k: number } {
  const mean = (axis: 0 | 1) => pairs.reduce((sum, pair) => sum + pair[axis], 0) / pairs.length;
  const [x, y] = [mean(0), mean(1)];
  const slope = pairs.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) / pairs.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  return { mean: y, per100k: slope * 100_000 };
}
