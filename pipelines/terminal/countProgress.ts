import { bar } from './block.ts';
import { color } from './color.ts';
import { duration, figure, fit } from './format.ts';
import type { Output } from './output.ts';

const liveMs = 100;
const plainMs = 10_000;

/** How far a walk over many images is: a live line on a terminal, else a line every ten seconds. */
export class CountProgress {
  done = 0;
  readonly #began = performance.now();
  #lastShown = performance.now();

  /** @param total undefined where it is not known before. */
  constructor(
    private readonly output: Output,
    private readonly what: string,
    private readonly total: number | undefined,
  ) {}

  /** One more; `more` is said after the count. */
  step(more: () => string): void {
    this.done++;
    const now = performance.now();
    if (now - this.#lastShown < (this.output.live ? liveMs : plainMs)) return;
    this.#lastShown = now;
    const rate = this.done / ((now - this.#began) / 1000);
    const of = this.total === undefined ? '' : `/${this.total.toLocaleString('en-US')}`;
    const parts = [
      color.bold(this.what),
      ...(this.total !== undefined && this.output.live ? [bar(this.done / this.total, 20)] : []),
      `${this.done.toLocaleString('en-US')}${of} images`,
      ...(this.total === undefined ? [] : [`${duration((this.total - this.done) / rate)} left`]),
      more(),
      `${figure(rate)} images/s`,
    ];
    if (this.output.live) this.output.update(() => fit(parts, this.output.liveColumns));
    else this.output.line(parts.join('  '));
  }
}
