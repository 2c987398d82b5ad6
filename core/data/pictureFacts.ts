import { open } from 'node:fs/promises';
import sharp from 'sharp';
import { encodedBytes } from './readPicture.ts';
import type { Picture } from './sample.ts';

/** What a picture says about itself before it is decoded. */
export interface PictureFacts {
  readonly height: number;
  readonly width: number;
  /** 1 for grey, with or without alpha. */
  readonly channels: 1 | 3;
}

/** Reads a picture's header; undefined for one that cannot be read, which decoding will report. */
export async function pictureFacts(picture: Picture): Promise<PictureFacts | undefined> {
  if (picture.kind === 'raw') {
    return { height: picture.height, width: picture.width, channels: picture.channels === 1 ? 1 : 3 };
  }
  try {
    // sharp's own errors for missing files are vague; opening tells nothing more here
    if (picture.kind === 'file') await (await open(picture.path)).close();
    const source = picture.kind === 'file' ? picture.path : encodedBytes(picture);
    const { height, width, channels, orientation = 1 } = await sharp(source, { limitInputPixels: false }).metadata();
    // from 5 on, EXIF turns the picture by a quarter
    return { height: orientation > 4 ? width : height, width: orientation > 4 ? height : width, channels: channels <= 2 ? 1 : 3 };
  } catch {
    return undefined;
  }
}
