import { Observable, type OperatorFunction } from 'rxjs';
import type { PipelineState } from '../core/data/pipelineState.ts';
import type { Pixels, Sample } from '../core/data/sample.ts';
import { traceStage } from '../core/profile/trace.ts';
import { handOn } from './charged.ts';
import { InOrder } from './inOrder.ts';
import { through } from './through.ts';

/** Waits for the pixels of single samples, for code that wants to look at them.
 *      in:  --A--B--C--|
 *   pixels()
 *     out:  ----a--b--c-|        a = A with `pixels` and `state`
 *  Shapes: uint8 [H,W,C].  Order: kept.  Bad samples: as `decode`'s onError says.
 *  Holds: the samples whose pixels are not there yet or wait for an earlier one; as many as the stages before it declared.
 *  Runs: main thread.  Owns: nothing; the pixels are valid inside `next`, and longer for whoever holds the lease. */
export function pixels(): OperatorFunction<Sample, Sample & { readonly pixels: Pixels; readonly state: PipelineState }> {
  return source =>
    new Observable(subscriber => {
      const order = new InOrder('pixels', subscriber, {
        good(sample, pixels, state, enteredMs) {
          const meter = sample.lease.demand.meters.stage('pixels');
          meter.leave(1, enteredMs);
          traceStage(sample.lease.demand.meters, 'pixels', sample, enteredMs);
          try {
            handOn(meter, subscriber, { ...sample, pixels, state });
          } finally {
            sample.lease.release();
          }
        },
      });
      subscriber.add(() => order.close());
      through(source, subscriber, { next: sample => order.push(sample), complete: () => order.complete() });
    });
}
