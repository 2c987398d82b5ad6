/**
 * Noise that every device draws alike: 16 bits of a hash for each value, of which the upper 12 choose one of 4096 numbers of the normal
 * distribution. So nothing but whole numbers and one rounding is computed where the pixels are.
 */

/** What the hash of one image's noise begins with. */
export type NoiseKeys = readonly [first: number, second: number];

/** A round of the hash of `core/ops/dropout.ts`: RC6's permutation, its halves swapped. */
const round = (h: number): number => {
  const g = Math.imul(h, (h << 1) | 1);
  return ((g << 16) | (g >>> 16)) >>> 0;
};

export function noiseKeys(seed: number): NoiseKeys {
  const first = round(round(round(0x9e3779b9 + seed) + seed) + 1);
  return [first, round(round(first + seed) + 2)];
}

/** 16 bits for value `at` of an image: those for it and its neighbour are made together. */
export function noiseBits([first, second]: NoiseKeys, at: number): number {
  let h = round((at >>> 1) + first);
  h = round(h + second);
  h = round(h + first);
  h += second;
  const drawn = Math.imul(h, (h << 1) | 1);
  return at & 1 ? drawn >>> 16 : drawn & 0xffff;
}

let known: Float32Array | undefined;

/** [4096]: the standard normal distribution's quantiles in the middle of as many equal parts. */
export function normalQuantiles(): Float32Array {
  known ??= Float32Array.from({ length: 4096 }, (_, i) => quantile((i + 0.5) / 4096));
  return known;
}

/** To seven digits: PPND7 of Wichura 1988, "Algorithm AS 241: The percentage points of the normal distribution". */
function quantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    const above = ((59.109374 * r + 159.29113) * r + 50.434271) * r + 3.3871327;
    return (q * above) / (((67.1875636 * r + 78.757757) * r + 17.895169) * r + 1);
  }
  // p is never so near to 0 or 1 here that the formula for the far tails would be needed
  const r = Math.sqrt(-Math.log(Math.min(p, 1 - p))) - 1.6;
  const above = ((0.17023821 * r + 1.3067284) * r + 2.75681539) * r + 1.42343777;
  return (Math.sign(q) * above) / ((0.12021132 * r + 0.73700164) * r + 1);
}
