import { type MonoTypeOperatorFunction, Observable } from 'rxjs';
import type { Demand } from '../core/data/demand.ts';
import type { Sample } from '../core/data/sample.ts';
import { fail } from '../core/errors.ts';
import type { Meter } from '../core/meter.ts';
import { charge } from '../core/profile/mainThread.ts';
import { hash, purpose } from '../core/random.ts';
import { handOn } from './charged.ts';
import { through } from './through.ts';

/** Shuffles with a buffer: keeps `buffer` samples and gives out one of them, drawn at random, for each that comes.
 *
 *      in: --a--b--c--d|
 *   shuffle({ buffer: 2 })
 *     out: --------a--b(dc|)
 *
 * The draws are hashes of (seed, epoch, position), so an epoch's order depends on nothing else: not on timing, nor on what follows.
 * A buffer as large as an epoch shuffles perfectly; a smaller one only nearby, so it needs shards that are mixed already.
 *
 *  Shapes: as they come.  Order: shuffled within an epoch; epochs never mix. A new epoch's samples wait until the old one's are
 *  out: each one that comes pushes one of the old out, so that nobody downstream is flooded.
 *  Holds: at most `buffer` samples, declared to the demand.  Runs: main thread.
 *  Owns: leases of what it keeps; gives them back on error and unsubscribe. When the source completes, the rest goes out as
 *  far as downstream has room.
 *  See also: {@link epochs}; `order: 'random'` of {@link imageFolder}. */
export function shuffle({ buffer }: { buffer: number }): MonoTypeOperatorFunction<Sample> {
  if (!Number.isInteger(buffer) || buffer < 1) {
    throw fail(
      'usage',
      'shuffle',
      'a buffer of at least 1 sample',
      String(buffer),
      'Take as large a buffer as memory allows, at best one epoch.',
    );
  }
  return source =>
    new Observable(subscriber => {
      // Oldest epoch first; nearly always one, two while an epoch ends.
      const rounds: Round[] = [];
      let kept = 0;
      let demand: Demand | undefined;
      let meter: Meter | undefined;

      subscriber.add(() => {
        for (const { samples, entered } of rounds) {
          for (const [i, sample] of samples.entries()) {
            meter?.drop(1, entered[i]);
            sample.lease.release();
          }
        }
        rounds.length = 0;
        kept = 0;
      });

      const keep = (sample: Sample, enteredMs: number) => {
        sample.lease.hold();
        let round = rounds.at(-1);
        if (round?.epoch !== sample.epoch || round.seed !== sample.seed) {
          round = { epoch: sample.epoch, seed: sample.seed, samples: [], entered: [], given: 0 };
          rounds.push(round);
        }
        round.samples.push(sample);
        round.entered.push(enteredMs);
        kept++;
      };

      const give = () => {
        // An epoch that is out is dropped only now: with a buffer of one it is empty between its own samples too.
        while (rounds[0].samples.length === 0) rounds.shift();
        const round = rounds[0];
        const { samples, entered } = round;
        const drawn = hash(round.seed, round.epoch, round.given++, purpose.shuffle) / 2 ** 32;
        const place = Math.floor(drawn * samples.length);
        const sample = samples[place];
        meter!.leave(1, entered[place]);
        const last = samples.pop()!;
        const lastMs = entered.pop()!;
        if (place < samples.length) {
          samples[place] = last;
          entered[place] = lastMs;
        }
        kept--;
        try {
          handOn(meter!, subscriber, sample);
        } finally {
          sample.lease.release();
        }
      };

      /** Gives out what is left. Declaring less and less leaves the stages after this one exactly the room that they declared. */
      const drain = () => {
        while (kept > 0 && !subscriber.closed) {
          demand!.declare('shuffle', kept);
          if (!demand!.room) {
            void demand!.whenRoom().then(drain);
            return;
          }
          give();
        }
        demand?.declare('shuffle', 0);
        subscriber.complete();
      };

      through(source, subscriber, {
        next(sample) {
          if (sample.lease.demand !== demand) {
            demand = sample.lease.demand;
            meter = demand.meters.stage('shuffle');
            meter.passive = true;
            meter.bound = buffer;
            demand.declare('shuffle', buffer);
          }
          const outer = charge(meter!.main);
          try {
            if (kept === buffer) give();
            const enteredMs = meter!.enter(1);
            if (subscriber.closed) meter!.drop(1, enteredMs);
            else keep(sample, enteredMs);
          } finally {
            charge(outer);
          }
        },
        complete: drain,
      });
    });
}

/** The samples of one epoch that are kept, and how many of it went out. */
interface Round {
  readonly epoch: number;
  readonly seed: number;
  readonly samples: Sample[];
  /** When each of them came, for the meter. */
  readonly entered: number[];
  given: number;
}
