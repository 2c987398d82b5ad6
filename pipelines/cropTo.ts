import { type Augmentation, randomCrop, randomResizedCrop, resize } from '../operators/index.ts';
import type { Images } from './definePipeline.ts';

/**
 * Brings a picture to the model's size by chance, for training: a random area of a large image, as ImageNet's recipes do; small
 * ones shift by up to `padding` pixels (by default 4 from 32 pixels on, 0 below: few epochs learn faster without).
 */
export function cropTo(
  { height, width, small, native }: Pick<Images, 'height' | 'width' | 'small' | 'native'>,
  { padding = height < 32 ? 0 : 4 }: { readonly padding?: number } = {},
): Augmentation[] {
  if (!small) return [randomResizedCrop({ height, width })];
  const shift = padding > 0 ? [randomCrop({ height, width }, { padding })] : [];
  return [...(native ? [] : [resize({ height, width })]), ...shift];
}
