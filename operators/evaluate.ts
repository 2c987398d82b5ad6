import { defer, map, type OperatorFunction, reduce } from 'rxjs';
import type { Batch, CompiledModel, Evaluation, Loss } from '../core/index.ts';
import { forward } from './forward.ts';
import { onPass } from './onPass.ts';

/** Measures the model on all batches and tells the result once.
 *      in:  --a---b---c--|
 *   evaluate(model, crossEntropy())
 *     out:  -------------(e|)      e = { images, loss, top1, top5, … }
 *  Order: does not matter.  Holds: as forward.  Runs: on the model's device, with running statistics and without dropout;
 *  the last batch may be smaller.  Owns: nothing. Top-1 and top-5 as ILSVRC counts them, shares of all images. */
export function evaluate(model: CompiledModel, loss: Loss): OperatorFunction<Batch, Evaluation> {
  return source =>
    defer(() => {
      const startedMs = performance.now();
      return source.pipe(
        forward(model, { mode: 'evaluate' }),
        onPass('evaluate', async () => {
          await model.loss(loss, 'evaluate');
          return model.readLoss();
        }),
        reduce(
          (sum, { loss: mean, top1, top5, samples }) => ({
            images: sum.images + samples,
            loss: sum.loss + mean * samples,
            top1: sum.top1 + top1,
            top5: sum.top5 + top5,
          }),
          { images: 0, loss: 0, top1: 0, top5: 0 },
        ),
        map(({ images, loss: total, top1, top5 }) => {
          const seconds = (performance.now() - startedMs) / 1000;
          const share = (hits: number) => (images > 0 ? hits / images : 0);
          return { images, loss: share(total), top1: share(top1), top5: share(top5), seconds, imagesPerSecond: images / seconds };
        }),
      );
    });
}
