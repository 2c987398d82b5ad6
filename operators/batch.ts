import { Observable, type OperatorFunction, type Subscriber } from 'rxjs';
import type { Demand } from '../core/data/demand.ts';
import type { PipelineState } from '../core/data/pipelineState.ts';
import type { Batch, Normalization, Pixels, Sample } from '../core/data/sample.ts';
import { HeldLeases } from '../core/data/sharedLease.ts';
import { fail, show } from '../core/errors.ts';
import { handOn } from './charged.ts';
import { Claims } from './claims.ts';
import { type Delivery, InOrder } from './inOrder.ts';
import { through } from './through.ts';

/** Groups samples into batches of `size`, once their pixels are there.
 *      in:  --A--B--C--D--E|
 *   batch(2)
 *     out:  -----x-----y---(z|)      x=[A,B] y=[C,D] z=[E]; with dropLast no z
 *  Shapes: size × uint8 [H,W,C], all the same → N cells of [H,W,C].  Order: the source's, however many workers. No batch straddles
 *  two epochs.
 *  Holds: at most `size` samples of the batch being filled, and those whose pixels are still to come; declares 2 × size, so that
 *  the next batch is filled while one is in use.
 *  Runs: main thread.  Owns: a batch's samples go back when its lease has been released by all; what is held, on error or
 *  unsubscribe. Hold `lease` inside `next` to use a batch longer than that. */
export function batch(size: number, { dropLast = false }: { readonly dropLast?: boolean } = {}): OperatorFunction<Sample, Batch> {
  if (!Number.isInteger(size) || size < 1) throw fail('usage', 'batch', 'a size of 1 or more', show(size), 'Change the size.');
  return source =>
    new Observable<Batch>(subscriber => {
      const filling = new Filling(size, dropLast, subscriber);
      const order = new InOrder(filling.stage, subscriber, filling, true);
      let declared: Demand | undefined;
      const claims = new Claims(filling.stage, subscriber);
      subscriber.add(() => {
        order.close();
        filling.close();
      });
      through(source, subscriber, {
        next(sample) {
          const { demand } = sample.lease;
          if (demand !== declared) {
            declared = demand;
            demand.meters.stage('batch').bound = 2 * size;
            claims.declare(demand, 2 * size + (sample.job?.onError === 'replace' ? 1 : 0));
          }
          order.push(sample);
        },
        complete: () => order.complete(),
      });
    });
}

/** The batch being filled. */
class Filling implements Delivery {
  readonly stage: string;
  #samples: Sample[] = [];
  #pixels: Pixels[] = [];
  /** When each of them came, for the meter. */
  #entered: number[] = [];
  #beganMs = 0;
  /** Position of the next batch within its epoch; unknown before the epoch's first sample, since it may have been begun elsewhere. */
  #index: number | undefined;
  #state: PipelineState | undefined;
  #emitted = 0;
  #fruitlessEpochs = 0;
  #usable = 0;
  #tooFew = { usable: 0, consumed: 0 };

  constructor(
    private readonly size: number,
    private readonly dropLast: boolean,
    private readonly subscriber: Subscriber<Batch>,
  ) {
    this.stage = `batch(${size})`;
  }

