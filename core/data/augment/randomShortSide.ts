import type { Augmentation } from '../transforms.ts';
import { checkRange, type Range, wrong } from './arguments.ts';

/**
 * Scales the short side to a random whole number of pixels from low to high, both included, and keeps the aspect ratio: the
 * scale jitter of ResNet (He et al. 2016, section 3.4) is `randomShortSide([256, 480])`, `randomCrop(224)`.
 */
export function randomShortSide(range: Range): Augmentation {
  checkRange('randomShortSide', 'range', range, [1, Number.POSITIVE_INFINITY]);
  const [low, high] = range;
  if (!range.every(Number.isSafeInteger)) throw wrong('randomShortSide', 'range in whole pixels', range);
  return {
    name: `randomShortSide(${low} to ${high})`,
    draw: random => ({ kind: 'resizeShortSide', size: low + Math.floor(random() * (high - low + 1)) }),
  };
}
