import { defer, EMPTY, type Observable, of, repeat } from 'rxjs';
import type { PipelineContext } from './definePipeline.ts';

/**
 * Runs one epoch after the other, from where the run begins until nothing is left to do: the next is asked for only when the
 * last has completed, so that --steps and Ctrl-C end the run between two of them.
 */
export function eachEpoch<T>(
  { start, options, finished }: Pick<PipelineContext, 'start' | 'finished'> & { readonly options: { readonly epochs: number } },
  run: (epoch: number) => Observable<T>,
): Observable<T> {
  return defer(() => {
    let epoch = start.epoch;
    const left = () => epoch < options.epochs && !finished(epoch);
    if (!left()) return EMPTY;
    return defer(() => run(epoch++)).pipe(repeat({ delay: () => (left() ? of(true) : EMPTY) }));
  });
}
