import type { Subscriber } from 'rxjs';
import type { Demand } from '../core/data/demand.ts';
import { isReplay, type PipelineState } from '../core/data/pipelineState.ts';
import type { Bad, ImageJob, Pixels, Sample } from '../core/data/sample.ts';
import { fail } from '../core/errors.ts';
import type { Meter } from '../core/meter.ts';
import { charge } from '../core/profile/mainThread.ts';

/** What a stage does with samples whose pixels have come. */
export interface Delivery {
  /**
   * In the order of arrival. The stage now holds the sample's lease and has to release it, and lets the meter know that it leaves
   * with `enteredMs`. `state` is where the pipeline stands behind it; its `consumed` counts the samples of this epoch up to here, bad ones too.
   */
  good(sample: Sample, pixels: Pixels, state: PipelineState, enteredMs: number): void;
  /** After the last sample of an epoch, also the last one of the stream. An epoch that was `resumed` had been begun elsewhere. */
  epochEnd?(state: PipelineState, resumed: boolean): void;
  /** Before the stream completes. */
  end?(): void;
}
interface Entry {
  readonly sample: Sample;
  readonly job: ImageJob;
  outcome?: Pixels | Bad;
  /** When its pixels came: before that it is in `decode`, for the meters. */
  enteredMs: number;
}

/**
 * Waits for the pixels of samples and delivers them in the order in which they came, whatever the order in which the workers
 * finish. Deals with bad samples as their job says. Holds the lease of everything in it; bounded by the stages' declarations.
 */
export class InOrder {
  readonly #queue: Entry[] = [];
  /** With `replace`: the nearest good sample so far, its lease held, and where bad ones stand that wait for a first good one. */
  #nearest: { sample: Sample; pixels: Pixels } | undefined;
  #unreplaced: PipelineState[] = [];
  /** Behind the sample taken last. */
  #state: PipelineState | undefined;
  #resumed = false;
  #draining = false;
  #completed = false;
  #closed = false;
  #meter: Meter | undefined;
  #demand: Demand | undefined;

  constructor(
    private readonly stage: string,
    private readonly subscriber: Pick<Subscriber<unknown>, 'closed' | 'error' | 'complete'>,
    private readonly delivery: Delivery,
    /** Whether what the device can do to pixels is left to it: `Pixels.edit`. */
    private readonly edits = false,
  ) {}

