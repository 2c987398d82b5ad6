import { type Part, type Size, type Step, unrolled } from './geometry.ts';
import { cropInside, type Plan, type Region } from './planned.ts';
import type { Transform } from './sample.ts';

/** A picture's sides are divided by this while it is decoded. */
export type Reduction = 1 | 2 | 4 | 8;

/** What to decode of a picture, and the steps to take with that. */
export interface Reduced extends Plan {
  readonly reduction: Reduction;
  /** Rows and columns of the picture at that size. */
  readonly region: Region;
}

/** When JPEGs are decoded at a smaller scale: `random`, where the place or size of what is cut out was drawn, as in training. */
export type ShrinkOnLoad = 'random' | 'always' | 'never';
export const shrinkOnLoadChoices: readonly ShrinkOnLoad[] = ['random', 'always', 'never'];

/**
 * What to decode for a plan of these transforms. Not in evaluation unless it is asked for: what is published of weights was measured on
 * pictures decoded in full.
 */
export function whatToDecode(plan: Plan, transforms: readonly Transform[], shrinkOnLoad: ShrinkOnLoad = 'random'): Reduced {
  const shrinks = shrinkOnLoad === 'always' || (shrinkOnLoad === 'random' && cropsAtRandom(transforms));
  return shrinks ? reduced(plan) : wholeSize(plan);
}

const cropsAtRandom = (transforms: readonly Transform[]): boolean =>
  transforms.flatMap(unrolled).some(({ kind }) => kind === 'randomResizedCrop' || kind === 'randomCrop');

/** The part of the picture that its first step cuts out, at full size. */
function wholeSize(plan: Plan): Reduced {
  const { region, steps, upright } = cropInside(plan);
  return { region: region ?? { top: 0, left: 0, ...upright }, steps, upright, reduction: 1 };
}

/**
 * The largest reduction at which the part to be resized still has as many rows and columns as it is resized to. A pixel of the smaller
 * picture stands for a square of `reduction` × `reduction`, so the part that is resized begins and ends between its pixels.
 */
function reduced(plan: Plan): Reduced {
  const whole = wholeSize(plan);
  const { region, steps, upright } = whole;
  const [resize, ...rest] = steps;
  if (resize?.kind !== 'resize') return whole;
  const reduction = largest(region, resize);
  if (reduction === 1) return whole;
  const [top, left] = [region.top / reduction, region.left / reduction];
  const [height, width] = [region.height / reduction, region.width / reduction];
  const [firstRow, firstColumn] = [Math.floor(top), Math.floor(left)];
  const part = {
    top: firstRow,
    left: firstColumn,
    height: Math.ceil(top + height) - firstRow,
    width: Math.ceil(left + width) - firstColumn,
  };
  const from: Part = { top: top - firstRow, left: left - firstColumn, height, width };
  const step: Step = { ...resize, from };
  return { region: part, steps: [step, ...rest], upright, reduction };
}

function largest(from: Size, to: Size): Reduction {
  const most = Math.min(from.height / to.height, from.width / to.width);
  return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
}
