import type { Observable } from 'rxjs';
import type { Sample } from '../../../core/index.ts';

/** Samples that may wait while one is worked on. */
const ahead = 8;

/**
 * Samples one by one, for work that takes its time: each keeps its place in the pipeline until the next one is asked for, so
 * nothing is read further ahead than `ahead`. Leaving the loop unsubscribes.
 */
export async function* eachSample(source: Observable<Sample>): AsyncGenerator<Sample, void, undefined> {
  const waiting: Sample[] = [];
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  let wake = (): void => undefined;
  const subscription = source.subscribe({
    next(sample) {
      sample.lease.demand.declare('one by one', ahead);
      sample.lease.hold();
      waiting.push(sample);
      wake();
    },
    error(error) {
      failure = { error };
      wake();
    },
    complete() {
      ended = true;
      wake();
    },
  });
  try {
    for (;;) {
      const sample = waiting.shift();
      if (sample) {
        try {
          yield sample;
        } finally {
          sample.lease.release();
        }
      } else if (failure) throw failure.error;
      else if (ended) return;
      else
        await new Promise<void>(resolve => {
          wake = resolve;
        });
    }
  } finally {
    subscription.unsubscribe();
    for (const sample of waiting) sample.lease.release();
  }
}
