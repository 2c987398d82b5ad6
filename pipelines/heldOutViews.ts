import { concat, concatMap, defer, finalize, map, type Observable } from 'rxjs';
import { atSize, type CompiledModel, fail, type Graph } from '../core/index.ts';
import {
  type AverageScoresOptions,
  augment,
  averageScores,
  batch,
  centerCrop,
  decode,
  normalize,
  prefetch,
  resize,
  scores,
  tenCrop,
} from '../operators/index.ts';
import type { EpochEvaluation } from './definePipeline.ts';
import type { HeldOut } from './heldOut.ts';

export interface HeldOutViews extends Omit<HeldOut, 'model'> {
  readonly graph: Graph;
  /** The graph for images of another size, with the checkpoint's weights. Destroyed before the next one is asked for. */
  readonly open: (graph: Graph) => Promise<CompiledModel>;
  /** 10: corners and middle, mirrored too, of a square that is wider by 256/224 (Krizhevsky et al. 2012, section 4.1). */
  readonly crops: 1 | 10;
  /** Short sides in pixels, the middle square each (He et al. 2016, section 3.4, takes 224, 256, 384, 480, 640); by default the model's own. */
  readonly scales?: readonly number[];
  readonly average?: AverageScoresOptions['of'];
}

/** Goes through the held-out images once for each scale, looks at several views of each, and measures the mean of what was said. */
export function heldOutViews(options: HeldOutViews, epoch = 0): Observable<EpochEvaluation> {
  const { data, graph, images, decoding, cost, crops, average, open } = options;
  const [height, width] = graph.input;
  if (height !== width) {
    const fix = 'Evaluate it without --crops and --scales.';
    throw fail('usage', `model "${graph.name}"`, 'square images for --crops and --scales', `${height} × ${width}`, fix);
  }
  const scales = options.scales ?? [height];
  // before the first is measured, since that takes time
  const graphs = scales.map(scale => atSize(graph, scale, scale));
  let opened: CompiledModel | undefined;
  const passes = scales.map((scale, i) =>
    defer(async () => {
      // its memory serves the next
      await opened?.destroy();
      opened = undefined;
      opened = await open(graphs[i]);
      return opened;
    }).pipe(
      concatMap(model => {
        const around = crops === 10 ? Math.round((scale * 256) / 224) : scale;
        const samples = data.test
          .samples({ boxes: false })
          .pipe(decode(decoding), augment([resize(around), centerCrop(around), normalize(images.normalization)]));
        const views = crops === 10 ? samples.pipe(tenCrop(scale)) : samples;
        return views.pipe(batch(model.batch), prefetch(2), scores(model));
      }),
    ),
  );
  return concat(...passes).pipe(
    averageScores({ views: crops * scales.length, ...(average && { of: average }), ...(cost && { cost }) }),
    map(evaluation => ({ ...evaluation, epoch })),
    finalize(() => void opened?.destroy()),
  );
}
