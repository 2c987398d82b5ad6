import { defer, map, type OperatorFunction, reduce } from 'rxjs';
import type { Batch, CompiledModel, Evaluation, Loss, Pass } from '../core/index.ts';
import { forward } from './forward.ts';
import { onPass } from './onPass.ts';

export interface EvaluateOptions {
  /**
   * What it costs to say `predicted` where `label` is right. Logits are read back for it: `hierarchy.error` of the classes is
   * ILSVRC 2010's hierarchical cost.
   */
  readonly cost?: (predicted: number, label: number) => number;
}
/** ILSVRC allows five guesses. */
export const guesses = 5;

/** Measures the model on all batches and tells the result once.
 *      in:  --a---b---c--|
 *   evaluate(model, crossEntropy())
 *     out:  -------------(e|)      e = { images, loss, top1, top5, … }
 *  Order: does not matter.  Holds: as forward.  Runs: on the model's device, with running statistics and without dropout;
 *  the last batch may be smaller.  Owns: nothing. Top-1 and top-5 as ILSVRC counts them, shares of all images; with a `cost`
 *  also its mean over all images, of the best guess (`cost1`) and of the cheapest among the five best (`cost5`). */
export function evaluate(model: CompiledModel, loss: Loss, { cost }: EvaluateOptions = {}): OperatorFunction<Batch, Evaluation> {
  return source =>
    defer(() => {
      const startedMs = performance.now();
      return source.pipe(
        forward(model, { mode: 'evaluate' }),
        onPass('evaluate', async pass => {
          // asked for before the loss, which comes after it on the device
          const logits = cost && pass.logits();
          logits?.catch(() => undefined);
          await model.loss(loss, 'evaluate');
          const { loss: mean, top1, top5, samples } = await model.readLoss();
          const costs = cost && logits ? costsOf(await logits, pass, cost) : nothing;
          return { images: samples, loss: mean * samples, top1, top5, ...costs };
        }),
        reduce(
          (sum, each) => ({
            images: sum.images + each.images,
            loss: sum.loss + each.loss,
            top1: sum.top1 + each.top1,
            top5: sum.top5 + each.top5,
            cost1: sum.cost1 + each.cost1,
            cost5: sum.cost5 + each.cost5,
          }),
          { images: 0, loss: 0, top1: 0, top5: 0, ...nothing },
        ),
        map(({ images, loss: total, top1, top5, cost1, cost5 }) => {
          const seconds = (performance.now() - startedMs) / 1000;
          const share = (sum: number) => (images > 0 ? sum / images : 0);
          const costs = cost && { cost1: share(cost1), cost5: share(cost5) };
          return { images, loss: share(total), top1: share(top1), top5: share(top5), ...costs, seconds, imagesPerSecond: images / seconds };
        }),
      );
    });
}

const nothing = { cost1: 0, cost5: 0 };

/** Sums over a batch. */
function costsOf(logits: Float32Array, { batch }: Pass, cost: (predicted: number, label: number) => number): typeof nothing {
  const classes = logits.length / batch.count;
  const sum = { ...nothing };
  for (let i = 0; i < batch.count; i++) {
    const label = batch.labels[i];
    const costs = best(logits.subarray(i * classes, (i + 1) * classes), guesses).map(predicted => cost(predicted, label));
    sum.cost1 += costs[0];
    sum.cost5 += Math.min(...costs);
  }
  return sum;
}

/** Places of the largest values, the largest first; of equal ones the lower place. */
export function best(values: Float32Array | Float64Array, count: number): number[] {
  const places: number[] = [];
  for (let i = 0; i < values.length; i++) {
    let at = places.length;
    while (at > 0 && values[i] > values[places[at - 1]]) at--;
    if (at >= count) continue;
    places.splice(at, 0, i);
    if (places.length > count) places.pop();
  }
  return places;
}
