import { Observable, type OperatorFunction } from 'rxjs';
import type { Batch } from '../core/data/sample.ts';
import type { CompiledModel, Evaluation } from '../core/index.ts';
import { fail, show } from '../core/index.ts';
import { best, type EvaluateOptions, guesses } from './evaluate.ts';
import { forward } from './forward.ts';
import { onPass } from './onPass.ts';
import { through } from './through.ts';

/** What a model says of a batch: [count, classes], before any softmax. */
export interface Scores {
  readonly keys: readonly string[];
  /** Position of each image in the data set: of two with one key each has its own. */
  readonly indices: Uint32Array;
  readonly labels: Int32Array;
  readonly logits: Float32Array;
}

/** Reads the logits of each batch.
 *      in:  --a---b--|
 *   scores(model)
 *     out:  ----x---y|
 *  Shapes: [N,H,W,C] u8 → logits [N,classes] on the host.  Order: kept.  Holds: as `forward`.
 *  Runs: on the model's device, with running statistics and without dropout.  Owns: nothing. */
export function scores(model: CompiledModel): OperatorFunction<Batch, Scores> {
  return source =>
    source.pipe(
      forward(model, { mode: 'evaluate' }),
      onPass('scores', async ({ batch, logits }) => ({
        keys: batch.keys,
        indices: batch.indices,
        labels: batch.labels,
        logits: await logits(),
      })),
    );
}

export interface AverageScoresOptions extends EvaluateOptions {
  /** How many there are of each image: crops × scales. */
  readonly views: number;
  /** What is averaged: probabilities (default; Krizhevsky et al. 2012, section 4.1), or what goes into the softmax. */
  readonly of?: 'softmax' | 'logits';
}

/** Averages what was said of the views of each image, and measures that.
 *      in:  --x---y---z--|        scores of ten crops, or of several scales one after the other (`concat`)
 *   averageScores({ views: 10 })
 *     out:  -------------(e|)     e as `evaluate` tells it, of images
 *  Views belong together by the image's position in the data set; those of an image that has not got all of them count nowhere.
 *  Order: does not matter.
 *  Holds: [classes] float32 of every image that has some views but not all: one with crops, all with scales (200 MB for ImageNet's 50,000).
 *  Errors: two images of one position, from data sets that were merged.
 *  Runs: main thread.  Owns: nothing. */
export function averageScores({ views, of = 'softmax', cost }: AverageScoresOptions): OperatorFunction<Scores, Evaluation> {
  if (!Number.isInteger(views) || views < 1)
    throw fail('usage', 'averageScores', 'views to be a whole number, 1 or more', show(views), 'Give crops × scales.');
  return source =>
    new Observable<Evaluation>(subscriber => {
      const startedMs = performance.now();
      const waiting = new Map<number, { readonly key: string; readonly sum: Float32Array; left: number }>();
      let values = new Float64Array(0);
      const total = { images: 0, loss: 0, top1: 0, top5: 0, cost1: 0, cost5: 0 };
      const measure = (mean: Float32Array, label: number): void => {
        for (let c = 0; c < mean.length; c++) mean[c] /= views;
        const first = best(mean, guesses);
        const probabilities = of === 'softmax' ? mean : softmax(mean, values);
        total.images++;
        total.loss -= Math.log(probabilities[label]);
        if (first[0] === label) total.top1++;
        if (first.includes(label)) total.top5++;
        if (!cost) return;
        const costs = first.map(predicted => cost(predicted, label));
        total.cost1 += costs[0];
        total.cost5 += Math.min(...costs);
      };
      through(source, subscriber, {
        next({ keys, indices, labels, logits }) {
          const classes = logits.length / keys.length;
          if (values.length !== classes) values = new Float64Array(classes);
          for (const [i, key] of keys.entries()) {
            const row = logits.subarray(i * classes, (i + 1) * classes);
            const said = of === 'softmax' ? softmax(row, values) : row;
            const index = indices[i];
            const entry = waiting.get(index) ?? { key, sum: new Float32Array(classes), left: views };
            waiting.set(index, entry);
            if (entry.key !== key) {
              const fix = 'Measure one data set at a time.';
              throw fail(
                'state',
                'averageScores',
                'one image at each position of the data set',
                `"${entry.key}" and "${key}" at ${index}`,
                fix,
              );
            }
            for (let c = 0; c < classes; c++) entry.sum[c] += said[c];
            if (--entry.left > 0) continue;
            waiting.delete(index);
            measure(entry.sum, labels[i]);
          }
        },
        complete() {
          const { images, loss, top1, top5, cost1, cost5 } = total;
          const share = (sum: number) => (images > 0 ? sum / images : 0);
          const seconds = (performance.now() - startedMs) / 1000;
          const costs = cost && { cost1: share(cost1), cost5: share(cost5) };
          const shares = { loss: share(loss), top1: share(top1), top5: share(top5), ...costs };
          subscriber.next({ images, ...shares, seconds, imagesPerSecond: images / seconds });
          subscriber.complete();
        },
      });
    });
}

/** Into `out`; relative to the largest, so that nothing overflows. */
function softmax(logits: Float32Array, out: Float64Array): Float64Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (const value of logits) largest = Math.max(largest, value);
  let sum = 0;
  for (let c = 0; c < out.length; c++) {
    out[c] = Math.exp(logits[c] - largest);
    sum += out[c];
  }
  for (let c = 0; c < out.length; c++) out[c] /= sum;
  return out;
}
