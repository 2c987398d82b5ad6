import { type Part, planSteps, type Size, type Step } from './geometry.ts';
import type { RawPixels } from './rawPixels.ts';
import type { Transform } from './sample.ts';

/** Steps for a picture of a known size. */
export interface Plan {
  readonly steps: readonly Step[];
  /** Size of the picture before any transform, turned as EXIF says. */
  readonly upright: Size;
}
/** A picture with the steps that are still to be taken. */
export interface Planned extends Plan {
  readonly image: RawPixels;
  /** What is wrong with it, although there are pixels. */
  readonly warning?: string;
}
export interface PlanLimits {
  readonly transforms: readonly Transform[];
  /** Images with more pixels than this are refused before they are decoded, or before a transform would make them so large. */
  readonly pixelLimit: number;
}
/** Whole rows and columns of an image. */
export type Region = Part;

/** A picture of 1 × 20,000 pixels has 1.3 thousand million when its short side is 256; a crop of these is made without the others. */
export function plan({ height, width }: Size, { transforms, pixelLimit }: PlanLimits): Plan {
  const { steps } = planSteps(transforms, height, width);
  for (const [i, step] of steps.entries()) {
    if ((step.kind !== 'resize' && step.kind !== 'crop') || step.height * step.width <= pixelLimit) continue;
    if (step.kind === 'resize' && insideOf(steps[i + 1], step)) continue;
    throw new Error(
      `it is ${width} x ${height} pixels, and its transforms make that ${step.width} x ${step.height}, more than pixelLimit allows (${pixelLimit})`,
    );
  }
  return { steps, upright: { height, width } };
}

/** A first step that cuts out a region inside the picture is taken apart: nothing else of it need be decoded. */
export function cropInside({ steps, upright }: Plan): Plan & { readonly region?: Region } {
  const region = insideOf(steps[0], upright);
  return region ? { region, steps: steps.slice(1), upright } : { steps, upright };
}

/** The region of a crop that does not reach beyond an image of this size; undefined for other crops, and for other steps. */
export function insideOf(step: Step | undefined, { height, width }: Size): Region | undefined {
  if (step?.kind !== 'crop' || step.top < 0 || step.left < 0) return undefined;
  return step.top + step.height <= height && step.left + step.width <= width ? step : undefined;
}
