import type { RawPixels } from '../rawPixels.ts';
import { blender, toByte } from './blend.ts';

const f32 = Math.fround;
const [redShare, greenShare, blueShare] = [0.2989, 0.587, 0.114].map(f32);

/** torchvision's rgb_to_grayscale: the fraction is cut off. (Reading a picture as grey uses Pillow's luma, which rounds.) */
export function luma(red: number, green: number, blue: number): number {
  return Math.trunc(f32(f32(f32(redShare * red) + f32(greenShare * green)) + f32(blueShare * blue)));
}

/** The same grey in all three channels. Grey images stay. */
export function grayscaleOf(image: RawPixels): RawPixels {
  return eachColour(image, (out, i, red, green, blue) => {
    out.fill(luma(red, green, blue), i, i + 3);
  });
}

/** Towards grey (factor 0) or away from it. Grey images stay. */
export function saturation(image: RawPixels, factor: number): RawPixels {
  const blend = blender(factor);
  return eachColour(image, (out, i, red, green, blue) => {
    const grey = luma(red, green, blue);
    out[i] = blend(red, grey);
    out[i + 1] = blend(green, grey);
    out[i + 2] = blend(blue, grey);
  });
}

/** Turns the colour circle of HSV by `shift` turns. Grey images stay. */
export function hue(image: RawPixels, shift: number): RawPixels {
  const turn = f32(shift);
  return eachColour(image, (out, i, red, green, blue) => {
    const [r, g, b] = [f32(red / 255), f32(green / 255), f32(blue / 255)];
    const value = Math.max(r, g, b);
    const range = f32(value - Math.min(r, g, b));
    const divisor = range === 0 ? 1 : range;
    const fromRed = f32(f32(value - r) / divisor);
    const fromGreen = f32(f32(value - g) / divisor);
    const fromBlue = f32(f32(value - b) / divisor);
    // sixths of a turn
    const sextant =
      value === r ? f32(fromBlue - fromGreen) : value === g ? f32(f32(2 + fromRed) - fromBlue) : f32(f32(4 + fromGreen) - fromRed);
    const before = f32(f32(sextant / 6) + 1) % 1;
    const turned = f32(before + turn) % 1;
    const angle = turned < 0 ? f32(turned + 1) : turned;
    const strength = range === 0 ? 0 : f32(range / value);
    const sixths = f32(angle * 6);
    const whole = Math.floor(sixths);
    const part = f32(sixths - whole);
    const v = byteOf(value);
    const low = byteOf(f32(value * f32(1 - strength)));
    const falling = byteOf(f32(value * f32(1 - f32(strength * part))));
    const rising = byteOf(f32(value * f32(1 - f32(strength * f32(1 - part)))));
    out[i] = [v, falling, low, low, rising, v][whole % 6];
    out[i + 1] = [rising, v, v, falling, low, low][whole % 6];
    out[i + 2] = [low, low, rising, v, v, falling][whole % 6];
  });
}
const byteOf = (share: number): number => toByte(f32(Math.min(1, Math.max(0, share)) * 255));

/**
 * What `lighting` adds to each byte before it takes the whole number below: one sum in 32 bits, which every device computes alike.
 */
export const lightBias = (offset: number): number => f32(255 * offset + 0.5);

/** Adds a constant to each channel, 1 being white; to the nearest byte. Throws for an image without colour. */
export function lighting(image: RawPixels, offsets: readonly [number, number, number]): RawPixels {
  if (image.channels !== 3)
    throw new Error(`it has ${image.channels} channel, lighting needs red, green and blue: use decode({ channels: 3 })`);
  const tables = offsets.map(lightBias).map(bias => Uint8ClampedArray.from({ length: 256 }, (_, value) => Math.floor(f32(value + bias))));
  return eachColour(image, (out, i, red, green, blue) => {
    out[i] = tables[0][red];
    out[i + 1] = tables[1][green];
    out[i + 2] = tables[2][blue];
  });
}

type ColourOp = (out: Uint8Array, at: number, red: number, green: number, blue: number) => void;
function eachColour(image: RawPixels, op: ColourOp): RawPixels {
  if (image.channels !== 3) return image;
  const { data } = image;
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) op(out, i, data[i], data[i + 1], data[i + 2]);
  return { ...image, data: out };
}
