import type { RawPixels } from '../rawPixels.ts';
import { grayscaleOf, hue, lighting, saturation } from './color.ts';
import { autocontrast, brightness, contrast, equalize, posterize, solarize } from './levels.ts';
import { sharpness } from './sharpness.ts';

/** A change of values that leaves the size and every pixel's place alone, with its random numbers drawn. */
export type PixelOp =
  | DeviceOp
  /** 0 is blurred, 1 changes nothing; above 1 exaggerates. */
  | { readonly op: 'sharpness'; readonly factor: number }
  | { readonly op: 'autocontrast' | 'equalize' };

/** Those that the device can do: a pixel's values decide what they become, and for contrast the mean of the image's grey. */
export type DeviceOp =
  /** 0 is black, plain grey or grey; 1 changes nothing; above 1 exaggerates. */
  | { readonly op: 'brightness' | 'contrast' | 'saturation'; readonly factor: number }
  /** In turns of the colour circle, -0.5 to 0.5. */
  | { readonly op: 'hue'; readonly shift: number }
  /** Added to red, green and blue; 1 is white. */
  | { readonly op: 'lighting'; readonly offsets: readonly [number, number, number] }
  | { readonly op: 'posterize'; readonly bits: number }
  /** Values from it on are inverted; 0 to 255. */
  | { readonly op: 'solarize'; readonly threshold: number }
  | { readonly op: 'grayscale' };

export const isDeviceOp = (op: PixelOp): op is DeviceOp => op.op !== 'sharpness' && op.op !== 'autocontrast' && op.op !== 'equalize';

/**
 * The arithmetic is torchvision's on uint8 tensors (functional_tensor.py), in its 32-bit floats and with its rounding: results
 * are equal to the byte. Pillow's differ from it by a step here and there.
 */
export function applyPixelOp(image: RawPixels, op: PixelOp): RawPixels {
  switch (op.op) {
    case 'brightness':
      return brightness(image, op.factor);
    case 'contrast':
      return contrast(image, op.factor);
    case 'saturation':
      return saturation(image, op.factor);
    case 'sharpness':
      return sharpness(image, op.factor);
    case 'hue':
      return hue(image, op.shift);
    case 'lighting':
      return lighting(image, op.offsets);
    case 'posterize':
      return posterize(image, op.bits);
    case 'solarize':
      return solarize(image, op.threshold);
    case 'grayscale':
      return grayscaleOf(image);
    case 'autocontrast':
      return autocontrast(image);
    case 'equalize':
      return equalize(image);
  }
}
