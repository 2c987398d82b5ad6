import type { Observable } from 'rxjs';
import { fail, show } from '../errors.ts';

/** A learning rate as a pure function of the step and the epoch, both from 0. */
export type Schedule = (step: number, epoch: number) => number;
/** A fixed number, a schedule, or a stream whose latest value counts from the next step on. */
export type LearningRate = number | Schedule | Observable<number>;

/** A learning rate in use. */
export interface LearningRateReader {
  /** The rate of a step; throws a MillraceError if it is not a finite number from 0 up, or the stream has failed. */
  at(step: number, epoch: number): number;
  /** Unsubscribes from a stream. */
  close(): void;
}

/** Refuses what can be seen to be wrong before the first step. `where` names the optimizer. */
export function checkLearningRate(lr: LearningRate, where: string): void {
  if (typeof lr === 'number') checkRate(lr, where);
  else if (typeof lr !== 'function' && typeof lr?.subscribe !== 'function') {
    throw fail(
      'usage',
      where,
      'lr as a number, a function of (step, epoch) or an Observable of numbers',
      show(lr),
      'For instance lr: 0.1.',
    );
  }
}

/** Starts reading: subscribes if it is a stream. A stream that completes leaves its last value. */
export function readLearningRate(lr: LearningRate, where: string): LearningRateReader {
  checkLearningRate(lr, where);
  if (typeof lr === 'number') return { at: () => lr, close: () => undefined };
  if (typeof lr === 'function')
    return { at: (step, epoch) => checkRate(lr(step, epoch), `${where}, step ${step}`), close: () => undefined };
  let latest: number | undefined;
  let failure: { error: unknown } | undefined;
  const subscription = lr.subscribe({
    next: rate => {
      latest = rate;
    },
    error: error => {
      failure = { error };
    },
  });
  return {
    at: step => {
      if (failure) throw failure.error;
      if (latest === undefined) {
        const fix = 'Give the stream a first value: pipe(startWith(0.1)), or a BehaviorSubject.';
        throw fail('state', `${where}, step ${step}`, 'a learning rate from the Observable', 'none so far', fix);
      }
      return checkRate(latest, `${where}, step ${step}`);
    },
    close: () => subscription.unsubscribe(),
  };
}

function checkRate(lr: number, where: string): number {
  if (typeof lr === 'number' && lr >= 0 && Number.isFinite(lr)) return lr;
  throw fail(
    'usage',
    where,
    'a learning rate that is finite and not negative',
    show(lr),
    'Common values are 0.1 for sgd and 0.001 for adam.',
  );
}
