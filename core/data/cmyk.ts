import type { RawPixels } from './rawPixels.ts';

/**
 * Inks, uint8 [H,W,4] with 255 for full ink, as light: (1 − C)(1 − K) and so on, in the rounded integers of Pillow's
 * `convert('RGB')`, byte for byte. No profile is asked: ImageNet's few CMYK pictures are seen as torchvision sees them.
 */
export function cmykToRgb({ data, height, width }: RawPixels): RawPixels {
  const out = new Uint8Array(height * width * 3);
  for (let from = 0, to = 0; to < out.length; from += 4) {
    const light = 255 - data[from + 3];
    for (let c = 0; c < 3; c++) {
      const product = data[from + c] * light + 128;
      out[to++] = light - ((product + (product >> 8)) >> 8);
    }
  }
  return { data: out, height, width, channels: 3 };
}
