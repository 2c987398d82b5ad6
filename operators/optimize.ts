import { defer, finalize, type OperatorFunction } from 'rxjs';
import { fail, type Loss, type Optimizer, type Pass, readLearningRate, type Step } from '../core/index.ts';
import { onPass } from './onPass.ts';

/** Updates the weights after each pass and says how the step went.
 *      in:  --x-----y---|
 *   optimize(sgd({ lr: 0.1 }))
 *     out:  ----s-----t-|      s = { step, loss, top1, lr, imagesPerSecond, … }
 *  Order: kept.  Holds: the pass at work.  Runs: on the model's device.  Owns: its subscription to an Observable lr.
 *  The learning rate is a number, a schedule of the step, or an Observable whose last value counts: a change takes effect
 *  at the next step. A loss that is not finite is an error before the weights are touched; it names the step and the layer. */
export function optimize(optimizer: Optimizer): OperatorFunction<Pass & { readonly loss: Loss }, Step> {
  return source =>
    defer(() => {
      const rates = readLearningRate(optimizer.lr, `optimize(${optimizer.name})`);
      let stepped = 0;
      const work = onPass('optimize', async (pass: Pass) => {
        const { model, batch } = pass;
        const { loss } = pass as Pass & { loss: Loss };
        const result = await model.readLoss();
        const step = model.updates + 1;
        if (!Number.isFinite(result.loss)) {
          const began = await model.diagnose(loss);
          throw fail(
            'numbers',
            `step ${step}`,
            'a finite loss',
            `${result.loss}; it began ${began}`,
            'Lower the learning rate, or look at the batch; the weights are still those of the step before.',
          );
        }
        const rate = rates.at(model.updates, batch.epoch);
        const scale = model.lossScale?.scale;
        const moved = await model.update(optimizer, rate);
        const now = performance.now();
        const seconds = (now - (stepped || pass.startedMs)) / 1000;
        stepped = now;
        return {
          step,
          epoch: batch.epoch,
          index: batch.index,
          images: batch.count,
          loss: result.loss,
          top1: result.top1 / result.samples,
          top5: result.top5 / result.samples,
          lr: rate,
          ...(scale !== undefined && { lossScale: scale, skipped: !moved }),
          seconds,
          imagesPerSecond: batch.count / seconds,
          consumed: batch.state.consumed ?? 0,
          state: batch.state,
        } satisfies Step;
      });
      return work(source).pipe(finalize(() => rates.close()));
    });
}
