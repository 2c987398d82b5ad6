import type { Part } from './geometry.ts';
import type { Region } from './planned.ts';
import { crop, type RawPixels } from './rawPixels.ts';

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
 * With a `window` that part of the result alone, and nothing is computed for the rest of it: the short side of a picture of 1 × 20,000
 * pixels is brought to 256, and of its 5 million columns 224 are made.
 *
 * `from` is what is resized of the image, by default all. It may begin and end within pixels, which then count by their share in it;
 * none outside of it does.
 *
 * This is the definition; `resampleWasm.ts` gives the same bytes with vector instructions.
 */
export function resample(image: RawPixels, height: number, width: number, parts?: Parts): RawPixels {
  const { source, across, down } = sweeps(image, height, width, parts);
  const wide = across ? rows(source, across) : source;
  return down ? columns(wide, down) : wide;
}

/** Of the image and of the result. */
export interface Parts {
  readonly from?: Part;
  readonly window?: Region;
}

/** What is done to which part of an image. */
export interface Sweeps {
  /** The rows that are needed; the columns too where none are resampled. */
  readonly source: RawPixels;
  /** Undefined where all columns stay as they are. */
  readonly across: Taps | undefined;
  /** Undefined where all rows stay as they are. */
  readonly down: Taps | undefined;
}
export function sweeps(image: RawPixels, height: number, width: number, parts: Parts = {}): Sweeps {
  const { from = { top: 0, left: 0, height: image.height, width: image.width }, window = { top: 0, left: 0, height, width } } = parts;
  const whole = from.height === image.height && from.width === image.width;
  const line = (size: number, begin: number, length: number) => ({ size, begin, length });
  const across =
    whole && width === image.width ? undefined : tapsOf(line(image.width, from.left, from.width), width, window.left, window.width);
  const taps =
    whole && height === image.height ? undefined : tapsOf(line(image.height, from.top, from.height), height, window.top, window.height);
  const top = taps ? taps.first[0] : window.top;
  const end = taps ? taps.first[window.height - 1] + taps.count[window.height - 1] : top + window.height;
  const down = taps && { ...taps, first: taps.first.map(first => first - top) };
  const cut = !across && window.width < width;
  return { source: cut ? crop(image, { ...window, top, height: end - top }) : rowsOf(image, top, end), across, down };
}

/** Rows of an image where they lie. */
function rowsOf(image: RawPixels, top: number, end: number): RawPixels {
  if (top === 0 && end === image.height) return image;
  const { data, width, channels, address } = image;
  const run = width * channels;
  const place = address !== undefined && { address: address + top * run };
  return { data: data.subarray(top * run, end * run), height: end - top, width, channels, ...place };
}

function rows({ data, height, width, channels }: RawPixels, { first, count, weights, most }: Taps): RawPixels {
  const outWidth = first.length;
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

function columns({ data, width, channels }: RawPixels, { first, count, weights, most }: Taps): RawPixels {
  const outHeight = first.length;
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

/** Pixels side by side, and the part of them that is resized. */
interface Line {
  readonly size: number;
  readonly begin: number;
  readonly length: number;
}

/** Pillow's precompute_coeffs for the triangle filter: its support grows with the scale when the image shrinks. For `places` positions from `firstPlace` on. */
function tapsOf({ size, begin, length }: Line, outSize: number, firstPlace: number, places: number): Taps {
  const scale = length / outSize;
  const support = Math.max(scale, 1);
  const inverse = 1 / support;
  const most = Math.ceil(support) * 2 + 1;
  const end = begin + length;
  const [lowest, highest] = [Math.floor(begin), Math.min(size, Math.ceil(end))];
  const first = new Int32Array(places);
  const count = new Int32Array(places);
  const weights = new Int32Array(places * most);
  const exact = new Float64Array(most);
  for (let i = 0; i < places; i++) {
    const center = begin + (firstPlace + i + 0.5) * scale;
    const from = Math.max(lowest, Math.trunc(center - support + 0.5));
    const taps = Math.min(highest, Math.trunc(center + support + 0.5)) - from;
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      const pixel = from + k;
      const inside = Math.min(end, pixel + 1) - Math.max(begin, pixel);
      exact[k] = inside * Math.max(0, 1 - Math.abs((pixel - center + 0.5) * inverse));
      sum += exact[k];
    }
    for (let k = 0; k < taps; k++) weights[i * most + k] = Math.trunc(0.5 + (exact[k] / sum) * (1 << bits));
    first[i] = from;
    count[i] = taps;
  }
  return { first, count, weights, most };
}
