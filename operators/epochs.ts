import { type MonoTypeOperatorFunction, Observable } from 'rxjs';
import type { Demand } from '../core/data/demand.ts';
import { type EpochScope, epochScope } from '../core/data/epochScope.ts';
import { type PipelineState, resumedIn } from '../core/data/pipelineState.ts';
import type { Sample } from '../core/data/sample.ts';
import { fail } from '../core/errors.ts';
import { through } from './through.ts';

/** Repeats a cold source once per epoch, and stamps every sample with its epoch and the seed of the run.
 *
 *      in: --a--b|
 *   epochs(2)
 *     out: --a--b--A--B|      a, b: epoch 0; A, B: epoch 1
 *
 * `count` epochs, Infinity allowed, numbered from `from`: a run of 30 that stopped after 12 goes on with `epochs(18, { seed, from: 12 })`.
 * From a state (of a batch or a step) it goes on in the middle of one: `epochs(30 - state.epoch, { from: state })`.
 * The next epoch starts as soon as the source has completed; samples of the last one may still be inside.
 *
 *  Shapes: as they come.  Order: kept, epoch after epoch.  Holds: nothing.  Runs: main thread.
 *  Owns: one subscription to the source at a time. Sources subscribed to in here share one demand, that of the first, so that the
 *  bound holds across epochs. A source that subscribes later than its epoch began (the second of a `concat`) brings its own
 *  demand and epoch 0; its samples are stamped here all the same.
 *  Errors: those of the source, at once; with Infinity also an epoch without a sample, which would go round for ever.
 *  See also: {@link shuffle}. */
export function epochs(
  count: number,
  { seed, from = 0 }: { readonly seed?: number; readonly from?: number | PipelineState } = {},
): MonoTypeOperatorFunction<Sample> {
  if (!(count >= 0) || (count !== Number.POSITIVE_INFINITY && !Number.isInteger(count))) {
    throw fail('usage', 'epochs', 'a count from 0, or Infinity', String(count), 'Say how many times to go through the data.');
  }
  const state = typeof from === 'number' ? undefined : from;
  const first = typeof from === 'number' ? from : from.epoch;
  const stamped = seed ?? state?.seed ?? 0;
  resumedIn({ seed: stamped, epoch: first }, state);
  return source =>
    new Observable(subscriber => {
      let epoch = first;
      let demand: Demand | undefined;
      let running = false;
      let again = false;

      // A source that completes while it is being subscribed to must not recurse: it only asks the loop to go round.
      const advance = () => {
        again = true;
        if (running) return;
        running = true;
        while (again && !subscriber.closed) {
          again = false;
          if (epoch - first >= count) subscriber.complete();
          else start(epoch);
        }
        running = false;
      };

      const start = (current: number) => {
        let samples = 0;
        const scope: EpochScope = { epoch: current, seed: stamped, demand, ...(state && current === first && { from: state }) };
        epochScope.within(scope, () =>
          through(source, subscriber, {
            next(sample) {
              samples++;
              if (scope.from) checkOneSource(scope, sample);
              subscriber.next(sample.epoch === current && sample.seed === stamped ? sample : { ...sample, epoch: current, seed: stamped });
            },
            complete() {
              // nothing may be left of the one that was resumed
              if (samples === 0 && count === Number.POSITIVE_INFINITY && !scope.from) {
                const fix = 'Check the data and the filters before epochs.';
                throw fail('data', 'epochs(Infinity)', 'at least one sample an epoch', `none in epoch ${current}`, fix);
              }
              demand = scope.demand;
              epoch++;
              advance();
            },
          }),
        );
      };

      advance();
    });
}

/** Positions are of one source; with several it is not known how far each of them was. */
function checkOneSource({ from, resumed = 0 }: EpochScope, { after }: Sample): void {
  if (from!.position < 0 || (resumed === 1 && after)) return;
  const got = resumed > 1 ? 'sources that are merged' : resumed === 1 ? 'sources one after the other' : 'one that knows nothing of states';
  const fix = 'Go on at the beginning of an epoch: from: { seed, epoch, position: -1 }.';
  throw fail('usage', 'epochs', "one of Millrace's sources, to go on inside an epoch", got, fix);
}
