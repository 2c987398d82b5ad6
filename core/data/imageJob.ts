import type { Meter } from '../meter.ts';
import type { TaskEnd, TaskPool, Ticket } from '../pool/taskPool.ts';
import { charge } from '../profile/mainThread.ts';
import type { Trace } from '../profile/trace.ts';
import type { DecodeInput, DecodeOutput } from '../tasks/decodeImage.ts';
import { boxTrouble, moveBox, moveBoxes } from './boxes.ts';
import type { Lease } from './demand.ts';
import type { FailOn } from './failOn.ts';
import { planSteps, type Size, unrolled } from './geometry.ts';
import { type Divided, divide, editPixels, pixelEdit } from './pixelEdit.ts';
import type { ShrinkOnLoad } from './reduction.ts';
import type { Augmented, Bad, Box, ImageJob, Picture, Pixels, Sample, Transform } from './sample.ts';
import type { Slot, SlotPool } from './slots.ts';

/** What the jobs of one `decode` share. */
export interface JobContext {
  /** Opened at first use. */
  readonly pool: () => TaskPool;
  readonly slots: SlotPool;
  readonly channels: 1 | 3;
  readonly pixelLimit: number;
  readonly failOn: FailOn | undefined;
  readonly shrinkOnLoad: ShrinkOnLoad;
  /** Share of a box's area that must be left of it. */
  readonly minVisible: number;
  readonly onError: 'skip' | 'replace' | 'throw';
  readonly tell: (bad: Bad) => void;
  /** A sample with jobs is inside again. */
  readonly entered: (picture: SamplePicture) => void;
  readonly left: (picture: SamplePicture) => void;
}

/** One sample as `decode` received it: all its jobs (a `share` may make several) end with its lease. */
export class SamplePicture {
  readonly key: string;
  readonly epoch: number;
  readonly index: number;
  readonly picture: Picture;
  readonly boxes: readonly Box[] | undefined;
  readonly fault: string | undefined;
  readonly lease: Lease;
  readonly meter: Meter;
  readonly #jobs: PictureJob[] = [];
  #reported = false;
  #inside = true;

