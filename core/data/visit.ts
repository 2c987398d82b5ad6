import { permutation } from './permutation.ts';
import { checkReaches } from './pipelineState.ts';
import type { SourceOptions } from './sample.ts';

/** Which samples are visited, and in which order. */
export interface Visit {
  readonly order: SourceOptions['order'];
  readonly keep: SourceOptions['keep'];
  readonly seed: number;
  readonly epoch: number;
  /** The first position that is visited. */
  readonly start?: number;
}

/**
 * The places of a source that can reach any sample at no cost, in the order of a visit. What is not kept is left out before
 * anything is drawn or read: an epoch over a tenth of the classes takes a tenth of the time. Indices alone are permuted; four
 * bytes a sample, nothing for a whole pass in the natural order.
 */
export function* places(labels: ArrayLike<number>, { order, keep, seed, epoch, start = 0 }: Visit): Generator<number> {
  const kept = keep && keptOf(labels, keep);
  const count = kept ? kept.length : labels.length;
  checkReaches('data set', count, start);
  const drawn = order === 'random' ? permutation(count, seed, epoch) : undefined;
  for (let at = start; at < count; at++) {
    const place = drawn ? drawn[at] : at;
    yield kept ? kept[place] : place;
  }
}

function keptOf(labels: ArrayLike<number>, keep: (label: number) => boolean): Uint32Array {
  const kept = new Uint32Array(labels.length);
  let count = 0;
  for (let i = 0; i < labels.length; i++) if (keep(labels[i])) kept[count++] = i;
  return kept.slice(0, count);
}
