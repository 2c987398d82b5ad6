import { Observable, type OperatorFunction } from 'rxjs';
import type { Normalization, Sample, Transform } from '../core/data/sample.ts';
import type { Augmentation } from '../core/data/transforms.ts';
import { fail } from '../core/errors.ts';
import { charge } from '../core/profile/mainThread.ts';
import { purpose, uniforms } from '../core/random.ts';
import { handOn } from './charged.ts';
import { through } from './through.ts';

/** Adds transforms to each sample's work, with their random numbers drawn.
 *      in:  --A--B--C--|
 *   augment([randomCrop(28, { padding: 4 }), horizontalFlip()])
 *     out:  --A'-B'-C'-|
 *  Shapes: uint8 [H,W,C] → uint8 [H',W',C] as the transforms say.  Order: kept, the transforms in the order of the list.
 *  Random: entry i of a sample depends on (seed, epoch, index, i) alone, so any sample can be replayed. A second `augment` goes on counting.
 *  Holds: nothing.  Runs: in the same worker task as decoding what needs a pixel's neighbours or place: crops, sizes, flips, turns,
 *  `sharpness`, `autocontrast`, `equalize`. On the device, behind a `batch`, what changes single pixels (`colorJitter`, `grayscale`,
 *  `pcaLighting`; of the policies brightness, contrast, saturation, posterize and solarize), then `randomErasing`, and `normalize`: of each
 *  sample's drawn ops those that none follows which has to run in the worker, up to eight with one contrast among them. Wherever they run,
 *  the bytes are the same: torchvision's on uint8 tensors.  Owns: nothing. */
export function augment(list: readonly Augmentation[]): OperatorFunction<Sample, Sample> {
  const normalization = onlyNormalization(list);
  return source =>
    new Observable<Sample>(subscriber =>
      through(source, subscriber, {
        next(sample) {
          const { job, seed, epoch, index } = sample;
          if (!job)
            throw fail('state', 'augment', 'samples from decode()', `"${sample.key}" without a job`, 'Put decode() before augment().');
          const meter = sample.lease.demand.meters.stage('augment');
          // counted where the work is done: a sample that is left out before it is decoded is not augmented either
          const outer = charge(meter.main);
          try {
            const transforms: Transform[] = [];
            for (const [i, entry] of list.entries()) {
              const transform = entry.draw(uniforms(seed, epoch, index, purpose.augment, job.entries + i), sample);
              if (transform) transforms.push(transform);
            }
            handOn(meter, subscriber, { ...sample, job: job.with({ transforms, entries: list.length, normalization }) });
          } finally {
            charge(outer);
          }
        },
      }),
    );
}

function onlyNormalization(list: readonly Augmentation[]): Normalization | undefined {
  const all = list.flatMap(entry => entry.normalization ?? []);
  if (all.length > 1) throw fail('usage', 'augment', 'normalize once', `${all.length} times`, 'Keep one of them.');
  return all[0];
}
