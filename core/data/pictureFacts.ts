import sharp from 'sharp';
import { imageFormat } from './imageFormat.ts';
import { encodedBytes } from './readPicture.ts';
import type { Picture } from './sample.ts';

/** What a picture says about itself before it is decoded. */
export interface PictureFacts {
  readonly height: number;
  readonly width: number;
  /** 1 for grey, with or without alpha. */
  readonly channels: 1 | 3;
  /** Of the file, or of the bare pixels. */
  readonly bytes: number;
}

/** Reads a picture's header; undefined for one that cannot be read, which decoding will report. */
export async function pictureFacts(picture: Picture): Promise<PictureFacts | undefined> {
  if (picture.kind === 'raw') {
    const { height, width, channels, pixels } = picture;
    return { height, width, channels: channels === 1 ? 1 : 3, bytes: pixels.length };
  }
  try {
    const bytes = encodedBytes(picture);
    const format = imageFormat(bytes);
    // sharp would read a drawing that decoding refuses
    if (!format || 'refused' in format) return undefined;
    const { height, width, channels, orientation = 1 } = await sharp(bytes, { limitInputPixels: false }).metadata();
    // from 5 on, EXIF turns the picture by a quarter
    const [down, across] = orientation > 4 ? [width, height] : [height, width];
    return { height: down, width: across, channels: channels <= 2 ? 1 : 3, bytes: bytes.length };
  } catch {
    return undefined;
  }
}
