import { Observable, type OperatorFunction } from 'rxjs';
import type { Pass } from '../core/index.ts';

/**
 * The shape that backward and optimize share: holds each pass while asynchronous work on it runs, in order, then hands on
 * what came of it. At most one pass is alive at a time, so nothing queues here. Metered as `stage`.
 */
export function onPass<T>(stage: string, work: (pass: Pass) => Promise<T>): OperatorFunction<Pass, T> {
  return source =>
    new Observable(subscriber => {
      let running = 0;
      let completed = false;
      let idleSince = performance.now();

      const run = async (pass: Pass) => {
        const meter = pass.lease.demand.meters.stage(stage);
        const { count } = pass.batch;
        meter.itemsIn += count;
        meter.keep(count);
        const startedMs = performance.now();
        meter.waitUpstreamMs += startedMs - idleSince;
        try {
          const result = await work(pass);
          meter.busyMs += performance.now() - startedMs;
          meter.itemsOut += count;
          if (!subscriber.closed) subscriber.next(result);
        } finally {
          idleSince = performance.now();
          meter.keep(-count);
          pass.lease.release();
        }
      };

      const subscription = source.subscribe({
        next: pass => {
          pass.lease.hold();
          running++;
          run(pass)
            .catch(error => subscriber.error(error))
            .finally(() => {
              running--;
              if (completed && running === 0) subscriber.complete();
            });
        },
        error: error => subscriber.error(error),
        complete: () => {
          completed = true;
          if (running === 0) subscriber.complete();
        },
      });
      return () => subscription.unsubscribe();
    });
}
