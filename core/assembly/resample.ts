/**
 * Pillow's bilinear resize of uint8 images in its own fixed point (`core/data/resample.ts` has the definition): across the
 * rows first, then down the columns. A position's taps are neighbours: `first` and `count` (i32 a position) say which, and
 * their weights in 22-bit fixed point begin at `weights + position · most · 4`.
 */

const BITS: i32 = 22;
const HALF: i32 = 1 << (BITS - 1);

/** Three bytes at an address, spread over the lanes of i32x4; the fourth lane is whatever comes after them. */
function pixel(at: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at)));
}

/** Units are input rows. x [rows, width, 3] → y [rows, outWidth, 3]; reads a byte past x and writes one past y. */
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
  const rounding = i32x4.splat(HALF);
  for (let row = start; row < end; row++) {
    const from = x + <usize>(row * width * 3);
    let to = y + <usize>(row * outWidth * 3);
    for (let position = 0; position < outWidth; position++, to += 3) {
      let at = from + <usize>(load<i32>(first + ((<usize>position) << 2)) * 3);
      let weight = weights + ((<usize>(position * most)) << 2);
      const past = weight + ((<usize>load<i32>(count + ((<usize>position) << 2))) << 2);
      let sum = rounding;
      for (; weight < past; weight += 4, at += 3) sum = i32x4.add(sum, i32x4.mul(pixel(at), v128.load32_splat(weight)));
      const words = i32x4.shr_s(sum, BITS);
      store<u8>(to, i32x4.extract_lane(words, 0));
      store<u8>(to, i32x4.extract_lane(words, 1), 1);
      store<u8>(to, i32x4.extract_lane(words, 2), 2);
    }
  }
}

/** Units are input rows. x [rows, width] → y [rows, outWidth], one channel. */
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
      let sum = HALF;
      for (; weight < past; weight += 4, at++) sum += <i32>load<u8>(at) * load<i32>(weight);
      store<u8>(to + <usize>position, sum >> BITS);
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
    let i = 0;
    for (; i + 16 <= run; i += 16) {
      let s0 = i32x4.splat(HALF);
      let s1 = s0;
      let s2 = s0;
      let s3 = s0;
      let at = top + <usize>i;
      for (let k = 0; k < taps; k++, at += <usize>run) {
        const w = v128.load32_splat(weight + ((<usize>k) << 2));
        const bytes = v128.load(at);
        const low = i16x8.extend_low_i8x16_u(bytes);
        const high = i16x8.extend_high_i8x16_u(bytes);
        s0 = i32x4.add(s0, i32x4.mul(i32x4.extend_low_i16x8_u(low), w));
        s1 = i32x4.add(s1, i32x4.mul(i32x4.extend_high_i16x8_u(low), w));
        s2 = i32x4.add(s2, i32x4.mul(i32x4.extend_low_i16x8_u(high), w));
        s3 = i32x4.add(s3, i32x4.mul(i32x4.extend_high_i16x8_u(high), w));
      }
      const low = i16x8.narrow_i32x4_u(i32x4.shr_s(s0, BITS), i32x4.shr_s(s1, BITS));
      const high = i16x8.narrow_i32x4_u(i32x4.shr_s(s2, BITS), i32x4.shr_s(s3, BITS));
      v128.store(to + <usize>i, i8x16.narrow_i16x8_u(low, high));
    }
    for (; i < run; i++) {
      let sum = HALF;
      let at = top + <usize>i;
      for (let k = 0; k < taps; k++, at += <usize>run) sum += <i32>load<u8>(at) * load<i32>(weight + ((<usize>k) << 2));
      store<u8>(to + <usize>i, sum >> BITS);
    }
  }
}
