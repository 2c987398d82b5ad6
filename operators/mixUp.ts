import type { OperatorFunction } from 'rxjs';
import type { Batch } from '../core/data/sample.ts';
import { type MixOptions, mixing, pairs } from './mixing.ts';

/** Blends each sample with the one before it in the batch, pixels and labels by the same share (Zhang et al. 2018, "mixup").
 *      in:  --a--b--c|
 *   mixUp({ alpha: 0.2 })
 *     out:  --A--B--C|      A = a with a mixture
 *  Shapes: as they come; the labels stay, the second ones and their weights are in `mixture`.  Order: kept.
 *  Random: depends on (seed, epoch, index) of the batch's first sample alone. One share a batch, as in torchvision's reference.
 *  A batch that is mixed already passes as it is: `mixUp({ alpha: 0.2, probability: 0.5 }), cutMix()` chooses between the two.
 *  Holds: nothing.  Runs: on the device, pixels in float32 when they are converted and before they are normalised, labels in the
 *  loss.  Owns: nothing. */
export function mixUp({ alpha = 0.2, probability = 1 }: MixOptions = {}): OperatorFunction<Batch, Batch> {
  return mixing('mixUp', alpha, probability, (share, { count }) => pairs(count, share));
}
