import type { Subscription } from 'rxjs';
import { type Profile, type Step, verdict } from '../../core/index.ts';
import { snapshots } from '../../operators/index.ts';
import type { EpochEvaluation } from '../definePipeline.ts';
import type { Controls } from '../run/controls.ts';
import type { Prepared } from '../run/prepare.ts';
import { type BlockState, block } from './block.ts';
import { color } from './color.ts';
import { duration, figure, fit, share } from './format.ts';
import type { Output } from './output.ts';
import { rowsOf, type StageRow } from './stageTable.ts';

/**
 * How often the live block changes, the stages in it, and how often a plain line is written where there is no terminal. Looking
 * at the stages and drawing take milliseconds of the main thread, so neither happens more often than people can follow.
 */
const liveMs = 200;
const stagesMs = 1000;
const plainMs = 10_000;
/** Weight of the newest step in the smoothed loss, accuracy and speed; more while there are few. */
const newest = 0.05;

export interface Totals {
  readonly epochs: number;
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

/** Tells people how training goes: one live block on a terminal, else a line every ten seconds; and a line an evaluation. */
export class TrainingProgress {
  #steps = 0;
  #loss = Number.NaN;
  #top1 = Number.NaN;
  #secondsPerStep = Number.NaN;
  #secondsPerEvaluation = 0;
  #last: Step | undefined;
  #phase: BlockState['phase'] = 'training';
  #stages: readonly StageRow[] = [];
  #deviceBusy: number | undefined;
  #device: { readonly description: string; readonly allocatedBytes: number } | undefined;
  #lastShown = performance.now();
  #closed = false;
  readonly #subscriptions: Subscription[] = [];
  readonly #began = performance.now();

  constructor(
    private readonly output: Output,
    private readonly totals: Totals,
  ) {}

  /** Looks at the stages and at what a person steers, until `close`. */
  watch({ context }: Pick<Prepared, 'context'>, controls: Pick<Controls, 'state$'>): void {
    this.#device = context.device;
    this.#subscriptions.push(
      snapshots(context.meters, { intervalMs: stagesMs }).subscribe(profile => this.#look(profile)),
      controls.state$.subscribe(({ paused, stopping }) => this.#steered(stopping ? 'stopping' : paused ? 'paused' : 'training')),
    );
  }

  step(step: Step): void {
    const weight = Math.max(newest, 1 / ++this.#steps);
    const smooth = (old: number, value: number) => (Number.isNaN(old) ? value : old + weight * (value - old));
    this.#last = step;
    this.#loss = smooth(this.#loss, step.loss);
    this.#top1 = smooth(this.#top1, step.top1);
    this.#secondsPerStep = smooth(this.#secondsPerStep, step.seconds);
    if (this.#phase === 'held-out') this.#phase = 'training';
    const now = performance.now();
    if (now - this.#lastShown < (this.output.live ? liveMs : plainMs)) return;
    this.#lastShown = now;
    if (this.output.live) this.#show();
    else this.output.line(this.#line(step));
  }

  evaluating(_epoch: number): void {
    if (this.#phase === 'training') this.#phase = 'held-out';
    this.#show();
  }

  evaluation({ epoch, loss, top1, top5, images, seconds }: EpochEvaluation): void {
    this.#secondsPerEvaluation = seconds;
    if (this.#phase === 'held-out') this.#phase = 'training';
    const parts = [
      color.bold(`epoch ${epoch + 1}/${this.totals.epochs}`),
      `held-out top-1 ${color.green(share(top1))}`,
      `top-5 ${share(top5)}`,
      `loss ${figure(loss)}`,
      color.dim(`${images.toLocaleString('en-US')} images in ${seconds.toFixed(1)} s`),
      color.dim(`after ${duration((performance.now() - this.#began) / 1000)}`),
    ];
    this.output.line(this.output.live ? fit(parts, this.output.columns) : parts.join('  '));
  }

  /** Takes the block away; nothing is shown from then on. */
  close(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    this.#closed = true;
    this.output.clear();
  }

  #look({ recent, settled }: Profile): void {
    // while a run is paused or evaluated no time passes for its stages: what was last seen stays
    if (recent.elapsedMs < stagesMs / 10) return;
    this.#stages = rowsOf(recent, verdict(settled).limits);
    this.#deviceBusy = recent.device?.busyShare;
    this.#show();
  }

  #steered(phase: BlockState['phase']): void {
    if (phase === this.#phase) return;
    const before = this.#phase;
    this.#phase = phase;
    if (this.output.live) this.#show();
    else if (phase === 'paused') this.output.line(`paused after step ${this.#last?.step ?? 0}`);
    else if (before === 'paused' && phase === 'training') this.output.line('going on');
  }

  #show(): void {
    if (this.#last && this.output.live && !this.#closed)
      this.output.update(() => block(this.#state(this.#last!), this.output.liveColumns, this.output.rows).join('\n'));
  }

  #state({ step, epoch, index, images, loss, top1, lr }: Step): BlockState {
    const { epochs, steps, stepsPerEpoch } = this.totals;
    return {
      ...{ step, steps, epoch, epochs, stepsPerEpoch, lr, phase: this.#phase, stages: this.#stages },
      stepInEpoch: Math.min(index + 1, stepsPerEpoch),
      loss: { smooth: this.#loss, last: loss },
      top1: { smooth: this.#top1, last: top1 },
      imagesPerSecond: images / this.#secondsPerStep,
      secondsLeft: this.#secondsLeft(step),
      device: { description: this.#device?.description ?? '', bytes: this.#device?.allocatedBytes ?? 0, busyShare: this.#deviceBusy },
      processBytes: process.memoryUsage.rss(),
    };
  }

  /** With the evaluations that are still to come, as long as the last one took. */
  #secondsLeft(step: number): number {
    const { steps, stepsPerEpoch } = this.totals;
    const evaluations = Math.ceil(steps / stepsPerEpoch) - Math.floor(step / stepsPerEpoch);
    return (steps - step) * this.#secondsPerStep + evaluations * this.#secondsPerEvaluation;
  }

  #line({ step, epoch, images }: Step): string {
    const { epochs, steps } = this.totals;
    const limits = this.#stages.find(stage => stage.limits)?.stage;
    return [
      color.bold(`epoch ${epoch + 1}/${epochs}`),
      `loss ${figure(this.#loss)}`,
      `top-1 ${share(this.#top1)}`,
      `${figure(images / this.#secondsPerStep)} images/s`,
      `${duration(this.#secondsLeft(step))} left`,
      `step ${step}/${steps}`,
      ...(limits === undefined ? [] : [`${limits} limits`]),
    ].join('  ');
  }
}
