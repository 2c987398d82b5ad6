import sharp, { type Sharp } from 'sharp';
import { cmykToRgb } from '../data/cmyk.ts';
import { type FailOn, strictness } from '../data/failOn.ts';
import { planSteps, type Size, type Step } from '../data/geometry.ts';
import { type ImageFormat, imageFormat } from '../data/imageFormat.ts';
import { type JpegHeader, jpegHeader } from '../data/jpegHeader.ts';
import { applySteps, type RawPixels, withChannels } from '../data/rawPixels.ts';
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
  /** Images with more pixels than this are refused before they are decoded, or before a transform would make them so large. */
  readonly pixelLimit: number;
  /** By default what libjpeg can finish is taken, and no damaged file of another format. */
  readonly failOn?: FailOn;
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
      /** What is wrong with it, although there are pixels. */
      readonly warning?: string;
      /** Parts of the task's time that belong to other stages. */
      readonly times?: TaskShares;
    }
  | { readonly ok: false; readonly reason: string };

export interface TaskShares {
  /** Bytes from a file. */
  readonly readMs: number;
  /** Transforms; without what decoding a part of the picture only has saved. */
  readonly augmentMs: number;
}

/**
 * Picture → uint8 [H,W,C] in shared memory, with the transforms applied in their order. Runs in a worker.
 *
 * sharp decodes (small plain PNGs aside, which cost less than calling it) what is JPEG, PNG, WebP, GIF, TIFF or AVIF, whatever its
 * name: the first frame or page; 16-bit is scaled to 8; palettes become RGB, and CMYK as Pillow does it; alpha is
 * flattened on black; the EXIF orientation is applied; an embedded colour profile is ignored, as torchvision does. The
 * transforms are our own (core/data/resample.ts says why). `spec/operators/oddFiles.spec.ts` has a table of what comes out.
 *
 * A file is decoded strictly at first. If that fails and `failOn` is more patient, it is decoded again as `failOn` says, and what
 * was wrong becomes a warning: only damaged files pay for it.
 */
export default async function decodeImage(input: DecodeInput): Promise<DecodeOutput> {
  try {
    const { pixels, upright, warning, times } = await read(input);
    const image = withChannels(pixels, input.channels);
    const bytes = image.height * image.width * image.channels;
    const larger = bytes > input.cell.byteLength ? new SharedArrayBuffer(bytes) : undefined;
    new Uint8Array(larger ?? input.cell, 0, bytes).set(image.data);
    const { height, width, channels } = image;
    return { ok: true, height, width, channels, upright, larger, times, ...(warning && { warning }) };
  } catch (error) {
    return { ok: false, reason: plainReason(error) };
  }
}

interface Read {
  readonly pixels: RawPixels;
  readonly upright: Size;
  readonly warning?: string;
  readonly times: TaskShares;
}

async function read(input: DecodeInput): Promise<Read> {
  const { picture } = input;
  if (picture.kind === 'raw') {
    const { pixels: data, height, width, channels } = picture;
    return transformed({ data, height, width, channels }, input);
  }
  const began = performance.now();
  const file = encodedBytes(picture);
  const readMs = picture.kind === 'encoded' ? 0 : performance.now() - began;
  const decoded = await decodeFile(file, input);
  return { ...decoded, times: { ...decoded.times, readMs } };
}

async function decodeFile(file: Uint8Array, input: DecodeInput): Promise<Read> {
  if (file.length === 0) throw new Error('it is empty (0 bytes)');
  const small = decodeSmallPng(file);
  if (small && small.height * small.width <= input.pixelLimit) return transformed(small, input);
  const found = imageFormat(file);
  if (!found) throw new Error('it is not an image in a format that sharp reads');
  if ('refused' in found) throw new Error(`it is ${found.refused}, which is not read: convert it to JPEG or PNG`);
  // of libpng's warnings most are about profiles and other things that are not looked at
  const jpeg = found.read === 'jpeg';
  const strictest = jpeg ? 'warning' : 'error';
  const { failOn = jpeg ? 'none' : strictest } = input;
  try {
    return await readFile(file, found.read, strictest, input);
  } catch (error) {
    const wrong = damage(error);
    if (wrong === undefined || strictness(failOn) >= strictness(strictest)) throw error;
    const patient = await readFile(file, found.read, failOn, input);
    return { ...patient, warning: `${wrong}; what could be read of it was taken` };
  }
}

/**
 * sharp gathers the warnings of all threads: with failOn `warning` another thread's file may be the one that is meant, and the
 * second try tells. A JPEG's own warnings are told by libjpeg before, so one that comes this far is whole.
 */
