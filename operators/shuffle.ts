import { type MonoTypeOperatorFunction, Observable } from 'rxjs';
import type { Demand } from '../core/data/demand.ts';
import { severalShuffles, shuffleRank } from '../core/data/pipelineState.ts';
import { RankedSamples } from '../core/data/rankedSamples.ts';
import type { Sample } from '../core/data/sample.ts';
import { fail } from '../core/errors.ts';
import type { Meter } from '../core/meter.ts';
import { charge } from '../core/profile/mainThread.ts';
import { traceStage } from '../core/profile/trace.ts';
import { handOn } from './charged.ts';
import { Claims } from './claims.ts';
import { through } from './through.ts';

/** Shuffles with a buffer: the source's positions in blocks of `buffer`, each block in an order drawn at random. While one block goes
 * out, the next comes in: for each sample that comes, one goes.
 *
 *      in: --a--b--c--d|
 *   shuffle({ buffer: 2 })
 *     out: --------a--b(dc|)
 *
 * A sample's rank in its block is a hash of (seed, epoch, position) and nothing else: not of timing, nor of what a filter left out or what
 * follows. So the order can be resumed behind any sample (`from`) without the buffer's contents being kept.
 * A state that was taken behind two of them cannot be gone on from inside an epoch.
 * A buffer as large as an epoch shuffles perfectly; a smaller one only nearby, so it needs shards that are mixed already.
 *
 *  Shapes: as they come.  Order: shuffled within an epoch; epochs never mix. A new epoch's samples wait until the old one's are
 *  out, so that nobody downstream is flooded.
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
      // Oldest block first; mostly two, one that goes out and one that comes in.
      const rounds: Round[] = [];
      /** A block that is out: its memory serves the next. */
      let spare: RankedSamples | undefined;
      let kept = 0;
      let demand: Demand | undefined;
      let meter: Meter | undefined;
      const claims = new Claims('shuffle', subscriber);

      subscriber.add(() => {
        for (const { samples } of rounds) {
          while (samples.size > 0) {
            const { sample, enteredMs } = samples.take();
            meter?.giveBack(1, enteredMs);
            sample.lease.release();
          }
        }
        rounds.length = 0;
        kept = 0;
      });

      const keep = (sample: Sample, enteredMs: number) => {
        sample.lease.hold();
        const { seed, epoch, position } = sample;
        const block = Math.floor(position / buffer);
        let round = rounds.at(-1);
        // a block that is over may come again where sources were merged: it goes out with the one that is coming in
        if (round?.epoch !== epoch || round.seed !== seed || round.block < block) {
          round = { epoch, seed, block, samples: spare ?? new RankedSamples() };
          spare = undefined;
          rounds.push(round);
        }
        round.samples.add(shuffleRank(seed, epoch, position), sample, enteredMs);
        kept++;
      };

      const give = () => {
        const [{ samples }] = rounds;
        const { sample, enteredMs } = samples.take();
        if (samples.size === 0) {
          rounds.shift();
          spare = samples;
        }
        meter!.leave(1, enteredMs);
        // it keeps thousands at a time: shown is when one leaves
        const { meters } = sample.lease.demand;
        traceStage(meters, 'shuffle', sample);
        kept--;
        try {
          handOn(meter!, subscriber, { ...sample, buffer: sample.buffer === undefined ? buffer : severalShuffles });
        } finally {
          sample.lease.release();
        }
      };

      /** Gives out what is left. Declaring less and less leaves the stages after this one exactly the room that they declared. */
      const drain = () => {
        while (kept > 0 && !subscriber.closed) {
          claims.declare(demand!, kept);
          if (!demand!.room) {
            void demand!.whenRoom().then(drain);
            return;
          }
          give();
        }
        if (demand) claims.declare(demand, 0);
        claims.end();
        subscriber.complete();
      };

      through(source, subscriber, {
        next(sample) {
          if (sample.lease.demand !== demand) {
            demand = sample.lease.demand;
            meter = demand.meters.stage('shuffle');
            meter.passive = true;
            claims.declare(demand, buffer);
            meter.bound = demand.declared.shuffle;
          }
          const outer = charge(meter!.main);
          try {
            checkState(sample, buffer);
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

/** The samples of one block that are kept. */
interface Round {
  readonly epoch: number;
  readonly seed: number;
  readonly block: number;
  readonly samples: RankedSamples;
}

/** What was out depends on the buffer. */
function checkState({ after }: Sample, buffer: number): void {
  if (!after || after.position < 0 || after.buffer === buffer) return;
  const got = after.buffer === undefined ? 'one that was taken before a shuffle, or without' : `one of a buffer of ${after.buffer}`;
  throw fail(
    'usage',
    'shuffle',
    `a state of a buffer of ${buffer}, to go on from`,
    got,
    'Resume with the stages that the state was taken with.',
  );
}
