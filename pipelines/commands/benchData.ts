import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { lastValueFrom, takeUntil, tap, timer } from 'rxjs';
import { MeterSet } from '../../core/index.ts';
import {
  augment,
  batch,
  decode,
  epochs,
  horizontalFlip,
  normalize,
  openDataSet,
  randomCrop,
  randomResizedCrop,
  resize,
  shuffle,
} from '../../operators/index.ts';
import { chooseSize, lookAt } from '../run/chooseImages.ts';
import { shippedData } from '../shippedData.ts';
import { bytes, figure } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { stageRows, stageTable } from '../terminal/stageTable.ts';

export interface BenchDataOptions {
  readonly layout?: string;
  readonly data?: string;
  readonly size?: number;
  readonly workers?: number;
  readonly batch: number;
  readonly seconds: number;
  readonly onError: 'skip' | 'replace' | 'throw';
}

/** Workers start and files come into the system's cache before the clock runs. */
const warmUpSeconds = 1;

/** The data stages alone with the full training augmentation, as fast as they go: nothing is computed from the batches. */
export async function benchData(options: BenchDataOptions, output: Output): Promise<number> {
  const folder = resolve(options.data ?? shippedData());
  const data = await openDataSet(folder, { split: 'train', layout: options.layout });
  const { height, width, channels, small, native } = chooseSize(await lookAt(data), options.size, undefined);
  const workers = options.workers ?? Math.max(1, availableParallelism() - 1);
  output.line(`data  ${data.description} (${folder})`);
  output.line(
    `      to ${height}×${width}×${channels}, ${workers} worker${workers === 1 ? '' : 's'}, batch ${options.batch}, ${options.seconds} s`,
  );
  const meters = new MeterSet();
  const crop = small
    ? [...(native ? [] : [resize({ height, width })]), randomCrop({ height, width }, { padding: height < 32 ? 2 : 4 })]
    : [randomResizedCrop({ height, width })];
  const gray = { mean: Array(channels).fill(0.5), std: Array(channels).fill(0.25) };
  let images = 0;
  let pixels = 0;
  let began = Number.NaN;
  let last = Number.NaN;
  const batches = data
    .samples({ order: 'random', boxes: false, meters })
    .pipe(
      epochs(Number.POSITIVE_INFINITY, { seed: 1 }),
      shuffle({ buffer: 1024 }),
      decode({ workers, channels, onError: options.onError }),
      augment([...crop, horizontalFlip(), normalize(gray)]),
      batch(options.batch),
    );
  const opened = performance.now();
  await lastValueFrom(
    batches.pipe(
      tap(({ count, cells }) => {
        last = performance.now();
        // the clock starts with the last batch of the warm-up
        if (last - opened < warmUpSeconds * 1000 || Number.isNaN(began)) {
          began = last;
          return;
        }
        images += count;
        pixels += cells.reduce((sum, cell) => sum + cell.length, 0);
      }),
      takeUntil(timer((warmUpSeconds + options.seconds) * 1000)),
    ),
    { defaultValue: undefined },
  );
  const seconds = (last - began) / 1000;
  const rate = (count: number) => (seconds > 0 ? count / seconds : 0);
  const rows = stageRows(meters.snapshot(meters.warm));
  output.event('stages', { stages: rows });
  output.line(stageTable(rows));
  output.line(`${figure(rate(images))} images/s, ${bytes(rate(pixels))}/s of pixels`);
  output.summary({ images_per_s: rate(images), bytes_per_s: rate(pixels), workers, images, seconds, height, width, channels });
  return 0;
}
