import { statSync } from 'node:fs';
import sharp, { type Sharp } from 'sharp';
import { planSteps, type Size } from '../data/geometry.ts';
import { type JpegHeader, jpegHeader } from '../data/jpegHeader.ts';
import { applySteps, applyTransforms, type RawPixels, withChannels } from '../data/rawPixels.ts';
import { encodedBytes } from '../data/readPicture.ts';
import type { Picture, Transform } from '../data/sample.ts';
import { decodeSmallPng } from '../data/smallPng.ts';

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
      /** Of the picture before any transform, turned as EXIF says. */
      readonly upright: Size;
      /** A larger cell in place of the given one. */
      readonly larger?: SharedArrayBuffer;
    }
  | { readonly ok: false; readonly reason: string };

/**
 * Picture → uint8 [H,W,C] in shared memory, with the transforms applied in their order. Runs in a worker.
 *
 * sharp decodes (small plain PNGs aside, which cost less than calling it): any format it reads, the first frame or page; 16-bit is scaled to 8; palettes and CMYK become RGB; alpha is
 * flattened on black; the EXIF orientation is applied; an embedded colour profile is ignored, as torchvision does. The
 * transforms are our own (core/data/resample.ts says why).
 */
export default async function decodeImage(input: DecodeInput): Promise<DecodeOutput> {
  try {
    const { pixels, upright } = await read(input);
    const image = withChannels(pixels, input.channels);
    const bytes = image.height * image.width * image.channels;
    const larger = bytes > input.cell.byteLength ? new SharedArrayBuffer(bytes) : undefined;
    new Uint8Array(larger ?? input.cell, 0, bytes).set(image.data);
    return { ok: true, height: image.height, width: image.width, channels: image.channels, upright, larger };
  } catch (error) {
    return { ok: false, reason: await plainReason(error, input) };
  }
}

interface Read {
  readonly pixels: RawPixels;
  readonly upright: Size;
}

/**
 * uint8 [H,W,1 or 3] with the transforms applied. Alpha is flattened on black; sharp turns grey, palette, CMYK and 16-bit into
 * 8-bit RGB by itself.
 */
async function read({ picture, maxPixels, transforms, channels: wanted }: DecodeInput): Promise<Read> {
  if (picture.kind === 'raw') {
    const { pixels: data, height, width, channels } = picture;
    return transformed({ data, height, width, channels }, transforms, wanted);
  }
  const file = encodedBytes(picture);
  const small = decodeSmallPng(file);
  if (small && small.height * small.width <= maxPixels) return transformed(small, transforms, wanted);
  const options = { limitInputPixels: maxPixels, failOn: 'error', ignoreIcc: true } as const;
  const jpeg = jpegHeader(file);
  if (jpeg && !jpeg.exif) return readRegion(sharp(file, options), jpeg, transforms, wanted);
  return transformed(await rawPixels(sharp(file, options).autoOrient().flatten({ background: '#000' })), transforms, wanted);
}

function transformed(image: RawPixels, transforms: readonly Transform[], channels: 1 | 3): Read {
  return { pixels: applyTransforms(image, transforms, channels), upright: { height: image.height, width: image.width } };
}

/** Decodes no rows below, and converts no pixels outside, the region that the first transform cuts out. */
async function readRegion(
  pipeline: Sharp,
  { height, width }: JpegHeader,
  transforms: readonly Transform[],
  channels: 1 | 3,
): Promise<Read> {
  const upright = { height, width };
  const { steps } = planSteps(transforms, height, width);
  const [first, ...rest] = steps;
  if (first?.kind !== 'crop' || first.top < 0 || first.left < 0 || first.top + first.height > height || first.left + first.width > width) {
    return { pixels: applySteps(await rawPixels(pipeline), steps, channels), upright };
  }
  return { pixels: applySteps(await rawPixels(pipeline.extract(first)), rest, channels), upright };
}

async function rawPixels(pipeline: Sharp): Promise<RawPixels> {
  const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
  return { data, height: info.height, width: info.width, channels: info.channels };
}

/** libvips' messages name its own functions; people want to know what is wrong with their file. */
async function plainReason(error: unknown, { picture, maxPixels }: DecodeInput): Promise<string> {
  const message = error instanceof Error ? error.message.trim() : String(error);
  if (picture.kind === 'raw') return message;
  if (message.includes('is missing') || message.startsWith('ENOENT')) return 'the file does not exist';
  if (bytesOf(picture) === 0) return 'it is empty (0 bytes)';
  if (message.includes('pixel limit')) {
    const unlimited = sharp(encodedBytes(picture), { limitInputPixels: false });
    const { width, height } = await unlimited.metadata();
    return `it is ${width} x ${height} pixels, more than maxPixels allows (${maxPixels})`;
  }
  if (message.includes('unsupported image format')) return 'it is not an image in a format that sharp reads';
  if (/vips|libpng|jpeg|webp|read error|end of/i.test(message))
    return `it is damaged or cut short (${message.replaceAll(/\s*\n\s*/g, '; ')})`;
  return message;
}

function bytesOf(picture: Exclude<Picture, { kind: 'raw' }>): number {
  if (picture.kind === 'encoded') return picture.bytes.length;
  if (picture.kind === 'range') return picture.bytes;
  return statSync(picture.path, { throwIfNoEntry: false })?.size ?? 0;
}