  constructor(
    { key, epoch, index, picture, boxes, fault, lease }: Sample,
    readonly context: JobContext,
  ) {
    this.key = key;
    this.epoch = epoch;
    this.index = index;
    this.picture = picture;
    this.boxes = boxes;
    this.fault = fault;
    this.lease = lease;
    this.meter = lease.demand.meters.stage('decode');
    lease.whenFree(() => this.#leave());
    context.entered(this);
  }
  job(): ImageJob {
    return new PictureJob(this, undefined, [], 0, undefined);
  }
  /** A job begins: also after the sample had left and came back (kept across time by a foreign operator). */
  begin(job: PictureJob): void {
    this.#jobs.push(job);
    if (this.#inside) return;
    this.#inside = true;
    this.context.entered(this);
  }
  report(bad: Bad): void {
    if (this.#reported) return;
    this.#reported = true;
    this.context.tell(bad);
  }
  #leave(): void {
    this.#inside = false;
    for (const job of this.#jobs.splice(0)) job.dispose();
    this.context.left(this);
  }
}

type Listener = (outcome: Pixels | Bad) => void;

class PictureJob implements ImageJob {
  #outcome: Pixels | Bad | undefined;
  #listeners: Listener[] = [];
  private started = false;
  /** What this job leaves to be done to its pixels. */
  #later: Divided['later'] = [];
  #ticket: Ticket | undefined;
  #slot: Slot | undefined;
  /** When the work was asked for. */
  #enteredMs = 0;
  /** Size of the picture before all transforms, once it is known. */
  private upright: Size | undefined;
  /** What is wrong with a picture that was taken all the same. */
  private warning: string | undefined;
  /** Results of work begun before the last `dispose` are of no use any more. */
  #attempt = 0;

  constructor(
    private readonly sample: SamplePicture,
    private readonly parent: PictureJob | undefined,
    private readonly transforms: readonly Transform[],
    readonly entries: number,
    readonly normalization: ImageJob['normalization'],
  ) {}

  get onError(): 'skip' | 'replace' | 'throw' {
    return this.sample.context.onError;
  }
  with({ transforms, entries, normalization = this.normalization }: Augmented): ImageJob {
    return new PictureJob(this.sample, this, transforms, this.entries + entries, normalization);
  }
  get result(): Promise<Pixels | Bad> {
    return new Promise(resolve => this.ask(resolve));
  }
  ask(listener: Listener, { edits } = { edits: false }): void {
    const own = edits ? listener : (outcome: Pixels | Bad) => listener(finished(outcome));
    if (this.#outcome) {
      own(this.#outcome);
      return;
    }
    this.#listeners.push(own);
    if (!this.started) this.#start(edits);
  }
  report(bad: Bad): void {
    this.sample.report(bad);
  }
  dispose(): void {
    if (!this.started) return;
    this.started = false;
    this.#attempt++;
    if (this.#outcome) this.#slot?.give();
    else if (this.#ticket?.cancel()) {
      this.#slot?.give();
      this.sample.meter.giveBack(1, this.#enteredMs);
    }
    // Work that a worker has begun still writes into its cell, which goes back when it ends.
    this.#ticket = undefined;
    this.#slot = undefined;
    const pending = !this.#outcome;
    this.#outcome = undefined;
    if (pending) this.#tellAll(this.#bad('its lease was given back before its pixels were ready'));
  }

  /** @param edits what the device can do is left out */
  #start(edits: boolean): void {
    this.started = true;
    const { sample, parent } = this;
    sample.begin(this);
    if (sample.fault !== undefined) {
      this.#settle({ ok: false, key: sample.key, stage: 'source', reason: sample.fault });
      return;
    }
    if (parent?.started) {
      const attempt = this.#attempt;
      const begin = (pixels: Pixels | Bad) => {
        if (attempt !== this.#attempt) return;
        if (!pixels.ok) this.#settle(pixels);
        else
          this.#submit(
            { kind: 'raw', pixels: pixels.data, height: pixels.height, width: pixels.width, channels: pixels.channels },
            this.#divided([...parent.#later, ...this.#ownTransforms(parent)], edits),
            parent.upright,
          );
      };
      parent.ask(begin, { edits: true });
    } else {
      this.#submit(sendable(sample.picture), this.#divided(this.#allTransforms(), edits));
    }
  }
  #divided(transforms: readonly Transform[], edits: boolean): readonly Transform[] {
    const { now, later } = edits ? divide(transforms, this.sample.context.channels) : { now: transforms, later: [] };
    this.#later = later;
    return now;
  }
  #allTransforms(): readonly Transform[] {
    return this.parent ? [...this.parent.#allTransforms(), ...this.transforms] : this.transforms;
  }

  /** For the parent's pixels: boxes to crop to lie where the parent has moved them, if it left anything of them. */
  #ownTransforms(parent: PictureJob): readonly Transform[] {
    const { upright } = parent;
    const transforms = this.transforms.flatMap(unrolled);
    if (!upright || !transforms.some(({ kind }) => kind === 'cropToBox')) return transforms;
    const { steps } = planSteps(parent.#allTransforms(), upright.height, upright.width);
    return transforms.flatMap(each => {
      if (each.kind !== 'cropToBox') return each;
      const moved = moveBox(each.box, upright, steps);
      return moved ? { ...each, box: moved.box } : [];
    });
  }
  #boxes(): readonly Box[] | undefined {
    const { boxes, context } = this.sample;
    if (!boxes || !this.upright) return undefined;
    const { steps } = planSteps(this.#allTransforms(), this.upright.height, this.upright.width);
    return moveBoxes(boxes, this.upright, steps, context.minVisible);
  }

  /** `upright` where these are not the sample's own pixels any more. */
  #submit(picture: Picture, transforms: readonly Transform[], upright?: Size): void {
    const { context, meter } = this.sample;
    const attempt = this.#attempt;
    const slot = context.slots.take();
    this.#slot = slot;
    const { channels, pixelLimit, failOn, shrinkOnLoad } = context;
    const input: DecodeInput = { picture, transforms, channels, pixelLimit, failOn, shrinkOnLoad, cell: slot.cell };
    const enteredMs = meter.enter(1);
    this.#enteredMs = enteredMs;
    const submittedMs = performance.now();
    const outer = charge(meter.main);
    try {
      const ticket = context.pool().submit<DecodeInput, DecodeOutput>('decodeImage', input, end => {
        const own = charge(meter.main);
        try {
          this.#measure(end, submittedMs);
          meter.starvedBy = this.sample.lease.demand.room ? 'upstream' : 'downstream';
          const wanted = attempt === this.#attempt;
          if (wanted && end.ok && end.value.ok) meter.leave(1, enteredMs);
          else if (wanted) meter.drop(1, enteredMs);
          else meter.giveBack(1, enteredMs);
          if (!wanted) slot.give();
          else this.#settle(this.#outcomeOf(end, slot, upright));
        } finally {
          charge(own);
        }
      });
      if (attempt === this.#attempt && !this.#outcome) this.#ticket = ticket;
    } finally {
      charge(outer);
    }
  }

  /** One task reads, decodes and augments: its time is shared out among the three stages. */
  #measure(end: TaskEnd<DecodeOutput>, submittedMs: number): void {
    const { meter, lease } = this.sample;
    const { busyMs = 0, beganMs, worker = 0 } = end;
    meter.workers.ended(worker, beganMs === undefined ? 0 : Math.max(0, beganMs - submittedMs), busyMs);
    const { readMs = 0, augmentMs = 0 } = (end.ok && end.value.ok && end.value.times) || {};
    const { trace } = lease.demand.meters;
    if (trace && beganMs !== undefined) this.#trace(trace, { worker, beganMs, busyMs, readMs, augmentMs });
    meter.busyMs += Math.max(0, busyMs - readMs - augmentMs);
    if (!end.ok || !end.value.ok) return;
    const share = (stage: string, ms: number) => {
      const own = lease.demand.meters.stage(stage);
      own.runs = 'workers';
      own.parallel = meter.parallel;
      own.busyMs += ms;
      own.pass(1, ms);
    };
    if (this.sample.picture.kind === 'file' || this.sample.picture.kind === 'range') share('read', readMs);
    if (this.entries > 0) share('augment', augmentMs);
  }
  #trace(
    trace: Trace,
    { worker, beganMs, busyMs, readMs, augmentMs }: Record<'worker' | 'beganMs' | 'busyMs' | 'readMs' | 'augmentMs', number>,
  ) {
    const { epoch, index, key } = this.sample;
    trace.add({
      track: `worker ${worker}`,
      kind: 'worker',
      name: 'decode',
      beganMs,
      endedMs: beganMs + busyMs,
      sample: { epoch, index, key },
      parts: [
        { name: 'read', ms: readMs },
        { name: 'decode', ms: Math.max(0, busyMs - readMs - augmentMs) },
        { name: 'augment', ms: augmentMs },
      ],
    });
  }
  #outcomeOf(end: TaskEnd<DecodeOutput>, slot: Slot, upright: Size | undefined): Pixels | Bad {
    if (!end.ok) return end.kind === 'broken' ? { ...this.#bad(end.reason), fatal: true } : this.#bad(end.reason);
    if (!end.value.ok) return this.#bad(end.value.reason);
    const { height, width, channels, larger, decoder } = end.value;
    this.upright = upright ?? end.value.upright;
    const wrong = [end.value.warning, this.sample.boxes && boxTrouble(this.sample.boxes, this.upright)].filter(Boolean);
    const warning = this.parent?.warning ?? (wrong.length > 0 ? wrong.join('; ') : undefined);
    this.warning = warning;
    const boxes = this.#boxes();
    const data = slot.view(height * width * channels, larger);
    this.sample.meter.bytes += data.length;
    if (decoder) this.sample.meter.went(decoder);
    const edit = this.#later.length > 0 ? pixelEdit(this.#later, { height, width }) : undefined;
    return { ok: true, data, height, width, channels, ...(edit && { edit }), ...(boxes && { boxes }), ...(warning && { warning }) };
  }
  #settle(outcome: Pixels | Bad): void {
    this.#outcome = outcome;
    this.#ticket = undefined;
    this.#tellAll(outcome);
  }
  #tellAll(outcome: Pixels | Bad): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener(outcome);
  }
  #bad(reason: string): Bad {
    return { ok: false, key: this.sample.key, stage: 'decode', reason };
  }
}

/** With the edit made, in memory of its own. */
function finished(outcome: Pixels | Bad): Pixels | Bad {
  if (!outcome.ok || !outcome.edit) return outcome;
  const { edit, ...pixels } = outcome;
  return { ...pixels, data: editPixels(pixels, edit).data };
}

/** A view on part of a larger buffer would take all of that buffer along to the worker. */
function sendable(picture: Picture): Picture {
  if (picture.kind === 'encoded' && isPart(picture.bytes)) return { ...picture, bytes: picture.bytes.slice() };
  if (picture.kind === 'raw' && isPart(picture.pixels)) return { ...picture, pixels: picture.pixels.slice() };
  return picture;
}
const isPart = ({ buffer, byteLength }: Uint8Array): boolean => buffer instanceof ArrayBuffer && byteLength < buffer.byteLength;
