import type { RawPixels } from './rawPixels.ts';

/** For each output position: where its taps begin, how many there are, and their weights in 22-bit fixed point. */
export interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  /** Weights of one position lie this far apart. */
  readonly most: number;
}
const bits = 22;
const half = 1 << (bits - 1);

/**
 * uint8 [H,W,C] → [height,width,C], bilinear and antialiased when it shrinks: the fixed-point arithmetic of Pillow's
 * `resize(BILINEAR)`, byte for byte, which is what torchvision does to images. First the rows, then the columns.
 *
 * Not sharp's `resize`: where it enlarges (and a randomResizedCrop often does) it shifts the image by half a pixel, and its
 * bytes depend on the version of libvips.
 *
 * This is the definition; `resampleWasm.ts` gives the same bytes with vector instructions.
 */
export function resample(image: RawPixels, height: number, width: number): RawPixels {
  const across = width === image.width ? image : rows(image, width);
  return height === image.height ? across : columns(across, height);
}

function rows({ data, height, width, channels }: RawPixels, outWidth: number): RawPixels {
  const { first, count, weights, most } = tapsOf(width, outWidth);
  const out = new Uint8Array(height * outWidth * channels);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const row = y * width * channels;
    for (let x = 0; x < outWidth; x++) {
      const end = x * most + count[x];
      let from = row + first[x] * channels;
      if (channels === 3) {
        let r = half;
        let g = half;
        let b = half;
        for (let k = x * most; k < end; k++, from += 3) {
          const weight = weights[k];
          r = (r + Math.imul(data[from], weight)) | 0;
          g = (g + Math.imul(data[from + 1], weight)) | 0;
          b = (b + Math.imul(data[from + 2], weight)) | 0;
        }
        out[to] = r >> bits;
        out[to + 1] = g >> bits;
        out[to + 2] = b >> bits;
      } else {
        let sum = half;
        for (let k = x * most; k < end; k++, from++) sum = (sum + Math.imul(data[from], weights[k])) | 0;
        out[to] = sum >> bits;
      }
      to += channels;
    }
  }
  return { data: out, height, width: outWidth, channels };
}

function columns({ data, height, width, channels }: RawPixels, outHeight: number): RawPixels {
  const { first, count, weights, most } = tapsOf(height, outHeight);
  const run = width * channels;
  const out = new Uint8Array(outHeight * run);
  const sums = new Int32Array(run);
  for (let y = 0; y < outHeight; y++) {
    sums.fill(half);
    for (let k = 0; k < count[y]; k++) {
      const weight = weights[y * most + k];
      const row = (first[y] + k) * run;
      for (let i = 0; i < run; i++) sums[i] += Math.imul(data[row + i], weight);
    }
    const to = y * run;
    for (let i = 0; i < run; i++) out[to + i] = sums[i] >> bits;
  }
  return { data: out, height: outHeight, width, channels };
}

/** Pillow's precompute_coeffs for the triangle filter: its support grows with the scale when the image shrinks. */
export function tapsOf(size: number, outSize: number): Taps {
  const scale = size / outSize;
  const support = Math.max(scale, 1);
  const inverse = 1 / support;
  const most = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const weights = new Int32Array(outSize * most);
  const exact = new Float64Array(most);
  for (let i = 0; i < outSize; i++) {
    const center = (i + 0.5) * scale;
    const begin = Math.max(0, Math.trunc(center - support + 0.5));
    const taps = Math.min(size, Math.trunc(center + support + 0.5)) - begin;
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      exact[k] = Math.max(0, 1 - Math.abs((begin + k - center + 0.5) * inverse));
      sum += exact[k];
    }
    for (let k = 0; k < taps; k++) weights[i * most + k] = Math.trunc(0.5 + (exact[k] / sum) * (1 << bits));
    first[i] = begin;
    count[i] = taps;
  }
  return { first, count, weights, most };
}
