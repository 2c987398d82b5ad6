import type { Augmentation } from '../transforms.ts';
import { checkProbability, checkRange, imagenetMean, imagenetStd, type Range, wrong } from './arguments.ts';
import type { Fill } from './erase.ts';

export interface RandomErasingOptions {
  readonly probability?: number;
  /** Of the image's area. */
  readonly scale?: Range;
  /** Height / width. */
  readonly ratio?: Range;
  /**
   * `zero` (default): black. `mean`: `mean`, which normalization turns into zeros: what torchvision's value 0 after Normalize
   * means. `random`: each value by itself from a normal distribution of `mean` and `std`, as its value 'random' there, held
   * within what a byte can say. A number, or one a channel, is a byte.
   */
  readonly value?: 'zero' | 'mean' | 'random' | number | readonly number[];
  /** Of `mean` and `random`, 1 being white; by default ImageNet's. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}

/** Erases a rectangle (Zhong et al. 2020, "Random erasing data augmentation") with torchvision's parameters and ten tries. */
export function randomErasing({
  probability = 0.5,
  scale = [0.02, 0.33],
  ratio = [0.3, 3.3],
  value = 'zero',
  mean = imagenetMean,
  std = imagenetStd,
}: RandomErasingOptions = {}): Augmentation {
  const where = 'randomErasing';
  checkProbability(where, probability);
  checkRange(where, 'scale', scale, [0, 1]);
  checkRange(where, 'ratio', ratio, [0, Number.POSITIVE_INFINITY]);
  if (ratio[0] === 0) throw wrong(where, 'ratio to be [low, high] with 0 < low', ratio);
  const bytes = value === 'zero' ? [0] : value === 'mean' ? mean.map(each => 255 * each) : value === 'random' ? undefined : [value].flat();
  if (bytes && !(bytes.length > 0 && bytes.every(each => each >= 0 && each <= 255))) {
    throw wrong(where, "value to be 'zero', 'mean', 'random' or bytes from 0 to 255", value);
  }
  return {
    name: `randomErasing(${probability})`,
    draw(random) {
      if (random() >= probability) return undefined;
      const draws = Array.from({ length: 40 }, random);
      const fill: Fill = bytes ? { kind: 'constant', value: bytes } : { kind: 'noise', seed: Math.floor(random() * 2 ** 32), mean, std };
      return { kind: 'erase', scale, ratio, draws, fill };
    },
  };
}
