import type { RawPixels } from '../rawPixels.ts';
import { blender } from './blend.ts';

/**
 * Towards a blurred image (factor 0) or away from it. The blur weighs the middle of 3 × 3 pixels five times; the outermost
 * pixels stay, and so do images of fewer than three rows or columns.
 */
export function sharpness(image: RawPixels, factor: number): RawPixels {
  const { data, height, width, channels } = image;
  if (height <= 2 || width <= 2) return image;
  const blend = blender(factor);
  const row = width * channels;
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = blend(data[i], data[i]);
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * row + channels; i < (y + 1) * row - channels; i++) {
      const above = data[i - row - channels] + data[i - row] + data[i - row + channels];
      const beside = data[i - channels] + 5 * data[i] + data[i + channels];
      const below = data[i + row - channels] + data[i + row] + data[i + row + channels];
      // thirteenths never lie halfway between two integers, so that no way of rounding matters
      out[i] = blend(data[i], Math.round((above + beside + below) / 13));
    }
  }
  return { ...image, data: out };
}
