import { availableParallelism } from 'node:os';
import { Observable, type Observer, type OperatorFunction } from 'rxjs';
import { defaultMinVisible } from '../core/data/boxes.ts';
import type { Demand } from '../core/data/demand.ts';
import { type FailOn, failLevels } from '../core/data/failOn.ts';
import { type JobContext, SamplePicture } from '../core/data/imageJob.ts';
import { type ShrinkOnLoad, shrinkOnLoadChoices } from '../core/data/reduction.ts';
import type { Bad, Sample } from '../core/data/sample.ts';
import { SlotPool } from '../core/data/slots.ts';
import { fail, show } from '../core/errors.ts';
import type { Meter } from '../core/meter.ts';
import type { TaskPool } from '../core/pool/taskPool.ts';
import type { Tuned } from '../core/pool/tuning.ts';
import { WorkerPool } from '../core/pool/workerPool.ts';
import { charge } from '../core/profile/mainThread.ts';
import { handOn } from './charged.ts';
import { Claims } from './claims.ts';
import { through } from './through.ts';

export interface DecodeOptions {
  /**
   * Worker threads; by default those of `pool`, else one fewer than the machine has cores, and at least one. `auto` tries which number of
   * them, from one to the number of cores, the whole pipeline is fastest with, and keeps the fewest.
   */
  readonly workers?: number | 'auto';
  /** What comes out, whatever the files hold: 3 (RGB, default) or 1 (grey, ITU-R 601-2 luma). */
  readonly channels?: 1 | 3;
  /**
   * What becomes of a sample that cannot be had: `throw` (default) ends the stream with its key and reason, `skip` goes on
   * with the next one, `replace` puts the nearest good sample of the same epoch in its place.
   */
  readonly onError?: 'skip' | 'replace' | 'throw';
  /** Told each bad sample once, in order, and each that was used with a `warning`. It is never completed, so that one Subject can serve several pipelines. */
  readonly bad?: Pick<Observer<Bad>, 'next'> | ((bad: Bad) => void);
  /** With `auto`: told each time that the number of workers changes, or is found to be best. */
  readonly tuned?: (tuned: Tuned) => void;
  /**
   * Images with more pixels are bad samples, refused by what their headers say before memory is spent on them; and so are those
   * that a transform would make so large. By default 100 million.
   */
  readonly pixelLimit?: number;
  /**
   * How much must be wrong with a file before it counts as bad, in sharp's words: from `none`, which takes what the decoder can make
   * of a file that is damaged or cut short, the rest grey or black, over `truncated` and `error` to `warning`. What is taken so is told to
   * `bad` with a `warning`. By default `none` for JPEGs and `error` for all else.
   */
  readonly failOn?: FailOn;
  /**
   * When JPEGs are decoded at a half, a quarter or an eighth of their size: the smallest at which what is cut out still has as many pixels
   * as it is resized to. That is faster for large pictures, and pixels differ slightly from those of a picture decoded in full.
   * `random` (default): where a `randomResizedCrop` or `randomCrop` is among the transforms, as in training; `always`; or `never`.
   */
  readonly shrinkOnLoad?: ShrinkOnLoad;
  /** Of boxes, the share of their area that crops must leave; those with less are dropped. By default 0.25. */
  readonly minVisible?: number;
  /** Worker threads that outlive this pipeline; whoever made the pool closes it. */
  readonly pool?: TaskPool;
  /** Where the pixels lie; to share cells, or to watch them. */
  readonly slots?: SlotPool;
}

/** Attaches the work that turns each sample's picture into pixels, done in worker threads by sharp.
 *      in:  --a--b--c--|
 *   decode({ workers: 2 })
 *     out:  --A--B--C--|         A = a with a job; `augment` adds to it, `batch` or `pixels` waits for it
 *  Shapes: any image → uint8 [H,W,C], C = `channels`. What the file is, its bytes say: JPEG, PNG, WebP, GIF, TIFF or AVIF. 16-bit is
 *  scaled to 8, alpha flattened on black, CMYK converted as Pillow does, the EXIF orientation applied, the first frame taken. Boxes go where the pixels go.  Order: kept, and the work begins in that order.
 *  Holds: nothing by itself. A job starts when a stage that holds the sample asks for its pixels, so what a `filter` drops is
 *  never decoded; declares 2 × workers + 2 samples so that the workers stay busy; with `auto` never more than twice the cores and 2.
 *  Runs: worker threads, started at the first picture.  Owns: its pool, closed when the stream has ended and nobody holds
 *  a sample any more; each sample's cell of shared memory, given back when nobody holds its lease. */
