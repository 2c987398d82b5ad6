import { Observable, type OperatorFunction } from 'rxjs';
import type { Pass } from '../core/index.ts';
import { handOn } from './charged.ts';
import { through } from './through.ts';

/**
 * The shape that backward, optimize and evaluate share: holds each pass while asynchronous work on it runs, in order, then hands on
 * what came of it. At most one pass is alive at a time, so nothing queues here. Metered as `stage`.
 */
export function onPass<T>(stage: string, work: (pass: Pass) => Promise<T>): OperatorFunction<Pass, T> {
  return source =>
    new Observable(subscriber => {
      let running = 0;
      let completed = false;

      const run = async (pass: Pass) => {
        const { meters } = pass.lease.demand;
        const meter = meters.stage(stage);
        const { count } = pass.batch;
        const startedMs = performance.now();
        meter.runs = 'device';
        const enteredMs = meter.enter(count);
        let done = false;
        try {
          const result = await work(pass);
          meter.leave(count, enteredMs);
          const endedMs = performance.now();
          meter.busyMs += endedMs - startedMs;
          const { epoch, index } = pass.batch;
          meters.trace?.add({ track: stage, kind: 'stage', name: stage, beganMs: startedMs, endedMs, batch: { epoch, index, count } });
          done = true;
          if (!subscriber.closed) handOn(meter, subscriber, result);
        } catch (error) {
          // before the pass is given back: no other may begin
          subscriber.error(error);
        } finally {
          if (!done) meter.drop(count, enteredMs);
          pass.lease.release();
        }
      };

      through(source, subscriber, {
        next(pass) {
          pass.lease.hold();
          running++;
          void run(pass).then(() => {
            running--;
            if (completed && running === 0) subscriber.complete();
          });
        },
        complete() {
          completed = true;
          if (running === 0) subscriber.complete();
        },
      });
    });
}
