import sharp, { type Sharp } from 'sharp';
import { cmykToRgb } from './cmyk.ts';
import { type FailOn, strictness } from './failOn.ts';
import type { Size } from './geometry.ts';
import { type ImageFormat, imageFormat } from './imageFormat.ts';
import { jpegHeader } from './jpegHeader.ts';
import { cropInside, type PlanLimits, type Planned, plan } from './planned.ts';
import type { RawPixels } from './rawPixels.ts';

// The pool is the parallelism, and no image is read twice in a row.
sharp.concurrency(1);
sharp.cache(false);

export interface SharpOptions extends PlanLimits {
  /** By default what libjpeg can finish is taken, and no damaged file of another format. */
  readonly failOn?: FailOn;
}

/**
 * JPEG, PNG, WebP, GIF, TIFF or AVIF, whatever its name, to uint8 [H,W,1 or 3]: the first frame or page; 16-bit is scaled to 8; palettes
 * become RGB, and CMYK as Pillow does it; alpha is flattened on black; the EXIF orientation is applied; an embedded colour profile is ignored, as
 * torchvision does. Of a JPEG no rows below the first crop are decoded.
 *
 * A file is decoded strictly at first. If that fails and `failOn` is more patient, it is decoded again as `failOn` says, and what
 * was wrong becomes a warning: only damaged files pay for it. Errors are reasons in plain words.
 */
export async function decodeBySharp(file: Uint8Array, options: SharpOptions): Promise<Planned> {
  const found = imageFormat(file);
  if (!found) throw new Error('it is not an image in a format that sharp reads');
  if ('refused' in found)
    throw new Error(
      `it is ${found.refused}, which is not read: ${found.picture ? 'convert it to JPEG or PNG' : 'get the picture itself, or remove the file'}`,
    );
  // of libpng's warnings most are about profiles and other things that are not looked at
  const jpeg = found.read === 'jpeg';
  const strictest = jpeg ? 'warning' : 'error';
  const { failOn = jpeg ? 'none' : strictest } = options;
  try {
    return await readFile(file, found.read, strictest, options);
  } catch (error) {
    const wrong = damage(error);
    if (wrong === undefined || strictness(failOn) >= strictness(strictest)) throw error;
    const patient = await readFile(file, found.read, failOn, options);
    return { ...patient, warning: `${wrong}; what could be read of it was taken` };
  }
}

/**
 * libvips keeps the text of errors in one place for all threads, and sharp clears it behind each picture: of two that fail at once one may
 * lose its text, and sharp then says `Unknown error`, or with failOn `warning` that a warning was treated as an error. That it failed is
 * sure; only why is asked again. More than a few times in a row are not met.
 */
async function readFile(file: Uint8Array, format: ImageFormat, failOn: FailOn, options: SharpOptions): Promise<Planned> {
  for (let triesLeft = 8; ; ) {
    try {
      return await readOnce(file, format, failOn, options);
    } catch (error) {
      if (--triesLeft <= 0 || !lostText(error)) throw error;
    }
  }
}

const lostText = (error: unknown): boolean => error instanceof Error && /^(Warning treated as error|Unknown error)/.test(error.message);

async function readOnce(file: Uint8Array, format: ImageFormat, failOn: FailOn, limits: SharpOptions): Promise<Planned> {
  const options = { limitInputPixels: limits.pixelLimit, failOn, ignoreIcc: true } as const;
  try {
    const jpeg = format === 'jpeg' ? jpegHeader(file) : undefined;
    if (jpeg && !jpeg.exif && jpeg.components < 4) return await readRegion(sharp(file, options), jpeg, limits);
    const inks = jpeg ? jpeg.components === 4 : format === 'tiff' && (await sharp(file, options).metadata()).space === 'cmyk';
    const upright = sharp(file, options).autoOrient();
    const image = inks
      ? cmykToRgb(await rawPixels(upright.pipelineColourspace('cmyk').toColourspace('cmyk'), 4))
      : await rawPixels(upright.flatten({ background: '#000' }));
    return { image, ...plan(image, limits) };
  } catch (error) {
    if (error instanceof Error && error.message.includes('pixel limit')) throw await tooLarge(file, limits.pixelLimit);
    throw error;
  }
}

/** Decodes no rows below, and converts no pixels outside, the region that the first transform cuts out. */
async function readRegion(pipeline: Sharp, size: Size, limits: PlanLimits): Promise<Planned> {
  const { region, steps, upright } = cropInside(plan(size, limits));
  return { image: await rawPixels(region ? pipeline.extract(region) : pipeline), steps, upright };
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
export function plainReason(error: unknown): string {
  return damage(error) ?? (error instanceof Error ? error.message.trim() : String(error));
}

/** What is wrong, if it was a decoder that complained. */
function damage(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message.trim() : '';
  if (lostText(error)) return 'it is damaged or cut short (its decoder did not say how)';
  if (message.includes('unsupported image format')) return 'it is damaged: its header cannot be read';
  if (!/vips|libpng|jpeg:|webp:|heif:|tiff|gifload|corrupt header|read error|end of/i.test(message)) return undefined;
  // each thread of libvips may say the same
  const lines = message.replaceAll(/Input (buffer|file) has corrupt header: /g, '').split(/\s*\n\s*/);
  return `it is damaged or cut short (${[...new Set(lines)].slice(0, 2).join('; ')})`;
}
