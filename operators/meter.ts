import { type MonoTypeOperatorFunction, Observable } from 'rxjs';
import { fail } from '../core/errors.ts';
import type { Meter, MeterSet } from '../core/meter.ts';
import { through } from './through.ts';

/** Counts what passes any place of a pipeline, as a stage of its own in the table of stages.
 *      in:  --a--b--c--|
 *   meter('after filter')
 *     out:  --a--b--c--|
 *  Counts a sample as 1 and a batch as its number of samples; busy time is what the stages behind it spend inside `next`.
 *  Shapes, order: as they come.  Holds: nothing.  Runs: main thread.  Owns: nothing.
 *  Samples and batches bring the meters of their pipeline along; give `meters` where something else flows. */
export function meter<T>(name: string, { meters }: { readonly meters?: MeterSet } = {}): MonoTypeOperatorFunction<T> {
  return source =>
    new Observable<T>(subscriber => {
      let stage: Meter | undefined = meters?.stage(name);
      let idleSince = performance.now();
      through(source, subscriber, {
        next(value) {
          stage ??= metersOf(value, name).stage(name);
          const count = countOf(value);
          const began = performance.now();
          stage.waitUpstreamMs += began - idleSince;
          stage.itemsIn += count;
          subscriber.next(value);
          stage.itemsOut += count;
          idleSince = performance.now();
          stage.busyMs += idleSince - began;
        },
      });
    });
}

function metersOf(value: unknown, name: string): MeterSet {
  const { lease } = Object(value) as { lease?: { demand?: { meters?: MeterSet } } };
  const meters = lease?.demand?.meters;
  if (!meters)
    throw fail(
      'state',
      `meter("${name}")`,
      'samples or batches, which carry meters',
      'a value without a lease',
      'Pass { meters }, or put it before the stage that unpacks batches.',
    );
  return meters;
}
function countOf(value: unknown): number {
  const { count } = Object(value) as { count?: unknown };
  return typeof count === 'number' ? count : 1;
}
