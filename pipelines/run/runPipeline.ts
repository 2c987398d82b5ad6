import type { Subscription } from 'rxjs';
import { type Bad, type Indexing, MillraceError, type Position, type Step, type TensorData } from '../../core/index.ts';
import { type EpochEvaluation, isStep, type Pipeline, type PipelineRecord } from '../definePipeline.ts';
import { Controls } from './controls.ts';
import { LatestWrites } from './latestWrites.ts';
import { type Introduction, type Prepared, prepare } from './prepare.ts';

/** What a run tells while it goes; every call is made between two steps. */
export interface Listener {
  introduce(what: 'device' | 'data' | 'held-out' | 'model' | 'warning' | 'workers', text: string): void;
  /** Before the data is introduced: an index is being made. */
  indexing?(state: Indexing): void;
  begin(prepared: Prepared, controls: Controls): void;
  step(step: Step): void;
  /** The last training step of an epoch is done, its evaluation begins. */
  evaluating(epoch: number): void;
  evaluation(evaluation: EpochEvaluation): void;
  bad(bad: Bad): void;
  /** The last record has come, or the error: nobody has given back yet what is inside. */
  ending?(): void;
  /** All is done, and the model and its device are still open. */
  finished?(prepared: Prepared): Promise<void>;
}

export interface Result {
  readonly introduction: Introduction;
  readonly interrupted: boolean;
  /** Epochs whose end was reached. */
  readonly epochs: number;
  /** Updates in all, those before a resume too; steps and images of this run. */
  readonly steps: number;
  readonly newSteps: number;
  readonly images: number;
  /** Mean training loss over the last epoch that was worked on. */
  readonly loss: number;
  readonly evaluation: EpochEvaluation | undefined;
  /** From the first batch's arrival to the end, evaluations included; and without them. */
  readonly seconds: number;
  readonly trainingSeconds: number;
  readonly skipped: number;
  /** Samples that were used although something is wrong with them. */
  readonly warned: number;
  /** The folder is there unless nothing was trained. */
  readonly kept: boolean;
}

/** Tells several listeners, one after the other. */
export function together(listeners: readonly Listener[]): Listener {
  const each = (tell: (listener: Listener) => void) => {
    for (const listener of listeners) tell(listener);
  };
  return {
    introduce: (what, text) => each(listener => listener.introduce(what, text)),
    indexing: state => each(listener => listener.indexing?.(state)),
    begin: (prepared, controls) => each(listener => listener.begin(prepared, controls)),
    step: step => each(listener => listener.step(step)),
    evaluating: epoch => each(listener => listener.evaluating(epoch)),
    evaluation: evaluation => each(listener => listener.evaluation(evaluation)),
    bad: bad => each(listener => listener.bad(bad)),
    ending: () => each(listener => listener.ending?.()),
  };
}

/** Keys of bad samples that are remembered, so that each is told once and not every epoch. */
const rememberedBad = 10_000;

export interface RunOptions {
  readonly pipeline: Pipeline;
  readonly given: Readonly<Record<string, unknown>>;
  readonly listener: Listener;
  /** Aborting it finishes the step under way, writes a checkpoint and returns with `interrupted`. */
  readonly signal: AbortSignal;
}

/** Prepares and runs a pipeline, keeps its folder, and leaves nothing open behind. */
export async function runPipeline({ pipeline, given, listener, signal }: RunOptions): Promise<Result> {
  const bad = new BadSamples();
  const prepared = await prepare({
    pipeline,
    given,
    introduce: listener.introduce,
    signal,
    indexing: state => listener.indexing?.(state),
    tell: each => {
      if (!bad.add(each)) return;
      listener.bad(each);
      bad.log?.({ event: 'bad', ...each });
    },
  });
  const { model, lr$ } = prepared.context;
  const stopped = new AbortController();
  const controls = new Controls({ lock: model.lock, lr$, stop: () => stopped.abort() });
  const run = new Run(pipeline, prepared, listener, bad, controls);
  bad.log = record => prepared.folder.log(record);
  try {
    const result = await run.go(AbortSignal.any([signal, stopped.signal]));
    await listener.finished?.(prepared);
    return result;
  } catch (error) {
    controls.close();
    throw await run.failed(error);
  } finally {
    controls.close();
    await prepared.close();
  }
}

