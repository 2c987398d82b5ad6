import { statSync } from 'node:fs';
import sharp, { type Sharp } from 'sharp';
import { planSteps, resizes, type Step } from '../data/geometry.ts';
import { applyStep, type RawPixels, withChannels } from '../data/rawPixels.ts';
import type { Picture, Transform } from '../data/sample.ts';

// The pool is the parallelism, and no image is read twice in a row.
sharp.concurrency(1);
sharp.cache(false);

export interface DecodeInput {
  readonly picture: Picture;
  readonly transforms: readonly Transform[];
  readonly channels: 1 | 3;
  /** Images with more pixels than this are refused before they are decoded. */
  readonly maxPixels: number;
  /** Where the pixels go if they fit. */
  readonly cell: SharedArrayBuffer;
}
export type DecodeOutput =
  | {
      readonly ok: true;
      readonly height: number;
      readonly width: number;
      readonly channels: number;
      /** A larger cell in place of the given one. */
      readonly larger?: SharedArrayBuffer;
    }
  | { readonly ok: false; readonly reason: string };

/**
 * Picture → uint8 [H,W,C] in shared memory, with the transforms applied in their order. Runs in a worker.
 *
 * Any format that sharp reads, its first frame or page; 16-bit is scaled to 8; palettes and CMYK become RGB; alpha is
 * flattened on black; the EXIF orientation is applied; an embedded colour profile is ignored, as torchvision does. Resizing is sharp's
 * `linear` kernel: bilinear, antialiased when it shrinks.
 */
export default async function decodeImage(input: DecodeInput): Promise<DecodeOutput> {
  try {
    const image = withChannels(await transformed(input), input.channels);
    const bytes = image.height * image.width * image.channels;
    const larger = bytes > input.cell.byteLength ? new SharedArrayBuffer(bytes) : undefined;
    new Uint8Array(larger ?? input.cell, 0, bytes).set(image.data);
    return { ok: true, height: image.height, width: image.width, channels: image.channels, larger };
  } catch (error) {
    return { ok: false, reason: await plainReason(error, input) };
  }
}

async function transformed({ picture, transforms, maxPixels }: DecodeInput): Promise<RawPixels> {
  if (picture.kind === 'raw') {
    const image: RawPixels = { data: picture.pixels, height: picture.height, width: picture.width, channels: picture.channels };
    return applySteps(image, planSteps(transforms, image.height, image.width).steps);
  }
  const options = { limitInputPixels: maxPixels, failOn: 'error', ignoreIcc: true } as const;
  const open = () => sharp(picture.kind === 'file' ? picture.path : picture.bytes, options).autoOrient();
  if (!transforms.some(resizes)) {
    const image = await pixelsOf(open());
    return applySteps(image, planSteps(transforms, image.height, image.width).steps);
  }
  // Where to crop before resizing depends on the size, which the header tells.
  const { autoOrient } = await open().metadata();
  if (autoOrient.width * autoOrient.height > maxPixels) throw new Error('Input image exceeds pixel limit');
  const { steps } = planSteps(transforms, autoOrient.height, autoOrient.width);
  const { pipeline, taken } = leading(open(), steps, autoOrient);
  return applySteps(await pixelsOf(pipeline), steps.slice(taken));
}

/** Crops inside the image and the resize after them, while decoding: only what is needed is kept in memory. */
function leading(
  pipeline: Sharp,
  steps: readonly Step[],
  { height, width }: { height: number; width: number },
): { pipeline: Sharp; taken: number } {
  let region = { top: 0, left: 0, height, width };
  for (const [i, step] of steps.entries()) {
    if (step.kind === 'crop') {
      const inside = step.top >= 0 && step.left >= 0 && step.top + step.height <= region.height && step.left + step.width <= region.width;
      if (!inside) break;
      region = { top: region.top + step.top, left: region.left + step.left, height: step.height, width: step.width };
    } else if (step.kind === 'resize') {
      const cropped = region.height < height || region.width < width ? pipeline.extract(region) : pipeline;
      return { pipeline: cropped.resize(step.width, step.height, resampling), taken: i + 1 };
    } else break;
  }
  return { pipeline, taken: 0 };
}
const resampling = { fit: 'fill', kernel: 'linear', fastShrinkOnLoad: false } as const;

/** 8-bit RGB, alpha flattened on black (sharp turns grey, palette, CMYK and 16-bit into that by itself). */
async function pixelsOf(pipeline: Sharp): Promise<RawPixels> {
  const { data, info } = await pipeline.flatten({ background: '#000' }).raw().toBuffer({ resolveWithObject: true });
  return { data, height: info.height, width: info.width, channels: info.channels };
}

async function applySteps(image: RawPixels, steps: readonly Step[]): Promise<RawPixels> {
  let now = image;
  for (const step of steps) now = step.kind === 'resize' ? await resized(now, step) : applyStep(now, step);
  return now;
}

async function resized(image: RawPixels, { height, width }: { height: number; width: number }): Promise<RawPixels> {
  if (image.height === height && image.width === width) return image;
  const raw = { height: image.height, width: image.width, channels: image.channels as 1 | 3 };
  const pipeline = sharp(image.data, { raw }).resize(width, height, resampling);
  const { data, info } = await (image.channels === 1 ? pipeline.toColourspace('b-w') : pipeline)
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, height: info.height, width: info.width, channels: info.channels };
}

/** libvips' messages name its own functions; people want to know what is wrong with their file. */
async function plainReason(error: unknown, { picture, maxPixels }: DecodeInput): Promise<string> {
  const message = error instanceof Error ? error.message.trim() : String(error);
  if (picture.kind === 'raw') return message;
  if (message.includes('is missing')) return 'the file does not exist';
  const bytes = picture.kind === 'encoded' ? picture.bytes.length : (statSync(picture.path, { throwIfNoEntry: false })?.size ?? 0);
  if (bytes === 0) return 'it is empty (0 bytes)';
  if (message.includes('pixel limit')) {
    const unlimited = sharp(picture.kind === 'file' ? picture.path : picture.bytes, { limitInputPixels: false });
    const { width, height } = await unlimited.metadata();
    return `it is ${width} x ${height} pixels, more than maxPixels allows (${maxPixels})`;
  }
  if (message.includes('unsupported image format')) return 'it is not an image in a format that sharp reads';
  if (/vips|libpng|jpeg|webp|read error|end of/i.test(message))
    return `it is damaged or cut short (${message.replaceAll(/\s*\n\s*/g, '; ')})`;
  return message;
}