  push(sample: Sample): void {
    const { job } = sample;
    if (!job)
      throw fail('state', this.stage, 'samples from decode()', `"${sample.key}" without a job`, `Put decode() before ${this.stage}.`);
    this.#demand = sample.lease.demand;
    this.#meter = this.#demand.meters.stage(this.stage.replace(/\(.*/, ''));
    const meter = this.#meter;
    const entry: Entry = { sample, job, enteredMs: 0 };
    sample.lease.hold();
    this.#queue.push(entry);
    const listener = (outcome: Pixels | Bad) => {
      entry.outcome = outcome;
      if (outcome.ok && !this.#closed) entry.enteredMs = meter.enter(1);
      this.#drain();
    };
    job.ask(listener, { edits: this.edits });
  }
  complete(): void {
    this.#completed = true;
    this.#drain();
  }
  /** Gives everything back: after an error, on unsubscribing, at the end. */
  close(): void {
    this.#closed = true;
    this.#forgetNearest();
    for (const { sample, outcome, enteredMs } of this.#queue.splice(0)) {
      if (outcome?.ok) this.#meter?.giveBack(1, enteredMs);
      sample.lease.release();
    }
  }

  #drain(): void {
    if (this.#draining || this.subscriber.closed) return;
    this.#draining = true;
    const outer = charge(this.#meter?.main);
    this.#meter?.works();
    try {
      while (this.#queue[0]?.outcome && !this.subscriber.closed) this.#take(this.#queue.shift() as Entry);
      if (this.#completed && this.#queue.length === 0 && !this.subscriber.closed) {
        this.#endEpoch();
        this.delivery.end?.();
        this.subscriber.complete();
      }
    } catch (error) {
      this.subscriber.error(error);
    } finally {
      this.#draining = false;
      const held = this.#queue.length === 0 && this.#demand?.room === false;
      this.#meter?.stands(held ? 'downstream' : 'upstream');
      charge(outer);
    }
  }

  #take({ sample, job, outcome, enteredMs }: Entry): void {
    if (sample.epoch !== this.#state?.epoch) this.#endEpoch();
    const before = this.#state ?? startOf(sample);
    this.#resumed = sample.after !== undefined;
    if (isReplay(sample)) {
      this.#state = before;
      this.#replay(sample, job, outcome, enteredMs);
      return;
    }
    this.#state = stateBehind(sample, before);
    if (outcome?.ok) this.#good(sample, job, outcome, enteredMs);
    else if (outcome) this.#bad(sample, job, outcome);
  }

  #good(sample: Sample, job: ImageJob, pixels: Pixels, enteredMs: number): void {
    if (pixels.warning) job.report({ ok: false, key: sample.key, stage: 'decode', reason: pixels.warning, warning: true });
    if (job.onError === 'replace') {
      this.#forgetNearest();
      sample.lease.hold();
      this.#nearest = { sample, pixels };
      for (const state of this.#unreplaced.splice(0)) {
        sample.lease.hold();
        this.delivery.good(sample, pixels, state, this.#meter!.enter(1));
      }
      this.#state = { ...(this.#state as PipelineState), good: sample.position };
    }
    this.delivery.good(sample, pixels, this.#state as PipelineState, enteredMs);
  }

  /** Delivered before the state that the epoch goes on from: it stands in for bad ones, and is nothing else. */
  #replay(sample: Sample, job: ImageJob, outcome: Pixels | Bad | undefined, enteredMs: number): void {
    if (outcome?.ok) this.#meter?.drop(1, enteredMs);
    if (outcome?.ok && job.onError === 'replace') this.#nearest = { sample, pixels: outcome };
    else sample.lease.release();
  }

  #bad(sample: Sample, job: ImageJob, bad: Bad): void {
    sample.lease.release();
    if (bad.fatal) throw fail('state', bad.stage, 'worker threads to work with', bad.reason, 'No sample is at fault: see the reason.');
    job.report(bad);
    if (job.onError === 'throw') {
      throw fail(
        'data',
        `${bad.stage} "${bad.key}"`,
        'an image',
        `a bad sample: ${bad.reason}`,
        'Repair or remove it, or set onError to "skip" or "replace".',
      );
    }
    if (job.onError === 'skip') return;
    const state = this.#state as PipelineState;
    if (!this.#nearest) this.#unreplaced.push(state);
    else {
      this.#nearest.sample.lease.hold();
      this.delivery.good(this.#nearest.sample, this.#nearest.pixels, state, this.#meter!.enter(1));
    }
  }

  #endEpoch(): void {
    this.#forgetNearest();
    this.#unreplaced = [];
    if (this.#state) this.delivery.epochEnd?.(this.#state, this.#resumed);
    this.#state = undefined;
  }
  #forgetNearest(): void {
    this.#nearest?.sample.lease.release();
    this.#nearest = undefined;
  }
}

/** Where an epoch stands before its first sample. */
function startOf({ seed, epoch, after }: Sample): PipelineState {
  return after ?? { seed, epoch, position: -1 };
}

function stateBehind(
  { seed, epoch, position, order, buffer, turn }: Sample,
  { consumed = 0, batches = 0, good }: PipelineState,
): PipelineState {
  return {
    seed,
    epoch,
    position,
    ...(order !== undefined && { order }),
    ...(buffer !== undefined && { buffer }),
    ...(turn !== undefined && { turn }),
    ...(good !== undefined && { good }),
    consumed: consumed + 1,
    batches,
  };
}
