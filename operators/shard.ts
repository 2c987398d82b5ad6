import { type MonoTypeOperatorFunction, Observable } from 'rxjs';
import { isReplay } from '../core/data/pipelineState.ts';
import type { Sample } from '../core/data/sample.ts';
import { fail, show } from '../core/errors.ts';
import { Claims } from './claims.ts';
import { through } from './through.ts';

export interface ShardOptions {
  /**
   * What becomes of the last round of an epoch if it has fewer samples than there are ranks: `pad` (default) gives each rank that
   * would go without the epoch's last sample once more, so that nothing is left out; `drop` leaves the round out for all.
   */
  readonly uneven?: 'pad' | 'drop';
}

/** The part of an epoch that one of several processes trains on: of every `world` samples the one at place `rank`.
 *
 *      in: --a--b--c--d--e--|
 *   shard(0, 2)
 *     out: --a-----c-----e--|
 *   shard(1, 2)
 *     out: -----b-----d-----(e|)      with uneven: 'drop' both end at d, and rank 0 gives out c only when d has come
 *
 * The parts are disjoint but for the padding, together complete but for what is dropped, and of equal length. Taking one sample of each
 * rank in turn gives the order without it, whatever the number of ranks: n ranks with batches of b see in each step what one sees with
 * batches of n × b. So it belongs behind what orders and filters (`shuffle`, `filter`) and before `decode`, and all ranks run the
 * same pipeline with the same seed; samples of other ranks are visited, but never decoded.
 *
 * Bad samples that are skipped leave a rank with fewer; `onError: 'replace'` keeps the numbers equal.
 *
 *  Shapes: as they come.  Order: kept.
 *  Holds: one sample, declared to the demand.  Runs: main thread.  Owns: that sample's lease; gives it back on error and unsubscribe. */
export function shard(rank: number, world: number, { uneven = 'pad' }: ShardOptions = {}): MonoTypeOperatorFunction<Sample> {
  const whole = (value: number) => Number.isInteger(value) && value >= 0;
  if (!whole(world) || world < 1) throw fail('usage', 'shard', 'a number of ranks, 1 or more', show(world), 'Say how many there are.');
  if (!whole(rank) || rank >= world) {
    throw fail('usage', 'shard', `a rank from 0 to ${world - 1}`, show(rank), 'Number the ranks from 0.');
  }
  return source =>
    new Observable(subscriber => {
      let declared: Sample['lease']['demand'] | undefined;
      const claims = new Claims('shard', subscriber);
      let epoch: number | undefined;
      /** Place of the last sample in the order over all ranks. */
      let turn = -1;
      /** `pad`: the last sample while this rank goes without in its round; `drop`: this rank's, until its round is full. */
      let held: Sample | undefined;

      const hold = (sample: Sample | undefined) => {
        sample?.lease.hold();
        held?.lease.release();
        held = sample;
      };
      const giveHeld = () => {
        const sample = held;
        held = undefined;
        if (!sample) return;
        try {
          subscriber.next(sample);
        } finally {
          sample.lease.release();
        }
      };
      const endEpoch = () => {
        if (uneven === 'pad') giveHeld();
        else hold(undefined);
      };
      subscriber.add(() => hold(undefined));

      through(source, subscriber, {
        next(sample) {
          const { demand } = sample.lease;
          if (demand !== declared) {
            declared = demand;
            claims.declare(demand, 1);
          }
          if (sample.epoch !== epoch) {
            endEpoch();
            epoch = sample.epoch;
            const { after } = sample;
            turn = after ? (after.turn ?? (after.consumed ?? 0) - 1) : -1;
          }
          if (isReplay(sample)) {
            subscriber.next(sample);
            return;
          }
          turn++;
          const place = turn % world;
          const last = place === world - 1;
          if (uneven === 'drop') {
            if (place === rank) hold({ ...sample, turn });
            if (last) giveHeld();
            return;
          }
          if (place === rank) {
            hold(undefined);
            subscriber.next({ ...sample, turn });
          } else if (place < rank) hold({ ...sample, turn: turn - place + rank });
        },
        complete() {
          endEpoch();
          subscriber.complete();
        },
      });
    });
}
