/**
 * Learning rates as pure functions of the step (from 0), so that a resumed run goes on where it stopped. The formulas are
 * PyTorch's; past their end the last three stay at their last value.
 */
import { fail, show } from '../errors.ts';
import type { Schedule } from './learningRate.ts';

/** Always `lr`. */
export function constant(lr: number): Schedule {
  check('constant', 'lr', lr, 0);
  return () => lr;
}

/** `lr`, multiplied by `factor` after every `every` steps (PyTorch's StepLR). */
export function stepDecay(lr: number, every: number, factor = 0.1): Schedule {
  check('stepDecay', 'lr', lr, 0);
  check('stepDecay', 'every', every, 1);
  check('stepDecay', 'factor', factor, 0);
  return step => lr * factor ** Math.floor(step / every);
}

export interface CosineOptions {
  /** Steps of linear warm-up before the cosine, which then takes the rest. */
  warmup?: number;
  /** Share of `lr` that the warm-up starts at. */
  warmupFactor?: number;
  /** Where the cosine ends. */
  final?: number;
}

/** From `lr` down to `final` along half a cosine, `total` steps in all (LinearLR, then CosineAnnealingLR; Loshchilov and Hutter 2017). */
export function cosine(lr: number, total: number, { warmup = 0, warmupFactor = 0.01, final = 0 }: CosineOptions = {}): Schedule {
  check('cosine', 'lr', lr, 0);
  check('cosine', 'total', total, 1);
  check('cosine', 'warmup', warmup, 0, total);
  check('cosine', 'warmupFactor', warmupFactor, 0, 1);
  check('cosine', 'final', final, 0);
  return step => {
    if (step < warmup) return lr * (warmupFactor + (1 - warmupFactor) * (step / warmup));
    return anneal(lr, final, total > warmup ? (step - warmup) / (total - warmup) : 1);
  };
}

export interface OneCycleOptions {
  /** Share of the steps that rise. */
  warmup?: number;
  /** It starts at max / div … */
  div?: number;
  /** … and ends at max / (div · finalDiv). */
  finalDiv?: number;
}

/** Up to `max` and down again, both along half a cosine, in `total` steps (PyTorch's OneCycleLR; Smith and Topin 2018). */
export function oneCycle(max: number, total: number, { warmup = 0.3, div = 25, finalDiv = 1e4 }: OneCycleOptions = {}): Schedule {
  check('oneCycle', 'max', max, 0);
  check('oneCycle', 'total', total, 1);
  check('oneCycle', 'warmup', warmup, 0, 1);
  check('oneCycle', 'div', div, 1);
  check('oneCycle', 'finalDiv', finalDiv, 1);
  const first = max / div;
  const last = first / finalDiv;
  // the steps that have exactly the largest and the last rate; a cycle that is all fall starts at the top
  const top = Math.max(0, warmup * total - 1);
  const end = Math.max(top, total - 1);
  return step => {
    if (step < top) return anneal(first, max, step / top);
    return anneal(max, last, end > top ? (step - top) / (end - top) : 0);
  };
}

/** Half a cosine from one value to another; `share` of the way, held at the end. */
function anneal(from: number, to: number, share: number): number {
  return to + ((from - to) / 2) * (1 + Math.cos(Math.PI * Math.min(1, share)));
}

function check(where: string, option: string, value: number, from: number, to = Number.POSITIVE_INFINITY): void {
  if (typeof value === 'number' && Number.isFinite(value) && value >= from && value <= to) return;
  const range = to === Number.POSITIVE_INFINITY ? `a finite ${option} from ${from} up` : `${option} from ${from} to ${to}`;
  throw fail('usage', where, range, show(value), `Change ${option}.`);
}
