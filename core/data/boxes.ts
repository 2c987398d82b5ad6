import { fail, show } from '../errors.ts';
import { boundsAfter } from './augment/affine.ts';
import type { Size, Step } from './geometry.ts';
import type { Box } from './sample.ts';

/** What a rectangle is, whatever its label: edges between pixels. */
export type Rectangle = Pick<Box, 'top' | 'left' | 'bottom' | 'right'>;

/** Boxes of which less than this share of their area is left by crops are dropped, unless `decode({ minVisible })` says otherwise. */
export const defaultMinVisible = 0.25;

export const area = ({ top, left, bottom, right }: Rectangle): number => Math.max(0, bottom - top) * Math.max(0, right - left);

/** Intersection over union, 0 to 1; 0 where both are empty. */
export function iou(a: Rectangle, b: Rectangle): number {
  const shared = area({
    top: Math.max(a.top, b.top),
    left: Math.max(a.left, b.left),
    bottom: Math.min(a.bottom, b.bottom),
    right: Math.min(a.right, b.right),
  });
  const union = area(a) + area(b) - shared;
  return union > 0 ? shared / union : 0;
}

/**
 * Boxes of a picture of `upright` size where its pixels went: crops, resizes and flips are done on them exactly as on the
 * pixels. What reaches beyond the picture is clipped first, and does not count; then a box is dropped if less than
 * `minVisible` of its area has survived all crops, or nothing at all.
 */
export function moveBoxes(
  boxes: readonly Box[],
  upright: Size,
  steps: readonly Step[],
  minVisible: number = defaultMinVisible,
): readonly Box[] {
  return boxes.flatMap(box => {
    const moved = moveBox(box, upright, steps);
    return moved && moved.visible >= minVisible ? moved.box : [];
  });
}

/** What is wrong with the boxes of a picture of this size, as far as it is more than a pixel; undefined if nothing is. */
export function boxTrouble(boxes: readonly Box[], { height, width }: Size): string | undefined {
  const found: string[] = [];
  for (const [i, { top, left, bottom, right }] of boxes.entries()) {
    const beyond = top < -1 || left < -1 || bottom > height + 1 || right > width + 1;
    const empty = area(clip({ label: 0, top, left, bottom, right }, { height, width })) === 0;
    if (!beyond && !empty) continue;
    const edges = `columns ${left} to ${right}, rows ${top} to ${bottom}`;
    found.push(
      `box ${i + 1} of ${boxes.length} (${edges}) ${empty ? 'covers nothing of' : 'reaches beyond'} the picture of ${width} x ${height}`,
    );
  }
  return found.length === 0 ? undefined : `${found.slice(0, 2).join('; ')}${found.length > 2 ? `; ${found.length - 2} more` : ''}`;
}

/** One of them with the share of its area that is left; undefined where nothing is. */
export function moveBox(
  box: Box,
  upright: Size,
  steps: readonly Step[],
): { readonly box: Box; readonly visible: number; readonly size: Size } | undefined {
  let size = upright;
  let now = clip(box, size);
  let visible = 1;
  for (const step of steps) {
    const before = area(now);
    if (before === 0) return undefined;
    switch (step.kind) {
      case 'crop': {
        const { top, left } = step;
        now = clip({ ...now, top: now.top - top, left: now.left - left, bottom: now.bottom - top, right: now.right - left }, step);
        visible *= area(now) / before;
        size = step;
        break;
      }
      case 'resize': {
        const [down, across] = [step.height / size.height, step.width / size.width];
        now = { ...now, top: now.top * down, left: now.left * across, bottom: now.bottom * down, right: now.right * across };
        size = step;
        break;
      }
      case 'flip':
        now = { ...now, left: size.width - now.right, right: size.width - now.left };
        break;
      case 'affine': {
        const moved = boundsAfter(now, step.matrix, size);
        now = clip(moved, size);
        visible *= area(now) / area(moved);
        break;
      }
    }
  }
  return area(now) > 0 ? { box: now, visible, size } : undefined;
}

function clip(box: Box, { height, width }: Size): Box {
  const within = (value: number, end: number): number => Math.min(end, Math.max(0, value));
  return {
    label: box.label,
    top: within(box.top, height),
    left: within(box.left, width),
    bottom: within(box.bottom, height),
    right: within(box.right, width),
  };
}

/**
 * The part of an image of this size that a box takes up, with `margin` × its height above and below and `margin` × its width
 * at both sides; in whole pixels, none of the box lost, never beyond the image.
 */
export function boxRegion(box: Rectangle, { height, width }: Size, margin: number): Size & { top: number; left: number } {
  const down = margin * (box.bottom - box.top);
  const across = margin * (box.right - box.left);
  const top = Math.max(0, Math.floor(box.top - down));
  const left = Math.max(0, Math.floor(box.left - across));
  const bottom = Math.min(height, Math.ceil(box.bottom + down));
  const right = Math.min(width, Math.ceil(box.right + across));
  return { top, left, height: bottom - top, width: right - left };
}

/** Guesses for one picture, the surest first, and the boxes that people drew. */
export interface Localized {
  readonly guesses: readonly Box[];
  readonly truth: readonly Box[];
}

/**
 * ILSVRC's measure of localisation (Russakovsky et al. 2015, "ImageNet Large Scale Visual Recognition Challenge", section
 * 4.2): a picture counts if one of the first guesses, 1 or 5 of them, has a true box's label and overlaps it by IoU ≥ 0.5.
 * Shares of all pictures, 0 to 1.
 */
export function localization(
  pictures: Iterable<Localized>,
  { overlap = 0.5 }: { readonly overlap?: number } = {},
): { readonly images: number; readonly top1: number; readonly top5: number } {
  if (!(overlap > 0 && overlap <= 1))
    throw fail('usage', 'localization', 'overlap above 0 and up to 1', show(overlap), 'ILSVRC takes 0.5.');
  let [images, top1, top5] = [0, 0, 0];
  for (const { guesses, truth } of pictures) {
    const hit = (guess: Box) => truth.some(box => box.label === guess.label && iou(box, guess) >= overlap);
    images++;
    if (guesses.slice(0, 1).some(hit)) top1++;
    if (guesses.slice(0, 5).some(hit)) top5++;
  }
  const share = (hits: number) => (images > 0 ? hits / images : 0);
  return { images, top1: share(top1), top5: share(top5) };
}
