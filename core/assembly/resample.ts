/**
 * Pillow's bilinear resize of uint8 images in its own fixed point (`core/data/resample.ts` has the definition): across the
 * rows first, then down the columns. A position's taps are neighbours: `first` and `count` (i32 a position) say which. Their
 * weights in 22-bit fixed point begin at `weights + position · most · 4`, for every two taps the high parts of both and the low
 * parts of both (i16 each), with weight 0 for the partner of an odd last tap.
 */

const BITS: i32 = 22;
const HALF: i32 = 1 << (BITS - 1);
/** A weight is high · 2^11 + low, both in 16 bits, so that the sums are products of pairs (`i32x4.dot_i16x8_s`), and still exact. */
const LOW_BITS: i32 = 11;

/** Of two pixels of three bytes the pairs of equal channels in 16 bits: r0 r1 g0 g1 b0 b1. */
function pixelPairs(at: usize): v128 {
  return i8x16.shuffle(v128.load64_zero(at), i8x16.splat(0), 0, 16, 3, 16, 1, 16, 4, 16, 2, 16, 5, 16, 16, 16, 16, 16);
}

/** The sums of high and low products, rounded: four values of 0 to 255. */
function rounded(high: v128, low: v128): v128 {
  return i32x4.shr_s(i32x4.add(i32x4.add(i32x4.shl(high, LOW_BITS), low), i32x4.splat(HALF)), BITS);
}

/** Units are input rows. x [rows, width, 3] → y [rows, outWidth, 3]; reads up to 8 bytes past x. */
export function resampleRows3(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  width: i32,
  y: usize,
  outWidth: i32,
  first: usize,
  count: usize,
  weights: usize,
  most: i32,
): void {
  for (let row = start; row < end; row++) {
    const from = x + <usize>(row * width * 3);
    let to = y + <usize>(row * outWidth * 3);
    for (let position = 0; position < outWidth; position++, to += 3) {
      let at = from + <usize>(load<i32>(first + ((<usize>position) << 2)) * 3);
      let weight = weights + ((<usize>(position * most)) << 2);
      const past = weight + ((<usize>load<i32>(count + ((<usize>position) << 2))) << 2);
      let high = i32x4.splat(0);
      let low = i32x4.splat(0);
      for (; weight < past; weight += 8, at += 6) {
        const pairs = pixelPairs(at);
        high = i32x4.add(high, i32x4.dot_i16x8_s(pairs, v128.load32_splat(weight)));
        low = i32x4.add(low, i32x4.dot_i16x8_s(pairs, v128.load32_splat(weight, 4)));
      }
      const words = rounded(high, low);
      store<u8>(to, i32x4.extract_lane(words, 0));
      store<u8>(to, i32x4.extract_lane(words, 1), 1);
      store<u8>(to, i32x4.extract_lane(words, 2), 2);
    }
  }
}

/** Units are input rows. x [rows, width] → y [rows, outWidth], one channel; reads a byte past x. */
export function resampleRows1(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  width: i32,
  y: usize,
  outWidth: i32,
  first: usize,
  count: usize,
  weights: usize,
  most: i32,
): void {
  for (let row = start; row < end; row++) {
    const from = x + <usize>(row * width);
    const to = y + <usize>(row * outWidth);
    for (let position = 0; position < outWidth; position++) {
      let at = from + <usize>load<i32>(first + ((<usize>position) << 2));
      let weight = weights + ((<usize>(position * most)) << 2);
      const past = weight + ((<usize>load<i32>(count + ((<usize>position) << 2))) << 2);
      let high = 0;
      let low = 0;
      for (; weight < past; weight += 8, at += 2) {
        const one = <i32>load<u8>(at);
        const other = <i32>load<u8>(at, 1);
        high += one * <i32>load<i16>(weight) + other * <i32>load<i16>(weight, 2);
        low += one * <i32>load<i16>(weight, 4) + other * <i32>load<i16>(weight, 6);
      }
      store<u8>(to + <usize>position, ((high << LOW_BITS) + low + HALF) >> BITS);
    }
  }
}

/** Units are output rows. x [height, run] → y [outHeight, run], run = width · channels; reads up to 15 bytes past x. */
export function resampleColumns(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  y: usize,
  run: i32,
  first: usize,
  count: usize,
  weights: usize,
  most: i32,
): void {
  for (let row = start; row < end; row++) {
    const top = x + <usize>(load<i32>(first + ((<usize>row) << 2)) * run);
    const weight = weights + ((<usize>(row * most)) << 2);
    const taps = load<i32>(count + ((<usize>row) << 2));
    const to = y + <usize>(row * run);
    for (let i = 0; i < run; i += 16) {
      // the last vector overlaps the one before, where the run is long enough for one
      const column = i + 16 <= run ? i : max(0, run - 16);
      let h0 = i32x4.splat(0);
      let h1 = h0;
      let h2 = h0;
      let h3 = h0;
      let l0 = h0;
      let l1 = h0;
      let l2 = h0;
      let l3 = h0;
      let at = top + <usize>column;
      let w = weight;
      for (let k = 0; k < taps; k += 2, w += 8, at += <usize>(2 * run)) {
        // an odd last tap has a partner of weight 0: any bytes will do
        const above = v128.load(at);
        const below = v128.load(k + 1 < taps ? at + <usize>run : at);
        const left = i8x16.shuffle(above, below, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const right = i8x16.shuffle(above, below, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        const high = v128.load32_splat(w);
        const low = v128.load32_splat(w, 4);
        const p0 = i16x8.extend_low_i8x16_u(left);
        const p1 = i16x8.extend_high_i8x16_u(left);
        const p2 = i16x8.extend_low_i8x16_u(right);
        const p3 = i16x8.extend_high_i8x16_u(right);
        h0 = i32x4.add(h0, i32x4.dot_i16x8_s(p0, high));
        l0 = i32x4.add(l0, i32x4.dot_i16x8_s(p0, low));
        h1 = i32x4.add(h1, i32x4.dot_i16x8_s(p1, high));
        l1 = i32x4.add(l1, i32x4.dot_i16x8_s(p1, low));
        h2 = i32x4.add(h2, i32x4.dot_i16x8_s(p2, high));
        l2 = i32x4.add(l2, i32x4.dot_i16x8_s(p2, low));
        h3 = i32x4.add(h3, i32x4.dot_i16x8_s(p3, high));
        l3 = i32x4.add(l3, i32x4.dot_i16x8_s(p3, low));
      }
      const left = i16x8.narrow_i32x4_u(rounded(h0, l0), rounded(h1, l1));
      const right = i16x8.narrow_i32x4_u(rounded(h2, l2), rounded(h3, l3));
      // a run of fewer than 16 bytes is written from the top down, so that what goes past its end is overwritten by the next row
      v128.store(to + <usize>column, i8x16.narrow_i16x8_u(left, right));
    }
  }
}
