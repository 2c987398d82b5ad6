import type { OperatorFunction } from 'rxjs';
import type { Mixture } from '../core/data/mixture.ts';
import type { Batch } from '../core/data/sample.ts';
import { type MixOptions, mixing, pairs } from './mixing.ts';

/** Puts a rectangle of the sample before it in the batch into each one, and takes its share of the area for the labels (Yun et
 *  al. 2019, "CutMix").
 *      in:  --a--b--c|
 *   cutMix({ alpha: 1 })
 *     out:  --A--B--C|      A = a with a mixture
 *  Otherwise as `mixUp`. The rectangle's centre is anywhere, what lies outside of the image is cut off. */
export function cutMix({ alpha = 1, probability = 1 }: MixOptions = {}): OperatorFunction<Batch, Batch> {
  return mixing('cutMix', alpha, probability, (share, { count, height, width }, random) => {
    const box = cutBox(share, { height, width }, random(), random());
    return { ...pairs(count, 1 - (box.height * box.width) / (height * width)), box };
  });
}

/** The rectangle of torchvision's RandomCutmix: of sides √(1 - share), its centre at (u, v). */
export function cutBox(
  share: number,
  { height, width }: { readonly height: number; readonly width: number },
  u: number,
  v: number,
): NonNullable<Mixture['box']> {
  const [x, y] = [Math.floor(u * width), Math.floor(v * height)];
  const half = 0.5 * Math.sqrt(1 - share);
  const [across, down] = [Math.trunc(half * width), Math.trunc(half * height)];
  const [left, top] = [Math.max(0, x - across), Math.max(0, y - down)];
  return { top, left, height: Math.min(height, y + down) - top, width: Math.min(width, x + across) - left };
}
