import { type Augmentation, centerCrop, resize } from '../operators/index.ts';
import type { Images } from './definePipeline.ts';

/**
 * Brings a picture to the model's size without chance, for evaluation: small images are resized exactly; of large ones the
 * middle is taken, 224 of a short side of 256 as ImageNet's papers do.
 */
export function fitTo({ height, width, small, native }: Pick<Images, 'height' | 'width' | 'small' | 'native'>): Augmentation[] {
  // nothing to do but for a file of another size among them
  if (native || small) return [resize({ height, width })];
  return [resize(Math.round((Math.max(height, width) * 256) / 224)), centerCrop({ height, width })];
}
