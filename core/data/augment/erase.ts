import { normals } from '../../random.ts';
import type { Size } from '../geometry.ts';
import type { RawPixels } from '../rawPixels.ts';
import { roundHalfEven } from '../rounding.ts';

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

export function erase(image: RawPixels, region: Size & { readonly top: number; readonly left: number }, fill: Fill): RawPixels {
  const { width, channels } = image;
  const data = Uint8ClampedArray.from(image.data);
  const normal = fill.kind === 'noise' ? normals(fill.seed) : undefined;
  for (let y = region.top; y < region.top + region.height; y++) {
    for (let x = region.left; x < region.left + region.width; x++) {
      for (let c = 0; c < channels; c++) {
        const at = (y * width + x) * channels + c;
        if (fill.kind === 'constant') data[at] = fill.value[c % fill.value.length];
        else data[at] = 255 * (fill.mean[c % fill.mean.length] + fill.std[c % fill.std.length] * normal!());
      }
    }
  }
  return { ...image, data: new Uint8Array(data.buffer) };
}
