import type { OperatorFunction } from 'rxjs';
import type { Loss, Pass } from '../core/index.ts';
import { onPass } from './onPass.ts';

/** Computes the loss of each pass and the gradients of all trained parameters.
 *      in:  --x-----y---|
 *   backward(crossEntropy())
 *     out:  ----x-----y-|      the same passes, with their loss and gradients on the device
 *  Order: kept.  Holds: the pass at work.  Runs: on the model's device.  Owns: nothing; releases the pass on error. */
export function backward(loss: Loss): OperatorFunction<Pass, Pass & { readonly loss: Loss }> {
  return onPass('backward', async pass => {
    await pass.model.loss(loss, 'train');
    await pass.model.backward();
    return { ...pass, loss };
  });
}
