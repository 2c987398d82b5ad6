import { Observable, type OperatorFunction } from 'rxjs';
import type { Batch, CompiledModel, Pass } from '../core/index.ts';
import { HeldLeases } from '../core/index.ts';

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

      const next = () => {
        if (busy || subscriber.closed) return;
        const batch = waiting.shift();
        if (batch) {
          busy = true;
          run(batch).catch(error => subscriber.error(error));
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
          if (subscriber.closed) return;
          const workingMs = performance.now();
          try {
            await model.upload(batch, mode);
          } finally {
            // the pixels are on the device: decoding may use their places again
            meter.keep(-batch.count);
            batchLease.release();
          }
          await model.forward(mode);
          meter.busyMs += performance.now() - workingMs;
          meter.itemsOut += batch.count;
          if (!subscriber.closed)
            subscriber.next({ model, mode, batch: rest, logits: () => model.readLogits(batch.count), lease, startedMs });
        } finally {
          lease.release();
        }
      };

      const subscription = source.subscribe({
        next: batch => {
          const { demand } = batch.lease;
          demand.declare('forward', model.batch);
          const meter = demand.meters.stage('forward');
          meter.bound = model.batch;
          meter.itemsIn += batch.count;
          meter.keep(batch.count);
          batch.lease.hold();
          waiting.push(batch);
          next();
        },
        error: error => subscriber.error(error),
        complete: () => {
          completed = true;
          next();
        },
      });
      return () => {
        subscription.unsubscribe();
        for (const batch of waiting.splice(0)) batch.lease.release();
      };
    });
}
