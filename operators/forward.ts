import { Observable, type OperatorFunction } from 'rxjs';
import type { Batch, CompiledModel, Pass } from '../core/index.ts';
import { HeldLeases } from '../core/index.ts';
import { through } from './through.ts';

/** Runs the model on each batch.
 *      in:  --a-----b---c|
 *   forward(model)
 *     out:  ----x-----y---z|      x = the pass of a
 *  Shapes: [N,H,W,C] u8 → a pass with [N,classes] f32 on the device.  Order: kept.
 *  Holds: the batches that wait (declares one batch to the demand), and one pass at a time: the next begins when nobody
 *  holds this one any more, since both use the same memory.
 *  Runs: on the model's device.  Owns: gives waiting batches back on error or unsubscribe; the model is the caller's.
 *  In mode 'train' a batch must be as large as the model's; in mode 'evaluate' it may be smaller. */
export function forward(model: CompiledModel, { mode = 'train' }: { mode?: 'train' | 'evaluate' } = {}): OperatorFunction<Batch, Pass> {
  return source =>
    new Observable(subscriber => {
      const waiting: Batch[] = [];
      let busy = false;
      let completed = false;
      let idleSince = performance.now();

      const drop = (batch: Batch) => {
        batch.lease.demand.meters.stage('forward').keep(-batch.count);
        batch.lease.release();
      };

      const next = () => {
        if (busy || subscriber.closed) return;
        const batch = waiting.shift();
        if (batch) {
          busy = true;
          void run(batch);
        } else if (completed) subscriber.complete();
      };

      const run = async (batch: Batch) => {
        const meter = batch.lease.demand.meters.stage('forward');
        const { lease: batchLease, cells: _, ...rest } = batch;
        const startedMs = performance.now();
        meter.waitUpstreamMs += startedMs - idleSince;
        const unlock = await model.lock.acquire();
        const lease = new HeldLeases(batchLease.demand, () => {
          unlock();
          busy = false;
          idleSince = performance.now();
          next();
        });
        try {
          if (subscriber.closed) {
            drop(batch);
            return;
          }
          for (const watcher of model.watchers) watcher.batch?.(batch, mode);
          const workingMs = performance.now();
          try {
            await model.upload(batch, mode);
          } finally {
            // the pixels are on the device: decoding may use their places again
            drop(batch);
          }
          await model.forward(mode);
          meter.busyMs += performance.now() - workingMs;
          meter.itemsOut += batch.count;
          if (subscriber.closed) return;
          const pass: Pass = { model, mode, batch: rest, logits: () => model.readLogits(batch.count), lease, startedMs };
          for (const watcher of model.watchers) watcher.pass?.(pass);
          subscriber.next(pass);
        } catch (error) {
          // before the model is given back: no other pass may begin
          subscriber.error(error);
        } finally {
          lease.release();
        }
      };

      subscriber.add(() => {
        for (const batch of waiting.splice(0)) drop(batch);
      });
      through(source, subscriber, {
        next(batch) {
          const { demand } = batch.lease;
          demand.declare('forward', model.batch);
          const meter = demand.meters.stage('forward');
          // places belong to the whole pipeline: without a prefetch before it, what the others need not keep waits here
          meter.bound = demand.bound;
          meter.itemsIn += batch.count;
          meter.keep(batch.count);
          batch.lease.hold();
          waiting.push(batch);
          next();
        },
        complete() {
          completed = true;
          next();
        },
      });
    });
}
