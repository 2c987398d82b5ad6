import { Observable, type OperatorFunction } from 'rxjs';
import type { Place, Sample, Transform } from '../core/data/sample.ts';
import { type ImageSize, sides } from '../core/data/transforms.ts';
import { fail } from '../core/errors.ts';
import { charged, handOn } from './charged.ts';
import { through } from './through.ts';

const places: readonly Place[] = ['topLeft', 'topRight', 'bottomLeft', 'bottomRight', 'center'];

/** Ten samples of each: the four corners and the middle, then the same of the mirrored picture; torchvision's TenCrop in its order.
 *      in:  --A-----------B|
 *   tenCrop(224)
 *     out:  --(abcdefghij)---…      each with A's key and label
 *  For evaluation: `scores` and `averageScores({ views: 10 })` make one guess of them (Krizhevsky et al. 2012, section 4.1).
 *  Shapes: uint8 [H,W,C] → 10 × [height,width,C]. A smaller picture is a bad sample, told once, and none of its views comes out.
 *  Order: kept.  Holds: nothing, but a sample takes eleven cells of shared memory instead of one.
 *  Runs: worker threads; the picture is decoded once and the crops are taken from its pixels.  Owns: nothing. */
export function tenCrop(size: ImageSize): OperatorFunction<Sample, Sample> {
  const { height, width } = sides('tenCrop', size);
  const crops = places.map((place): Transform => ({ kind: 'placedCrop', height, width, place }));
  const views: readonly (readonly Transform[])[] = [
    ...crops.map(crop => [crop]),
    ...crops.map(crop => [{ kind: 'horizontalFlip' } as const, crop]),
  ];
  return source =>
    new Observable<Sample>(subscriber =>
      through(source, subscriber, {
        next(sample) {
          const { job, lease } = sample;
          if (!job)
            throw fail('state', 'tenCrop', 'samples from decode()', `"${sample.key}" without a job`, 'Put decode() before tenCrop().');
          const meter = lease.demand.meters.stage('tenCrop');
          charged(meter, () => {
            // jobs made of one that has begun work on its pixels
            job.ask(() => undefined);
            for (const transforms of views) handOn(meter, subscriber, { ...sample, job: job.with({ transforms, entries: 0 }) });
          });
        },
      }),
    );
}