export function decode(options: DecodeOptions = {}): OperatorFunction<Sample, Sample> {
  const {
    channels = 3,
    onError = 'throw',
    pixelLimit = 100_000_000,
    failOn,
    shrinkOnLoad = 'random',
    minVisible = defaultMinVisible,
    workers = options.pool?.tuning ? 'auto' : (options.pool?.workers ?? Math.max(1, availableParallelism() - 1)),
  } = options;
  if (workers !== 'auto' && (!Number.isInteger(workers) || workers < 1))
    throw fail('usage', 'decode', "workers to be a whole number, 1 or more, or 'auto'", show(workers), 'Change the number of workers.');
  if (workers === 'auto' && options.pool && !options.pool.tuning) {
    const fix = "Make the pool with workers: 'auto', or leave workers out.";
    throw fail('usage', 'decode', "with workers 'auto' a pool that can change", `one of ${options.pool.workers} workers`, fix);
  }
  if (channels !== 1 && channels !== 3)
    throw fail('usage', 'decode', 'channels to be 1 or 3', show(channels), 'Ask for 3 (RGB) or 1 (grey).');
  if (!(pixelLimit >= 1)) throw fail('usage', 'decode', 'pixelLimit to be 1 or more', show(pixelLimit), 'Leave it out for 100 million.');
  if (failOn !== undefined && !failLevels.includes(failOn))
    throw fail(
      'usage',
      'decode',
      `failOn to be one of ${failLevels.join(', ')}`,
      show(failOn),
      'Leave it out to take damaged JPEGs alone.',
    );
  if (!shrinkOnLoadChoices.includes(shrinkOnLoad)) {
    const fix = 'Leave it out to shrink where crops are drawn at random.';
    throw fail('usage', 'decode', `shrinkOnLoad to be one of ${shrinkOnLoadChoices.join(', ')}`, show(shrinkOnLoad), fix);
  }
  if (!(minVisible >= 0 && minVisible <= 1))
    throw fail('usage', 'decode', 'minVisible between 0 and 1', show(minVisible), "Give a share of a box's area.");
  return source =>
    new Observable<Sample>(subscriber => {
      const { bad, slots = new SlotPool() } = options;
      const pool = new Lender(options.pool, workers, options.tuned);
      const inside = new Set<SamplePicture>();
      let ended = false;
      const closeWhenLeft = (): void => {
        if (ended && inside.size === 0) pool.close();
      };
      const context: JobContext = {
        pool: () => pool.open(),
        slots,
        channels,
        pixelLimit,
        failOn,
        shrinkOnLoad,
        minVisible,
        onError,
        tell: each => (typeof bad === 'function' ? bad(each) : bad?.next(each)),
        entered: picture => inside.add(picture),
        left: picture => {
          inside.delete(picture);
          closeWhenLeft();
        },
      };
      let declared: Demand | undefined;
      const claims = new Claims('decode', subscriber);
      // After `complete` as after `unsubscribe`: samples may still be on their way downstream, and need the pool.
      subscriber.add(() => {
        ended = true;
        closeWhenLeft();
      });
      through(source, subscriber, {
        next(sample) {
          const { demand } = sample.lease;
          // files are read by the same task, before decoding; samples are counted where that is done
          if (demand !== declared && readsFiles(sample)) demand.meters.stage('read');
          const meter = demand.meters.stage('decode');
          if (demand !== declared) demand.meters.slots = slots;
          if (pool.tune(meter, demand) || demand !== declared) {
            declared = demand;
            inWorkers(demand, pool.workers);
            claims.declare(demand, samplesFor(pool.workers));
          }
          const outer = charge(meter.main);
          try {
            handOn(meter, subscriber, { ...sample, job: new SamplePicture(sample, context).job() });
          } finally {
            charge(outer);
          }
        },
      });
    });
}

const readsFiles = ({ picture }: Sample): boolean => picture.kind === 'file' || picture.kind === 'range';

/** States how many work, of the workers chosen now. */
function inWorkers(demand: Demand, workers: number): void {
  for (const meter of demand.meters.all) {
    if (meter.name !== 'read' && meter.name !== 'decode') continue;
    meter.runs = 'workers';
    meter.parallel = workers;
  }
}
const samplesFor = (workers: number): number => 2 * workers + 2;

/** Opens a pool when it is needed, unless one was lent. */
class Lender {
  #own: WorkerPool | undefined;
  #settled = false;
  constructor(
    private readonly lent: TaskPool | undefined,
    private readonly asked: number | 'auto',
    private readonly tuned: ((tuned: Tuned) => void) | undefined,
  ) {}
  open(): TaskPool {
    if (this.lent) return this.lent;
    this.#own ??= new WorkerPool({ workers: this.asked });
    return this.#own;
  }
  get workers(): number {
    if (this.asked !== 'auto') return this.asked;
    const { tuning, workers } = this.open();
    return tuning?.workers ?? workers;
  }
  /** Lets a pool that chooses its number of workers see how fast the pipeline is. True when the number has changed. */
  tune(meter: Meter, demand: Demand): boolean {
    const { tuning } = this.asked === 'auto' ? this.open() : {};
    if (!tuning) return false;
    const changed = tuning.observe(meter, meter.itemsOut, demand.meters.clock.now());
    const { settled } = tuning;
    if (changed || (settled && !this.#settled)) this.tuned?.(tuning.report);
    this.#settled = settled;
    return changed;
  }
  close(): void {
    void this.#own?.close();
    this.#own = undefined;
  }
}