async function readFile(file: Uint8Array, format: ImageFormat, failOn: FailOn, input: DecodeInput): Promise<Read> {
  try {
    return await readOnce(file, format, failOn, input);
  } catch (error) {
    if (failOn !== 'warning' || !(error instanceof Error && error.message.startsWith('Warning treated as error'))) throw error;
    return readOnce(file, format, format === 'jpeg' ? 'error' : failOn, input);
  }
}

/** uint8 [H,W,1 or 3] with the transforms applied. */
async function readOnce(file: Uint8Array, format: ImageFormat, failOn: FailOn, input: DecodeInput): Promise<Read> {
  const options = { limitInputPixels: input.pixelLimit, failOn, ignoreIcc: true } as const;
  try {
    const jpeg = format === 'jpeg' ? jpegHeader(file) : undefined;
    if (jpeg && !jpeg.exif && jpeg.components < 4) return await readRegion(sharp(file, options), jpeg, input);
    const inks = jpeg ? jpeg.components === 4 : format === 'tiff' && (await sharp(file, options).metadata()).space === 'cmyk';
    const upright = sharp(file, options).autoOrient();
    if (!inks) return transformed(await rawPixels(upright.flatten({ background: '#000' })), input);
    return transformed(cmykToRgb(await rawPixels(upright.pipelineColourspace('cmyk').toColourspace('cmyk'), 4)), input);
  } catch (error) {
    if (error instanceof Error && error.message.includes('pixel limit')) throw await tooLarge(file, input.pixelLimit);
    throw error;
  }
}

function transformed(image: RawPixels, { transforms, channels, pixelLimit }: DecodeInput): Read {
  const steps = planned(transforms, image, pixelLimit);
  const began = performance.now();
  const pixels = applySteps(image, steps, channels);
  return { pixels, upright: { height: image.height, width: image.width }, times: { readMs: 0, augmentMs: performance.now() - began } };
}

/** Decodes no rows below, and converts no pixels outside, the region that the first transform cuts out. */
async function readRegion(
  pipeline: Sharp,
  { height, width }: JpegHeader,
  { transforms, channels, pixelLimit }: DecodeInput,
): Promise<Read> {
  const upright = { height, width };
  const steps = planned(transforms, upright, pixelLimit);
  const [first, ...rest] = steps;
  const augmented = (image: RawPixels, left: typeof steps): Read => {
    const began = performance.now();
    const pixels = applySteps(image, left, channels);
    return { pixels, upright, times: { readMs: 0, augmentMs: performance.now() - began } };
  };
  if (first?.kind !== 'crop' || first.top < 0 || first.left < 0 || first.top + first.height > height || first.left + first.width > width) {
    return augmented(await rawPixels(pipeline), steps);
  }
  return augmented(await rawPixels(pipeline.extract(first)), rest);
}

/** A picture of 1 × 20,000 pixels has 1.3 thousand million when its short side is 256. */
function planned(transforms: readonly Transform[], { height, width }: Size, pixelLimit: number): readonly Step[] {
  const { steps } = planSteps(transforms, height, width);
  for (const step of steps) {
    if ((step.kind !== 'resize' && step.kind !== 'crop') || step.height * step.width <= pixelLimit) continue;
    throw new Error(
      `it is ${width} x ${height} pixels, and its transforms make that ${step.width} x ${step.height}, more than pixelLimit allows (${pixelLimit})`,
    );
  }
  return steps;
}

async function rawPixels(pipeline: Sharp, expected?: 4): Promise<RawPixels> {
  const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
  const { height, width, channels } = info;
  if (expected ? channels !== expected : channels !== 1 && channels !== 3) throw new Error(`it has ${channels} channels, not 1 or 3`);
  return { data, height, width, channels };
}

async function tooLarge(file: Uint8Array, pixelLimit: number): Promise<Error> {
  const { width, height } = await sharp(file, { limitInputPixels: false }).metadata();
  return new Error(`it is ${width} x ${height} pixels, more than pixelLimit allows (${pixelLimit})`);
}

/** libvips' messages name its own functions; people want to know what is wrong with their file. */
function plainReason(error: unknown): string {
  return damage(error) ?? (error instanceof Error ? error.message.trim() : String(error));
}

/** What is wrong, if it was a decoder that complained. */
function damage(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message.trim() : '';
  if (message.startsWith('Warning treated as error')) return 'its decoder warns of something';
  if (message.includes('unsupported image format')) return 'it is damaged: its header cannot be read';
  if (!/vips|libpng|jpeg:|webp:|heif:|tiff|gifload|corrupt header|read error|end of/i.test(message)) return undefined;
  // each thread of libvips may say the same
  const lines = message.replaceAll(/Input (buffer|file) has corrupt header: /g, '').split(/\s*\n\s*/);
  return `it is damaged or cut short (${[...new Set(lines)].slice(0, 2).join('; ')})`;
}
