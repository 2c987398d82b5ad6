import type { Size } from '../geometry.ts';
import type { RawPixels } from '../rawPixels.ts';
import { roundHalfEven } from '../rounding.ts';
import { toByte } from './blend.ts';
import { noiseBits, noiseKeys, normalQuantiles } from './noise.ts';

/** What takes the place of the erased pixels. */
export type Fill =
  /** A value for each channel; the first one for grey images. */
  | { readonly kind: 'constant'; readonly value: readonly number[] }
  /** Each value drawn from a normal distribution, 1 being white. */
  | { readonly kind: 'noise'; readonly seed: number; readonly mean: readonly number[]; readonly std: readonly number[] };

export interface EraseDraw {
  readonly scale: readonly [number, number];
  readonly ratio: readonly [number, number];
  /** Ten times (area, log ratio, vertical place, horizontal place), each in [0,1). */
  readonly draws: readonly number[];
}

/** torchvision's RandomErasing.get_params, given its random numbers; undefined if no candidate fitted. `ratio` is height / width. */
export function erasedRegion(
  { height, width }: Size,
  { scale, ratio, draws }: EraseDraw,
): (Size & { top: number; left: number }) | undefined {
  const between = (low: number, high: number, u: number): number => low + (high - low) * u;
  for (let i = 0; i + 3 < draws.length; i += 4) {
    const area = height * width * between(scale[0], scale[1], draws[i]);
    const aspect = Math.exp(between(Math.log(ratio[0]), Math.log(ratio[1]), draws[i + 1]));
    const h = roundHalfEven(Math.sqrt(area * aspect));
    const w = roundHalfEven(Math.sqrt(area / aspect));
    if (h < height && w < width) {
      return { top: Math.floor(draws[i + 2] * (height - h + 1)), left: Math.floor(draws[i + 3] * (width - w + 1)), height: h, width: w };
    }
  }
  return undefined;
}

/** Noise of one channel, in bytes: `deviation` · z + `middle`, of which the whole number below is taken. */
export function noiseTerms({ mean, std }: Fill & { kind: 'noise' }, channel: number): { deviation: number; middle: number } {
  return {
    deviation: Math.fround(255 * std[channel % std.length]!),
    middle: Math.fround(255 * mean[channel % mean.length]! + 0.5),
  };
}

/** Noise depends on its seed and the place in the image alone. */
export function erase(image: RawPixels, region: Size & { readonly top: number; readonly left: number }, fill: Fill): RawPixels {
  const { width, channels } = image;
  const data = Uint8ClampedArray.from(image.data);
  const value = fill.kind === 'noise' ? noisy(fill, channels) : (_: number, c: number) => fill.value[c % fill.value.length]!;
  for (let y = region.top; y < region.top + region.height; y++) {
    for (let x = region.left; x < region.left + region.width; x++) {
      const at = (y * width + x) * channels;
      for (let c = 0; c < channels; c++) data[at + c] = value(at + c, c);
    }
  }
  return { ...image, data: new Uint8Array(data.buffer) };
}

function noisy(fill: Fill & { kind: 'noise' }, channels: number): (at: number, channel: number) => number {
  const keys = noiseKeys(fill.seed);
  const quantiles = normalQuantiles();
  const terms = Array.from({ length: channels }, (_, c) => noiseTerms(fill, c));
  return (at, channel) => {
    const { deviation, middle } = terms[channel]!;
    return toByte(Math.fround(Math.fround(deviation * quantiles[noiseBits(keys, at) >>> 4]!) + middle));
  };
}
