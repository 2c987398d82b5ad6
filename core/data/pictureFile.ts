import sharp from 'sharp';
import { extensionOf, isImageExtension } from './imageFiles.ts';
import { type ImageFormat, imageFormat } from './imageFormat.ts';
import { encodedBytes } from './readPicture.ts';
import type { Picture } from './sample.ts';

/** As people write them. */
const short: Partial<Record<ImageFormat, string>> = { jpeg: 'jpg', tiff: 'tif' };

/** A picture as a file. */
export interface PictureFile {
  readonly bytes: Uint8Array;
  /** Of its content, whatever its name: `jpg`. */
  readonly extension: string;
}

/**
 * The very bytes of a picture that is a file, and a PNG of one that is bare pixels. `key` has the name of one that no decoder knows.
 * Throws the reason, in the system's words, where it cannot be read.
 */
export async function pictureFile(picture: Picture, key: string): Promise<PictureFile> {
  if (picture.kind === 'raw') {
    const { pixels, height, width, channels } = picture;
    const raw = { height, width, channels: channels === 1 ? 1 : 3 } as const;
    return { bytes: await sharp(pixels, { raw }).png({ compressionLevel: 9 }).toBuffer(), extension: 'png' };
  }
  const bytes = encodedBytes(picture);
  const named = extensionOf(key);
  const format = imageFormat(bytes);
  if (format && 'read' in format) return { bytes, extension: short[format.read] ?? format.read };
  return { bytes, extension: isImageExtension(named) ? named : 'jpg' };
}
