import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { lastValueFrom, takeUntil, takeWhile, tap, timer } from 'rxjs';
import { MeterSet, type PipelineReading, type Tuned } from '../../core/index.ts';
import {
  augment,
  batch,
  decode,
  epochs,
  horizontalFlip,
  normalize,
  randomCrop,
  randomResizedCrop,
  resize,
  shuffle,
} from '../../operators/index.ts';
import { chooseSize, lookAt } from '../run/chooseImages.ts';
import { shippedData } from '../shippedData.ts';
import { bytes, figure, share } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { stageRows, stageTable } from '../terminal/stageTable.ts';
import { tunedText } from '../terminal/tunedText.ts';
import { mainThreadCpuMs } from './mainThreadCpu.ts';
import { openTold } from './openTold.ts';

export interface BenchDataOptions {
  readonly layout?: string;
  readonly data?: string;
  readonly size?: number;
  readonly workers?: number | 'auto';
  readonly batch: number;
  readonly seconds: number;
  readonly onError: 'skip' | 'replace' | 'throw';
  readonly shrinkOnLoad: 'random' | 'always' | 'never';
}

/** Workers start and files come into the system's cache before the clock runs. */
const warmUpSeconds = 1;
/** Longer than this it does not wait for the number of workers to be found. */
const tuningSeconds = 20;

/** The data stages alone with the full training augmentation, as fast as they go: nothing is computed from the batches. */
export async function benchData(options: BenchDataOptions, output: Output): Promise<number> {
  const folder = resolve(options.data ?? shippedData());
  const data = await openTold(folder, { split: 'train', layout: options.layout }, output);
  const { height, width, channels, small, native } = chooseSize(await lookAt(data), options.size, undefined);
  const workers = options.workers ?? Math.max(1, availableParallelism() - 1);
  output.line(`data  ${data.description} (${folder})`);
  const crew = workers === 'auto' ? 'as many workers as serve best' : `${workers} worker${workers === 1 ? '' : 's'}`;
  output.line(`      to ${height}×${width}×${channels}, ${crew}, batch ${options.batch}, ${options.seconds} s`);
  const meters = new MeterSet();
  const crop = small
    ? [...(native ? [] : [resize({ height, width })]), randomCrop({ height, width }, { padding: height < 32 ? 2 : 4 })]
    : [randomResizedCrop({ height, width })];
  const gray = { mean: Array(channels).fill(0.5), std: Array(channels).fill(0.25) };
  let tuned: Tuned | undefined;
  const noteTuned = (found: Tuned) => {
    tuned = found;
  };
  let start: PipelineReading | undefined;
  let startCpuMs: number | undefined;
  let images = 0;
  let pixels = 0;
  let began = Number.NaN;
  let last = Number.NaN;
  const batches = data
    .samples({ order: 'random', boxes: false, meters })
    .pipe(
      epochs(Number.POSITIVE_INFINITY, { seed: 1 }),
      shuffle({ buffer: 1024 }),
      decode({ workers, channels, onError: options.onError, shrinkOnLoad: options.shrinkOnLoad, tuned: noteTuned }),
      augment([...crop, horizontalFlip(), normalize(gray)]),
      batch(options.batch),
    );
  const opened = performance.now();
  await lastValueFrom(
    batches.pipe(
      tap(({ count, cells }) => {
        last = performance.now();
        const passed = (last - opened) / 1000;
        const warm = passed >= warmUpSeconds && (workers !== 'auto' || tuned?.settled || passed >= tuningSeconds);
        // the clock starts with the last batch of the warm-up
        if (!warm || Number.isNaN(began)) {
          began = last;
          start = meters.read();
          startCpuMs = mainThreadCpuMs();
          return;
        }
        images += count;
        pixels += cells.reduce((sum, cell) => sum + cell.length, 0);
      }),
      takeWhile(() => !(last - began >= options.seconds * 1000)),
      takeUntil(timer((warmUpSeconds + options.seconds + (workers === 'auto' ? tuningSeconds : 0)) * 1000)),
    ),
    { defaultValue: undefined },
  );
  const seconds = (last - began) / 1000;
  const rate = (count: number) => (seconds > 0 ? count / seconds : 0);
  const profile = meters.snapshot(start);
  const rows = stageRows(profile);
  const own = profile.stages.reduce((sum, { mainMs }) => sum + mainMs, 0);
  const perImage = (ms: number) => (profile.items > 0 ? (1000 * ms) / profile.items : 0);
  const cpuMs = mainThreadCpuMs();
  const mainThread =
    cpuMs === undefined || startCpuMs === undefined ? profile.machine.mainThreadShare : (cpuMs - startCpuMs) / (1000 * seconds);
  output.event('stages', { stages: rows });
  output.line(stageTable(rows));
  if (tuned) output.line(`workers: ${tunedText(tuned)}`);
  output.line(`main thread: busy ${share(mainThread)}, ${figure(perImage(own))} µs an image in the stages`);
  output.line(`${figure(rate(images))} images/s, ${bytes(rate(pixels))}/s of pixels`);
  output.summary({
    images_per_s: rate(images),
    bytes_per_s: rate(pixels),
    workers: tuned?.workers ?? workers,
    ...(tuned && { tuned }),
    main_thread: mainThread,
    main_thread_us: perImage(mainThread * profile.elapsedMs),
    stages_us: perImage(own),
    ...{ images, seconds, height, width, channels },
  });
  return 0;
}
