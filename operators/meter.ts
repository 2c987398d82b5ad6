import { type MonoTypeOperatorFunction, Observable } from 'rxjs';
import type { MeterSet } from '../core/meter.ts';
import { charge } from '../core/profile/mainThread.ts';
import { traceStage } from '../core/profile/trace.ts';
import { countOf, metersOf } from './metered.ts';
import { through } from './through.ts';

/** Counts what passes any place of a pipeline, as a stage of its own in the table of stages.
 *      in:  --a--b--c--|
 *   meter('after filter')
 *     out:  --a--b--c--|
 *  Counts a sample as 1 and a batch as its number of samples; its work is what operators that are no stages do right behind it.
 *  Shapes, order: as they come.  Holds: nothing.  Runs: main thread.  Owns: nothing.
 *  Samples and batches bring the meters of their pipeline along; give `meters` where something else flows.
 *  See also: {@link metered}, which measures an operator of your own. */
export function meter<T>(name: string, { meters }: { readonly meters?: MeterSet } = {}): MonoTypeOperatorFunction<T> {
  return source =>
    new Observable<T>(subscriber => {
      let set = meters;
      through(source, subscriber, {
        next(value) {
          set ??= metersOf(value, `meter("${name}")`);
          const stage = set.stage(name);
          stage.passive = true;
          stage.pass(countOf(value));
          traceStage(set, name, value);
          const outer = charge(stage.main);
          try {
            subscriber.next(value);
          } finally {
            charge(outer);
          }
        },
      });
    });
}
