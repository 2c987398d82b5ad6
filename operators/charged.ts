import type { Subscriber } from 'rxjs';
import type { Meter } from '../core/meter.ts';
import { charge } from '../core/profile/mainThread.ts';

/** Does what a stage has to do on the main thread, in its account. */
export function charged(meter: Meter, work: () => void): void {
  const outer = charge(meter.main);
  try {
    work();
  } finally {
    charge(outer);
  }
}

/** Gives a value to what follows, whose time is not this stage's: another stage charges itself, and what is none counts as `behind`. */
export function handOn<T>(meter: Meter, subscriber: Subscriber<T>, value: T): void {
  const own = charge(meter.behind);
  try {
    subscriber.next(value);
  } finally {
    charge(own);
  }
}
