import { Observable, type OperatorFunction } from 'rxjs';
import type { Demand } from '../core/data/demand.ts';
import type { Batch } from '../core/data/sample.ts';
import { HeldLeases } from '../core/data/sharedLease.ts';
import { fail, show } from '../core/errors.ts';
import { traceStage } from '../core/profile/trace.ts';
import { charged, handOn } from './charged.ts';
import { Claims } from './claims.ts';
import { through } from './through.ts';

/** Keeps batches ready ahead of a slow consumer and hands them on one at a time: the next one follows when the one
 *  before has been released. It paces whatever comes after it and gives the workers something to do meanwhile.
 *      in:  --x-y-z----------|
 *   prefetch(2)
 *     out:  --x-----y-----z|         x released where y is handed on
 *  Shapes: as they come.  Order: kept.  Holds: `batches` more than would be inside without it (it declares batches × batch size).
 *  A consumer that does not hold a batch's lease gets the next one at once.
 *  Runs: main thread.  Owns: gives waiting batches back on error or unsubscribe. */
export function prefetch(batches: number): OperatorFunction<Batch, Batch> {
  if (!Number.isInteger(batches) || batches < 1)
    throw fail('usage', 'prefetch', 'a number of batches, 1 or more', show(batches), 'Change the number.');
  return source =>
    new Observable<Batch>(subscriber => {
      const waiting: { readonly batch: Batch; readonly enteredMs: number }[] = [];
      let inUse = false;
      let handing = false;
      let ended = false;
      let declared: Demand | undefined;
      const claims = new Claims(`prefetch(${batches})`, subscriber);
      /** After each change of `waiting` or `inUse`. */
      const account = (): void => {
        const meter = declared?.meters.stage('prefetch');
        if (!inUse && waiting.length === 0) meter?.stands('upstream');
        else if (inUse && waiting.length >= batches) meter?.stands('downstream');
        else meter?.works();
      };
      const hand = ({ batch, enteredMs }: (typeof waiting)[number]): void => {
        const meter = batch.lease.demand.meters.stage('prefetch');
        meter.leave(batch.count, enteredMs);
        traceStage(batch.lease.demand.meters, 'prefetch', batch, enteredMs);
        inUse = true;
        account();
        const lease = new HeldLeases(batch.lease.demand, () => {
          inUse = false;
          batch.lease.release();
          pump();
          account();
        });
        try {
          handOn(meter, subscriber, { ...batch, lease });
        } finally {
          lease.release();
        }
      };
      const pump = (): void => {
        if (handing) return;
        handing = true;
        while (!inUse && waiting.length > 0 && !subscriber.closed) {
          hand(waiting.shift() as (typeof waiting)[number]);
        }
        handing = false;
        if (!ended || waiting.length > 0) return;
        claims.end();
        subscriber.complete();
      };
      subscriber.add(() => {
        for (const { batch, enteredMs } of waiting.splice(0)) {
          batch.lease.demand.meters.stage('prefetch').giveBack(batch.count, enteredMs);
          batch.lease.release();
        }
      });
      through(source, subscriber, {
        next(batch) {
          const { demand } = batch.lease;
          const meter = demand.meters.stage('prefetch');
          if (demand !== declared) {
            declared = demand;
            claims.declare(demand, batches * batch.count);
          }
          // places belong to the whole pipeline: when the consumer stops, all that other stages need not keep ends up here
          meter.bound = demand.bound;
          batch.lease.hold();
          waiting.push({ batch, enteredMs: meter.enter(batch.count) });
          account();
          charged(meter, pump);
        },
        complete() {
          ended = true;
          pump();
        },
      });
    });
}