class BadSamples {
  readonly #keys = new Set<string>();
  count = 0;
  warned = 0;
  log: ((record: Record<string, unknown>) => void) | undefined;
  /** False for one that was told already. */
  add({ key, warning }: Bad): boolean {
    if (this.#keys.has(key)) return false;
    if (this.#keys.size < rememberedBad) this.#keys.add(key);
    if (warning) this.warned++;
    else this.count++;
    return true;
  }
}

class Run {
  #position: Position;
  /** The last checkpoint that was begun, and the step of the last one that is on the disk. */
  #saved: Position;
  #written: number;
  #newSteps = 0;
  #images = 0;
  #evaluation: EpochEvaluation | undefined;
  #epochs: number;
  #lossSum = 0;
  #lossSteps = 0;
  #lossEpoch = -1;
  #trainingSeconds = 0;
  /** Checkpoints are written one after the other, of those that wait the latest; the first failure fails the run. */
  readonly #writes = new LatestWrites<Checkpointed>(checkpointed => this.#write(checkpointed));

  constructor(
    private readonly pipeline: Pipeline,
    private readonly prepared: Prepared,
    private readonly listener: Listener,
    private readonly badSamples: BadSamples,
    private readonly controls: Controls,
  ) {
    const { start } = prepared.context;
    this.#position = start;
    this.#saved = start;
    this.#written = start.step;
    this.#epochs = start.epoch;
  }

  async go(signal: AbortSignal): Promise<Result> {
    const { context, folder, introduction } = this.prepared;
    this.controls.state$.subscribe(({ paused }) => (paused ? context.meters.pause() : context.meters.resume()));
    this.controls.applied$.subscribe(action => folder.log({ event: 'control', step: this.#position.step, ...action }));
    this.listener.begin(this.prepared, this.controls);
    const began = performance.now();
    await this.#consume(signal);
    this.#save();
    await this.#writes.all;
    const outcome = signal.aborted ? 'interrupted' : 'done';
    const { meters } = context;
    folder.log({ event: 'profile', total: meters.snapshot(), settled: meters.snapshot(meters.warm) });
    folder.log({ event: 'end', outcome, step: this.#position.step, epoch: this.#position.epoch });
    folder.close();
    const kept = context.model.updates > 0;
    if (!kept) await folder.discard();
    return {
      introduction,
      interrupted: signal.aborted,
      epochs: this.#epochs,
      steps: context.model.updates,
      newSteps: this.#newSteps,
      images: this.#images,
      loss: this.#lossSteps > 0 ? this.#lossSum / this.#lossSteps : Number.NaN,
      evaluation: this.#evaluation,
      seconds: (performance.now() - began) / 1000,
      trainingSeconds: this.#trainingSeconds,
      skipped: this.badSamples.count,
      warned: this.badSamples.warned,
      kept,
    };
  }

  /** Leaves the folder as it should be after an error, and says where the last good checkpoint is. */
  async failed(error: unknown): Promise<unknown> {
    const { folder, context } = this.prepared;
    const kind = error instanceof MillraceError ? error.kind : undefined;
    if (this.#newSteps === 0 && context.start.step === 0 && kind !== 'numbers') {
      await this.#writes.all.catch(() => undefined);
      await folder.discard();
      return plainly(error);
    }
    // a device that failed gives no weights away any more, and weights that led to no number are not worth more than those on the disk
    if (kind !== 'numbers' && kind !== 'device') {
      // what was under way ends first, and may yet update the weights
      (await context.model.lock.acquire())();
      if (context.model.updates === this.#position.step) this.#save();
    }
    await this.#writes.all.catch(() => undefined);
    try {
      folder.close();
    } catch {
      // the disk is full: that is told already
    }
    if (!(error instanceof MillraceError) || (kind !== 'numbers' && kind !== 'device')) return plainly(error);
    const fix = `${error.complaint.fix} The last good checkpoint is that of step ${this.#written}, in ${folder.path}.`;
    return new MillraceError(error.kind, { ...error.complaint, fix }, { cause: error });
  }

  #consume(signal: AbortSignal): Promise<void> {
    const { context } = this.prepared;
    return new Promise((resolve, reject) => {
      let stepsAfterStop = 0;
      let subscription: Subscription | undefined;
      const settle = (finish: () => void) => {
        signal.removeEventListener('abort', stop);
        this.listener.ending?.();
        subscription?.unsubscribe();
        finish();
      };
      const stop = () => {
        // also ends a pause, in which the step under way could not be finished
        this.controls.act({ control: 'stop' });
        this.prepared.stop();
      };
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop);
      context.device.lost.catch(error => settle(() => reject(error)));
      subscription = this.pipeline.build(context).subscribe({
        next: record => {
          try {
            this.#take(record);
            void this.#writes.all.catch(error => settle(() => reject(error)));
            // a pipeline that does not look at stop$ is left between two steps
            if (signal.aborted && isStep(record) && ++stepsAfterStop > 1) settle(resolve);
          } catch (error) {
            settle(() => reject(error));
          }
        },
        error: error => settle(() => reject(error)),
        complete: () => settle(resolve),
      });
    });
  }

  #take(record: PipelineRecord): void {
    const pausedSeconds = this.controls.takePausedMs() / 1000;
    if (isStep(record)) this.#step(withoutPause(record, pausedSeconds));
    else this.#evaluated(withoutPause(record, pausedSeconds));
  }

  #step(step: Step): void {
    const { context, folder } = this.prepared;
    const { options, stepsPerEpoch } = context;
    this.#position = { epoch: step.epoch, step: step.step, consumed: step.consumed, state: step.state };
    this.#newSteps++;
    this.#images += step.images;
    this.#trainingSeconds += step.seconds;
    if (step.epoch !== this.#lossEpoch) {
      this.#lossEpoch = step.epoch;
      this.#lossSum = 0;
      this.#lossSteps = 0;
    }
    this.#lossSum += step.loss;
    this.#lossSteps++;
    folder.log({ event: 'step', ...step });
    this.listener.step(step);
    if (step.step % options.checkpointEvery === 0) this.#save();
    if (step.step % stepsPerEpoch === 0 || step.step === context.totalSteps) this.listener.evaluating(step.epoch);
  }

  #evaluated(evaluation: EpochEvaluation): void {
    const { context, folder, trainSize } = this.prepared;
    this.#evaluation = evaluation;
    this.#epochs = evaluation.epoch + 1;
    const { epoch, step, consumed } = this.#position;
    // with --steps an epoch may be evaluated in its middle: a resumed run goes on there
    const inside = epoch === evaluation.epoch && consumed + context.options.batch <= trainSize && step >= context.totalSteps;
    if (!inside) {
      const next = evaluation.epoch + 1;
      this.#position = { epoch: next, step, consumed: 0, state: { seed: context.options.seed, epoch: next, position: -1 } };
    }
    folder.log({ event: 'epoch', step, ...evaluation });
    folder.flush();
    this.listener.evaluation(evaluation);
    this.#save();
  }

  /** Takes the model between two steps: its lock is asked for before the next pass can. */
  #save(): void {
    const { model } = this.prepared.context;
    const position = this.#position;
    if (position.step === 0 || (position.step === this.#saved.step && position.epoch === this.#saved.epoch)) return;
    this.#saved = position;
    const locked = model.lock.acquire();
    const take = async (): Promise<Checkpointed> => {
      const unlock = await locked;
      try {
        const tensors = await model.state();
        const optimizer = this.#newSteps > 0 ? await model.optimizerState() : this.prepared.optimizer;
        return { position, tensors, optimizer };
      } finally {
        unlock();
      }
    };
    this.#writes.add(take());
  }

  readonly #write = async ({ position, tensors, optimizer }: Checkpointed): Promise<void> => {
    const { context, folder, classes } = this.prepared;
    const { model, images, options, device } = context;
    const { normalization } = images;
    const facts = { graph: model.graph, classes, normalization, ...position, seed: options.seed, device: device.description };
    await folder.checkpoint(facts, tensors, optimizer);
    this.#written = position.step;
  };
}

/** What a checkpoint is made of. */
interface Checkpointed {
  readonly position: Position;
  readonly tensors: ReadonlyMap<string, TensorData>;
  readonly optimizer: ReadonlyMap<string, TensorData>;
}

/** A pause is no part of the step that came after it, nor of the evaluation that it was in. */
function withoutPause<Timed extends Step | EpochEvaluation>(record: Timed, pausedSeconds: number): Timed {
  if (pausedSeconds === 0 || pausedSeconds >= record.seconds) return record;
  const seconds = record.seconds - pausedSeconds;
  return { ...record, seconds, imagesPerSecond: record.images / seconds };
}

/** Flags where the operators' own message speaks of arguments. */
function plainly(error: unknown): unknown {
  if (!(error instanceof MillraceError) || !error.complaint.fix.includes('onError')) return error;
  const fix = 'Repair or remove it, or go on without it: --on-error skip.';
  return new MillraceError(error.kind, { ...error.complaint, fix }, { cause: error });
}
