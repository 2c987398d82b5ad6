import { type Interpolation, inverseMatrix, type Matrix } from './augment/affine.ts';
import { erasedRegion, type Fill } from './augment/erase.ts';
import type { PixelOp } from './augment/pixelOp.ts';
import { boxRegion, moveBox } from './boxes.ts';
import { roundHalfEven } from './rounding.ts';
import type { Place, Transform } from './sample.ts';

/** What every transform comes down to once the image's size is known. Crops may reach beyond the image: zeros there. */
export type Step =
  | { readonly kind: 'crop'; readonly top: number; readonly left: number; readonly height: number; readonly width: number }
  /** `from`: a part of the image, its edges anywhere between or within pixels; by default all of it. */
  | { readonly kind: 'resize'; readonly height: number; readonly width: number; readonly from?: Part }
  | { readonly kind: 'flip' }
  | { readonly kind: 'affine'; readonly matrix: Matrix; readonly interpolation: Interpolation }
  | {
      readonly kind: 'erase';
      readonly top: number;
      readonly left: number;
      readonly height: number;
      readonly width: number;
      readonly fill: Fill;
    }
  | { readonly kind: 'pixels'; readonly ops: readonly PixelOp[] };

export interface Size {
  readonly height: number;
  readonly width: number;
}
/** A rectangle of an image, inside it. */
export interface Part extends Size {
  readonly top: number;
  readonly left: number;
}

/** The transforms as steps for an image of `height` × `width`, and the size that comes out. Throws where one cannot be applied. */
export function planSteps(transforms: readonly Transform[], height: number, width: number): Size & { readonly steps: Step[] } {
  const steps: Step[] = [];
  let size: Size = { height, width };
  for (const transform of transforms.flatMap(unrolled)) {
    const lowered = transform.kind === 'cropToBox' ? boxCrop(transform, { height, width }, steps) : lower(transform, size);
    for (const step of lowered) {
      steps.push(step);
      if (step.kind === 'crop' || step.kind === 'resize') size = step;
    }
  }
  return { steps, height: size.height, width: size.width };
}

/** The box is where the steps before have moved it; nothing to do where they left nothing of it. */
function boxCrop({ box, margin }: Transform & { kind: 'cropToBox' }, upright: Size, steps: readonly Step[]): Step[] {
  const moved = moveBox(box, upright, steps);
  return moved ? [{ kind: 'crop', ...boxRegion(moved.box, moved.size, margin) }] : [];
}

type Single = Exclude<Transform, { kind: 'sequence' }>;
/** The transforms of a sequence, one by one. */
export const unrolled = (transform: Transform): Single[] =>
  transform.kind === 'sequence' ? transform.transforms.flatMap(unrolled) : [transform];

function lower(transform: Exclude<Single, { kind: 'cropToBox' }>, { height, width }: Size): Step[] {
  switch (transform.kind) {
    case 'resize':
      // also where a resize is only there for the odd file of another size
      if (transform.height === height && transform.width === width) return [];
      return [{ kind: 'resize', height: transform.height, width: transform.width }];
    case 'resizeShortSide': {
      // torchvision's resize(int): the long side is truncated, not rounded.
      const { size } = transform;
      return height <= width
        ? [{ kind: 'resize', height: size, width: Math.trunc((size * width) / height) }]
        : [{ kind: 'resize', height: Math.trunc((size * height) / width), width: size }];
    }
    case 'centerCrop':
      return [{ kind: 'crop', ...centered({ height, width }, transform) }];
    case 'randomCrop': {
      const { padding, u, v } = transform;
      const roomDown = height + 2 * padding - transform.height;
      const roomRight = width + 2 * padding - transform.width;
      if (roomDown < 0 || roomRight < 0) {
        const padded = padding > 0 ? ` with padding ${padding}` : '';
        throw new Error(
          `it is ${height} x ${width} pixels${padded}, too small for a randomCrop of ${transform.height} x ${transform.width}`,
        );
      }
      const top = Math.floor(u * (roomDown + 1)) - padding;
      const left = Math.floor(v * (roomRight + 1)) - padding;
      return [{ kind: 'crop', top, left, height: transform.height, width: transform.width }];
    }
    case 'randomResizedCrop': {
      const region = resizedCropRegion({ height, width }, transform);
      return [
        { kind: 'crop', ...region },
        { kind: 'resize', height: transform.height, width: transform.width },
      ];
    }
    case 'placedCrop':
      return [{ kind: 'crop', ...placed({ height, width }, transform) }];
    case 'horizontalFlip':
      return [{ kind: 'flip' }];
    case 'affine':
      return [{ kind: 'affine', matrix: inverseMatrix(transform, { height, width }), interpolation: transform.interpolation }];
    case 'erase': {
      const region = erasedRegion({ height, width }, transform);
      return region ? [{ kind: 'erase', ...region, fill: transform.fill }] : [];
    }
    case 'pixels':
      return [transform];
  }
}

/** torchvision's center_crop: a smaller image is padded with zeros, the odd pixel on the right and at the bottom. */
function centered(image: Size, crop: Size): Size & { top: number; left: number } {
  const start = (room: number): number => (room >= 0 ? roundHalfEven(room / 2) : Math.ceil(room / 2) + 0);
  return { top: start(image.height - crop.height), left: start(image.width - crop.width), height: crop.height, width: crop.width };
}

/** One of torchvision's five_crop. */
function placed(image: Size, { height, width, place }: Size & { readonly place: Place }): Size & { top: number; left: number } {
  const [down, right] = [image.height - height, image.width - width];
  if (down < 0 || right < 0) throw new Error(`it is ${image.height} x ${image.width} pixels, too small for crops of ${height} x ${width}`);
  if (place === 'center') return centered(image, { height, width });
  return { top: place.startsWith('bottom') ? down : 0, left: place.endsWith('Right') ? right : 0, height, width };
}

/**
 * The region of torchvision's RandomResizedCrop.get_params (Szegedy et al. 2015, "Going deeper with convolutions", section 6),
 * given its random numbers: `draws` holds ten times (area, log ratio, vertical place, horizontal place), each in [0,1).
 */
export function resizedCropRegion(
  { height, width }: Size,
  {
    scale,
    ratio,
    draws,
  }: { readonly scale: readonly [number, number]; readonly ratio: readonly [number, number]; readonly draws: readonly number[] },
): Size & { top: number; left: number } {
  const between = (low: number, high: number, u: number): number => low + (high - low) * u;
  for (let i = 0; i + 3 < draws.length; i += 4) {
    const area = height * width * between(scale[0], scale[1], draws[i]);
    const aspect = Math.exp(between(Math.log(ratio[0]), Math.log(ratio[1]), draws[i + 1]));
    const w = roundHalfEven(Math.sqrt(area * aspect));
    const h = roundHalfEven(Math.sqrt(area / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      return { top: Math.floor(draws[i + 2] * (height - h + 1)), left: Math.floor(draws[i + 3] * (width - w + 1)), height: h, width: w };
    }
  }
  // No candidate fitted: the largest central crop whose aspect ratio is allowed.
  const aspect = width / height;
  let [h, w] = [height, width];
  if (aspect < ratio[0]) h = Math.max(1, Math.min(height, roundHalfEven(width / ratio[0])));
  else if (aspect > ratio[1]) w = Math.max(1, Math.min(width, roundHalfEven(height * ratio[1])));
  return { top: Math.floor((height - h) / 2), left: Math.floor((width - w) / 2), height: h, width: w };
}
