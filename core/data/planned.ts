import { planSteps, type Size, type Step } from './geometry.ts';
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
/** Rows and columns of an image, inside it. */
export interface Region extends Size {
  readonly top: number;
  readonly left: number;
}

/** A picture of 1 × 20,000 pixels has 1.3 thousand million when its short side is 256. */
export function plan({ height, width }: Size, { transforms, pixelLimit }: PlanLimits): Plan {
  const { steps } = planSteps(transforms, height, width);
  for (const step of steps) {
    if ((step.kind !== 'resize' && step.kind !== 'crop') || step.height * step.width <= pixelLimit) continue;
    throw new Error(
      `it is ${width} x ${height} pixels, and its transforms make that ${step.width} x ${step.height}, more than pixelLimit allows (${pixelLimit})`,
    );
  }
  return { steps, upright: { height, width } };
}

/** A first step that cuts out a region inside the picture is taken apart: nothing else of it need be decoded. */
export function cropInside({ steps, upright }: Plan): Plan & { readonly region?: Region } {
  const [first, ...rest] = steps;
  if (first?.kind !== 'crop' || first.top < 0 || first.left < 0) return { steps, upright };
  if (first.top + first.height > upright.height || first.left + first.width > upright.width) return { steps, upright };
  return { region: first, steps: rest, upright };
}
