import { Observable, type OperatorFunction } from 'rxjs';
import type { Batch, CompiledModel, Pass } from '../core/index.ts';
import { HeldLeases } from '../core/index.ts';
import { handOn } from './charged.ts';
import { Claims } from './claims.ts';
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
      const waiting: { readonly batch: Batch; readonly enteredMs: number }[] = [];
      const claims = new Claims('forward', subscriber);
      let busy = false;
      let completed = false;

      const next = () => {
        if (busy || subscriber.closed) return;
        const first = waiting.shift();
        if (first) {
          busy = true;
          void run(first);
        } else if (completed) subscriber.complete();
      };

      const run = async ({ batch, enteredMs }: (typeof waiting)[number]) => {
        const meter = batch.lease.demand.meters.stage('forward');
        const { lease: batchLease, cells: _, ...rest } = batch;
        const { meters } = batchLease.demand;
        const startedMs = performance.now();
        // another pipeline may be training the model
        meter.stands('downstream');
        const unlock = await model.lock.acquire();
        const lease = new HeldLeases(batchLease.demand, () => {
          unlock();
          busy = false;
          if (waiting.length === 0) meter.stands('upstream');
          next();
        });
        let done = false;
        try {
          if (subscriber.closed) {
            batchLease.release();
            return;
          }
          for (const watcher of model.watchers) watcher.batch?.(batch, mode);
          const workingMs = performance.now();
          meter.works();
          meters.uses(model.meter);
          try {
            await model.upload(batch, mode, meter.main);
          } finally {
            // the pixels are on the device: decoding may use their places again
            batchLease.release();
          }
          await model.forward(mode);
          const endedMs = performance.now();
          meter.busyMs += endedMs - workingMs;
          const { epoch, index, count } = batch;
          meters.trace?.add({
            track: 'forward',
            kind: 'stage',
            name: 'forward',
            beganMs: workingMs,
            endedMs,
            batch: { epoch, index, count },
          });
          meter.leave(batch.count, enteredMs);
          done = true;
          // until the pass is given back
          meter.stands('downstream');
          if (subscriber.closed) return;
          const pass: Pass = { model, mode, batch: rest, logits: () => model.readLogits(batch.count), lease, startedMs };
          for (const watcher of model.watchers) watcher.pass?.(pass);
          handOn(meter, subscriber, pass);
        } catch (error) {
          // before the model is given back: no other pass may begin
          subscriber.error(error);
        } finally {
          if (!done) meter.drop(batch.count, enteredMs);
          lease.release();
        }
      };

      subscriber.add(() => {
        for (const { batch, enteredMs } of waiting.splice(0)) {
          batch.lease.demand.meters.stage('forward').giveBack(batch.count, enteredMs);
          batch.lease.release();
        }
      });
      through(source, subscriber, {
        next(batch) {
          const { demand } = batch.lease;
          claims.declare(demand, model.batch);
          const meter = demand.meters.stage('forward');
          // places belong to the whole pipeline: without a prefetch before it, what the others need not keep waits here
          meter.bound = demand.bound;
          meter.runs = 'device';
          batch.lease.hold();
          waiting.push({ batch, enteredMs: meter.enter(batch.count) });
          next();
        },
        complete() {
          completed = true;
          next();
        },
      });
    });
}
