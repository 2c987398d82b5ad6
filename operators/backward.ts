import type { OperatorFunction } from 'rxjs';
import { fail, type Loss, type Pass } from '../core/index.ts';
import { onPass } from './onPass.ts';

/** Computes the loss of each pass and the gradients of all trained parameters.
 *      in:  --x-----y---|
 *   backward(crossEntropy())
 *     out:  ----x-----y-|      the same passes, with their loss and gradients on the device
 *  Order: kept.  Holds: the pass at work.  Runs: on the model's device.  Owns: nothing; releases the pass on error. */
export function backward(loss: Loss): OperatorFunction<Pass, Pass & { readonly loss: Loss }> {
  return onPass('backward', async pass => {
    if (pass.mode !== 'train') {
      throw fail(
        'state',
        'backward',
        "passes of forward in mode 'train'",
        `one in mode '${pass.mode}'`,
        'Leave the mode out, or use evaluate.',
      );
    }
    await pass.model.loss(loss, 'train');
    await pass.model.backward();
    return { ...pass, loss };
  });
}
