import { map, type Observable } from 'rxjs';
import type { CompiledModel, DataSet, Loss } from '../core/index.ts';
import { augment, batch, type DecodeOptions, decode, type EvaluateOptions, evaluate, normalize, prefetch } from '../operators/index.ts';
import type { EpochEvaluation, Images } from './definePipeline.ts';
import { fitTo } from './fitTo.ts';

export interface HeldOut {
  readonly data: { readonly test: DataSet };
  readonly model: CompiledModel;
  readonly images: Images;
  readonly decoding: DecodeOptions;
  /** What mistakes cost, if that is to be told too. */
  readonly cost?: EvaluateOptions['cost'];
}

/** Goes through the held-out images once, without chance, and says how good the model is on them. */
export function heldOut({ data, model, images, decoding, cost }: HeldOut, loss: Loss, epoch = 0): Observable<EpochEvaluation> {
  return data.test.samples({ boxes: false }).pipe(
    decode(decoding),
    augment([...fitTo(images), normalize(images.normalization)]),
    batch(model.batch),
    prefetch(2),
    evaluate(model, loss, cost && { cost }),
    map(evaluation => ({ ...evaluation, epoch })),
  );
}
