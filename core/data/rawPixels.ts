import { affine } from './augment/affine.ts';
import { erase } from './augment/erase.ts';
import { applyPixelOp } from './augment/pixelOp.ts';
import { planSteps, type Step } from './geometry.ts';
import type { ImageMemory } from './imageMemory.ts';
import { insideOf } from './planned.ts';
import { resampleFast } from './resampleWasm.ts';
import type { Transform } from './sample.ts';

/** An image in memory: uint8 [H,W,C]. */
export interface RawPixels {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Where in the thread's `ImageMemory` they lie, if they do: then until its next image only. */
  readonly address?: number;
}

/** A part of the image; whatever lies outside of it is zero. */
export function crop(
  image: RawPixels,
  { top, left, height, width }: { top: number; left: number; height: number; width: number },
): RawPixels {
  const { data, channels } = image;
  const out = new Uint8Array(height * width * channels);
  const firstRow = Math.max(0, -top);
  const endRow = Math.min(height, image.height - top);
  const firstColumn = Math.max(0, -left);
  const endColumn = Math.min(width, image.width - left);
  if (endColumn > firstColumn) {
    for (let y = firstRow; y < endRow; y++) {
      const from = ((y + top) * image.width + left + firstColumn) * channels;
      const run = (endColumn - firstColumn) * channels;
      out.set(data.subarray(from, from + run), (y * width + firstColumn) * channels);
    }
  }
  return { data: out, height, width, channels };
}

/** Left and right exchanged. */
export function flip({ data, height, width, channels }: RawPixels): RawPixels {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * channels;
      const to = (y * width + width - 1 - x) * channels;
      for (let c = 0; c < channels; c++) out[to + c] = data[from + c];
    }
  }
  return { data: out, height, width, channels };
}

/** Transforms one after the other, as they come out for an image of this size. Throws where one cannot be applied. */
export function applyTransforms(image: RawPixels, transforms: readonly Transform[], channels?: 1 | 3): RawPixels {
  return applySteps(image, planSteps(transforms, image.height, image.width).steps, channels);
}

/**
 * Steps that change values see the image in `channels` channels: a grey picture that was asked for in colour is colour to them. With a
 * memory given the result may lie there, until its next `reset`.
 */
export function applySteps(image: RawPixels, steps: readonly Step[], channels?: 1 | 3, memory?: ImageMemory): RawPixels {
  let now = image;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i];
    if (step.kind === 'resize') {
      // what a crop behind it leaves out is not made
      const window = insideOf(steps[i + 1], step);
      if (window) i++;
      const mirrored = steps[i + 1]?.kind === 'flip';
      if (mirrored) i++;
      now = resampleFast(now, step.height, step.width, { mirrored, memory, window, from: step.from });
    } else now = applyStep(now, step, channels);
  }
  return now;
}

function applyStep(image: RawPixels, step: Exclude<Step, { kind: 'resize' }>, channels: 1 | 3 | undefined): RawPixels {
  switch (step.kind) {
    case 'crop':
      return crop(image, step);
    case 'flip':
      return flip(image);
    case 'affine':
      return affine(image, step.matrix, step.interpolation);
    case 'erase':
      return erase(channels ? withChannels(image, channels) : image, step, step.fill);
    case 'pixels':
      return step.ops.reduce(applyPixelOp, channels ? withChannels(image, channels) : image);
  }
}

/**
 * 1 ↔ 3 channels. Grey is repeated; colours become ITU-R 601-2 luma in the 16-bit integers that Pillow's convert('L') uses,
 * so that grey to colour to grey gives the same bytes.
 */
export function withChannels(image: RawPixels, channels: 1 | 3): RawPixels {
  if (image.channels === channels) return image;
  const { data, height, width } = image;
  const out = new Uint8Array(height * width * channels);
  if (channels === 3) {
    for (let i = 0, to = 0; i < data.length; i++, to += 3) {
      out[to] = data[i];
      out[to + 1] = data[i];
      out[to + 2] = data[i];
    }
  } else {
    for (let i = 0; i < out.length; i++) out[i] = (data[3 * i] * 19595 + data[3 * i + 1] * 38470 + data[3 * i + 2] * 7471 + 0x8000) >> 16;
  }
  return { data: out, height, width, channels };
}
