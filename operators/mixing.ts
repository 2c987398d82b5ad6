import { Observable, type OperatorFunction } from 'rxjs';
import type { Mixture } from '../core/data/mixture.ts';
import type { Batch } from '../core/data/sample.ts';
import { fail, show } from '../core/errors.ts';
import { charge } from '../core/profile/mainThread.ts';
import { beta, purpose, uniforms } from '../core/random.ts';

import { handOn } from './charged.ts';
import { through } from './through.ts';

export interface MixOptions {
  /** Of the distribution Beta(alpha, alpha) from which a batch's share is drawn. */
  readonly alpha?: number;
  /** Of a batch being mixed. */
  readonly probability?: number;
}

/** What mixUp and cutMix share: a batch at a time, its share drawn. */
export function mixing(
  where: string,
  alpha: number,
  probability: number,
  mixture: (share: number, batch: Batch, random: () => number) => Mixture,
): OperatorFunction<Batch, Batch> {
  const wrong = (expected: string, got: unknown) => fail('usage', where, expected, show(got), 'Change the argument.');
  if (!(alpha > 0 && Number.isFinite(alpha))) throw wrong('alpha to be a finite number above 0', alpha);
  if (!(probability >= 0 && probability <= 1)) throw wrong('probability between 0 and 1', probability);
  // a stream of its own for each of the two
  const kind = where === 'mixUp' ? 0 : 1;
  const mix = (batch: Batch): Batch => {
    if (batch.mixture) return batch;
    const { seed, epoch, index } = batch.first;
    const random = uniforms(seed, epoch, index, purpose.mix, kind);
    if (random() >= probability) return batch;
    return { ...batch, mixture: mixture(beta(alpha, random), batch, random) };
  };
  return source =>
    new Observable(subscriber =>
      through(source, subscriber, {
        next(batch) {
          // pixels are mixed on the device, with their conversion to floats
          const meter = batch.lease.demand.meters.stage(where);
          meter.passive = true;
          meter.pass(batch.count);
          const outer = charge(meter.main);
          try {
            handOn(meter, subscriber, mix(batch));
          } finally {
            charge(outer);
          }
        },
      }),
    );
}

/** Each with the one before it, the first with the last. */
export function pairs(count: number, share: number): Pick<Mixture, 'partners' | 'shares'> {
  return { partners: Int32Array.from({ length: count }, (_, i) => (i + count - 1) % count), shares: new Float32Array(count).fill(share) };
}
