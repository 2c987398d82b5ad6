import type { Step } from '../../core/index.ts';
import type { EpochEvaluation } from '../definePipeline.ts';
import { color } from './color.ts';
import { duration, figure, fit, share } from './format.ts';
import type { Output } from './output.ts';

/** How often the live line changes, and how often a plain line is written where there is no terminal. */
const liveMs = 100;
const plainMs = 10_000;
/** Weight of the newest step in the smoothed loss, accuracy and speed; more while there are few. */
const newest = 0.05;

/** Tells people how training goes: one live line on a terminal, else a line every ten seconds; and a line an evaluation. */
export class TrainingProgress {
  #steps = 0;
  #loss = Number.NaN;
  #top1 = Number.NaN;
  #secondsPerStep = Number.NaN;
  #lastShown = performance.now();
  readonly #began = performance.now();

  constructor(
    private readonly output: Output,
    private readonly totals: { readonly epochs: number; readonly steps: number; readonly stepsPerEpoch: number },
  ) {}

  step(step: Step): void {
    const weight = Math.max(newest, 1 / ++this.#steps);
    const smooth = (old: number, value: number) => (Number.isNaN(old) ? value : old + weight * (value - old));
    this.#loss = smooth(this.#loss, step.loss);
    this.#top1 = smooth(this.#top1, step.top1);
    this.#secondsPerStep = smooth(this.#secondsPerStep, step.seconds);
    const now = performance.now();
    if (now - this.#lastShown < (this.output.live ? liveMs : plainMs)) return;
    this.#lastShown = now;
    if (this.output.live) this.output.update(this.#line(step, true));
    else this.output.line(this.#line(step, false));
  }

  evaluating(epoch: number): void {
    if (this.output.live) this.output.update(color.dim(`epoch ${epoch + 1}/${this.totals.epochs}  held-out images …`));
  }

  evaluation({ epoch, loss, top1, top5, images, seconds }: EpochEvaluation): void {
    this.output.clear();
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

  #line({ step, epoch, images }: Step, live: boolean): string {
    const { epochs, steps } = this.totals;
    const left = (steps - step) * this.#secondsPerStep;
    const parts = [
      color.bold(`epoch ${epoch + 1}/${epochs}`),
      `loss ${figure(this.#loss)}`,
      `top-1 ${share(this.#top1)}`,
      `${figure(images / this.#secondsPerStep)} images/s`,
      `${duration(left)} left`,
    ];
    if (!live) return [...parts, `step ${step}/${steps}`].join('  ');
    const { columns } = this.output;
    const whole = [parts[0], bar(step / steps, 20), `step ${step}/${steps}`, ...parts.slice(1)];
    const wide = fit(whole, columns);
    return wide === fit(whole, Number.POSITIVE_INFINITY) ? wide : fit(parts, columns);
  }
}

export function bar(done: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, done)) * width);
  return color.cyan('█'.repeat(full)) + color.dim('░'.repeat(width - full));
}