  good(sample: Sample, pixels: Pixels, state: PipelineState, enteredMs: number): void {
    if (this.#samples.push(sample) === 1) this.#beganMs = performance.now();
    this.#pixels.push(pixels);
    this.#entered.push(enteredMs);
    this.#state = state;
    this.#index ??= state.batches ?? 0;
    this.#usable++;
    this.#checkAlike(sample, pixels);
    if (this.#samples.length === this.size) this.#emit();
  }

  epochEnd(state: PipelineState, resumed: boolean): void {
    this.#state = state;
    if (this.#samples.length > 0 && !this.dropLast) this.#emit();
    this.#forget('drop');
    this.#index = undefined;
    const usable = this.#usable;
    this.#usable = 0;
    if (this.#emitted > 0 || !this.dropLast) {
      this.#fruitlessEpochs = 0;
      return;
    }
    // the rest of an epoch may be too short for a batch
    if (resumed) return;
    this.#fruitlessEpochs++;
    this.#tooFew = { usable, consumed: state.consumed ?? 0 };
    if (this.#fruitlessEpochs > 1) throw this.#tooLarge();
  }
  /** No batch at all is a mistake that would otherwise look like an empty data set. */
  end(): void {
    if (this.#fruitlessEpochs > 0) throw this.#tooLarge();
  }
  #tooLarge(): Error {
    const { usable, consumed } = this.#tooFew;
    const bad = consumed - usable;
    const got = bad > 0 ? `${usable} and ${bad} bad one${bad === 1 ? '' : 's'}` : String(usable);
    const fix =
      usable > 0
        ? `Use a batch of ${usable} or fewer, more data, or dropLast: false.`
        : 'See what is wrong with the samples that were reported.';
    return fail('data', this.stage, `at least ${this.size} samples an epoch`, got, fix);
  }

  close(): void {
    this.#forget('giveBack');
  }
  #forget(how: 'drop' | 'giveBack'): void {
    this.#pixels = [];
    const entered = this.#entered.splice(0);
    for (const [i, sample] of this.#samples.splice(0).entries()) {
      sample.lease.demand.meters.stage('batch')[how](1, entered[i]);
      sample.lease.release();
    }
  }

  #checkAlike(sample: Sample, pixels: Pixels): void {
    const [first] = this.#pixels;
    if (first.height !== pixels.height || first.width !== pixels.width || first.channels !== pixels.channels) {
      const expected = `images of one size (${shapeOf(first)} as "${this.#samples[0].key}")`;
      throw fail(
        'data',
        this.stage,
        expected,
        `${shapeOf(pixels)} in "${sample.key}"`,
        'Add augment([resize({ height, width })]) or a crop before it.',
      );
    }
    if (!equal(this.#samples[0].job?.normalization, sample.job?.normalization)) {
      const fix = 'Give all samples of one pipeline the same normalize().';
      throw fail(
        'state',
        this.stage,
        `one normalization (${show(this.#samples[0].job?.normalization)})`,
        `${show(sample.job?.normalization)} in "${sample.key}"`,
        fix,
      );
    }
  }

  #emit(): void {
    const samples = this.#samples;
    const [{ height, width, channels }] = this.#pixels;
    const index = this.#index ?? 0;
    this.#index = index + 1;
    const { demand } = samples[0].lease;
    const meter = demand.meters.stage('batch');
    const lease = new HeldLeases(demand, () => {
      for (const sample of samples) sample.lease.release();
    });
    const out: Batch = {
      cells: this.#pixels.map(pixels => pixels.data),
      ...(this.#pixels.some(each => each.edit) && { edits: this.#pixels.map(each => each.edit) }),
      labels: Int32Array.from(samples, sample => sample.label),
      keys: samples.map(sample => sample.key),
      indices: Uint32Array.from(samples, sample => sample.index),
      ...(this.#pixels.some(each => each.boxes) && { boxes: this.#pixels.map(each => each.boxes ?? []) }),
      count: samples.length,
      height,
      width,
      channels,
      epoch: samples[0].epoch,
      index,
      state: { ...(this.#state as PipelineState), batches: index + 1 },
      normalization: samples[0].job?.normalization,
      first: { seed: samples[0].seed, epoch: samples[0].epoch, index: samples[0].index },
      lease,
    };
    this.#samples = [];
    this.#pixels = [];
    this.#emitted++;
    for (const enteredMs of this.#entered.splice(0)) meter.leave(1, enteredMs);
    // a pipeline with a model has got going only when that has
    demand.meters.warm ??= demand.meters.read();
    meter.bytes += out.count * height * width * channels;
    demand.meters.trace?.add({
      track: 'batch',
      kind: 'stage',
      name: 'batch',
      beganMs: this.#beganMs,
      endedMs: performance.now(),
      batch: { epoch: out.epoch, index, count: out.count },
      samples: samples.map(each => each.index),
    });
    try {
      handOn(meter, this.subscriber, out);
    } finally {
      lease.release();
    }
  }
}

const shapeOf = ({ height, width, channels }: Pixels): string => `${height} x ${width} x ${channels}`;
const equal = (a: Normalization | undefined, b: Normalization | undefined): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);
