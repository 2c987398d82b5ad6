/** Planes of YCbCr samples to RGB, with libjpeg's interpolation of the colours ("fancy" or not) and its rounding, bit for bit. */

/** (1.402 · 2^16 - 2^16) / 2 and (1.772 · 2^16 - 2 · 2^16) / 2 for products of 16 bits: within 0.1, which no value from -128 to 127 shows. */
const RED: i16 = 13175;
const BLUE: i16 = -7471;
/** 0.34414 · 2^16 and 2^16 - 0.71414 · 2^16. */
const GREEN_BLUE: i32 = -22554;
const GREEN_RED: i32 = 18734;

/** n samples of a row of one colour, from the rows nearest to it: weights 3/4 and 1/4. y [n + 2] i16 begins a sample further left. */
function between(near: usize, far: usize, y: usize, n: i32): void {
  for (let i = -1; i <= n; i += 8) {
    const a = v128.load8x8_u(near + i);
    v128.store(y + ((i + 1) << 1), i16x8.add(i16x8.add(a, i16x8.shl(a, 1)), v128.load8x8_u(far + i)));
  }
}

/**
 * Twice as many samples from n, each 3/4 of the nearest and 1/4 of the next: x as `between` wrote it, or plain samples (`sums` 0). At
 * the image's own edges (`first`, `last`) the sample outside is that inside. y [2n] u8; writes up to 14 bytes past it.
 */
function widen(x: usize, y: usize, n: i32, first: i32, last: i32, sums: i32): void {
  if (first) store<i16>(x, load<i16>(x, 2));
  if (last) store<i16>(x + (n << 1) + 2, load<i16>(x + (n << 1)));
  const left = i16x8.splat(sums ? 8 : 1);
  const right = i16x8.splat(sums ? 7 : 2);
  const shift = sums ? 4 : 2;
  for (let i = 0; i < n; i += 8, x += 16, y += 16) {
    const here = v128.load(x, 2);
    const three = i16x8.add(here, i16x8.add(here, here));
    const even = i16x8.shr_u(i16x8.add(i16x8.add(three, v128.load(x)), left), shift);
    const odd = i16x8.shr_u(i16x8.add(i16x8.add(three, v128.load(x, 4)), right), shift);
    v128.store(y, v128.or(even, i16x8.shl(odd, 8)));
  }
}

/** Where the samples of a row of one colour lie, interpolated at `scratch` if need be. */
function colours(
  plane: usize,
  stride: i32,
  top: i32,
  height: i32,
  row: i32,
  from: i32,
  n: i32,
  first: i32,
  last: i32,
  across: i32,
  down: i32,
  fancy: i32,
  scratch: usize,
): usize {
  const near = down === 2 ? row >> 1 : row;
  const at = plane + near * stride - top * stride + from;
  if (across === 1 && (down === 1 || !fancy)) return at;
  if (!fancy) {
    for (let i = 0; i < n; i += 8) {
      const a = v128.load64_zero(at + i);
      v128.store(scratch + (i << 1), i8x16.shuffle(a, a, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7));
    }
    return scratch;
  }
  const other = max(0, min(height - 1, row & 1 ? near + 1 : near - 1));
  const far = plane + (other - top) * stride + from;
  const out = scratch + ((((n + 24) << 1) + 63) & ~63);
  if (across === 2) {
    if (down === 2) between(at, far, scratch, n);
    else for (let i = -1; i <= n; i += 8) v128.store(scratch + ((i + 1) << 1), v128.load8x8_u(at + i));
    widen(scratch, out, n, first, last, down === 2 ? 1 : 0);
    return out;
  }
  const bias = i16x8.splat(row & 1 ? 2 : 1);
  for (let i = 0; i < n; i += 8) {
    const a = v128.load8x8_u(at + i);
    const sum = i16x8.add(i16x8.add(i16x8.add(a, i16x8.shl(a, 1)), v128.load8x8_u(far + i)), bias);
    v128.store64_lane(out + i, i8x16.narrow_i16x8_u(i16x8.shr_u(sum, 2), sum), 0);
  }
  return out;
}

/** y [width, 3]; writes up to 45 bytes past it. */
function toRgb(luma: usize, blues: usize, reds: usize, y: usize, width: i32): void {
  const middle = i8x16.splat(-128);
  const green = i32x4.splat((GREEN_BLUE & 0xffff) | (GREEN_RED << 16));
  const half = i32x4.splat(1 << 15);
  const red = i16x8.splat(RED);
  const blue = i16x8.splat(BLUE);
  for (let i = 0; i < width; i += 16, y += 48) {
    const l = v128.load(luma + i);
    const b = v128.xor(v128.load(blues + i), middle);
    const r = v128.xor(v128.load(reds + i), middle);
    const l0 = i16x8.extend_low_i8x16_u(l);
    const l1 = i16x8.extend_high_i8x16_u(l);
    const b0 = i16x8.extend_low_i8x16_s(b);
    const b1 = i16x8.extend_high_i8x16_s(b);
    const r0 = i16x8.extend_low_i8x16_s(r);
    const r1 = i16x8.extend_high_i8x16_s(r);
    const R = i8x16.narrow_i16x8_u(
      i16x8.add(i16x8.add(l0, r0), i16x8.q15mulr_sat_s(r0, red)),
      i16x8.add(i16x8.add(l1, r1), i16x8.q15mulr_sat_s(r1, red)),
    );
    const B = i8x16.narrow_i16x8_u(
      i16x8.add(i16x8.add(l0, i16x8.add(b0, b0)), i16x8.q15mulr_sat_s(b0, blue)),
      i16x8.add(i16x8.add(l1, i16x8.add(b1, b1)), i16x8.q15mulr_sat_s(b1, blue)),
    );
    const g0 = i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(i16x8.shuffle(b0, r0, 0, 8, 1, 9, 2, 10, 3, 11), green), half), 16);
    const g1 = i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(i16x8.shuffle(b0, r0, 4, 12, 5, 13, 6, 14, 7, 15), green), half), 16);
    const g2 = i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(i16x8.shuffle(b1, r1, 0, 8, 1, 9, 2, 10, 3, 11), green), half), 16);
    const g3 = i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(i16x8.shuffle(b1, r1, 4, 12, 5, 13, 6, 14, 7, 15), green), half), 16);
    const G = i8x16.narrow_i16x8_u(
      i16x8.add(i16x8.sub(l0, r0), i16x8.narrow_i32x4_s(g0, g1)),
      i16x8.add(i16x8.sub(l1, r1), i16x8.narrow_i32x4_s(g2, g3)),
    );
    const low = i8x16.shuffle(R, G, 0, 16, 0, 1, 17, 0, 2, 18, 0, 3, 19, 0, 4, 20, 0, 5);
    const middleOnes = i8x16.shuffle(R, G, 21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26);
    const high = i8x16.shuffle(R, G, 0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0);
    v128.store(y, i8x16.shuffle(low, B, 0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15));
    v128.store(y, i8x16.shuffle(middleOnes, B, 0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15), 16);
    v128.store(y, i8x16.shuffle(high, B, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31), 32);
  }
}

/**
 * Rows from `top` to `bottom` and columns from `left` to `right` of an image, as RGB [rows, columns, 3] at y. `across` and `down`:
 * samples of luma for one of the others, 1 or 2; where it is 2 those between are interpolated (`fancy`) or repeated. Planes begin at
 * (firstColumn, firstRow), multiples of these; `height` and `width` are the image's. Writes up to 45 bytes past y.
 * Scratch: twice 3 bytes for each column and 256 more.
 */
export function jpegColor(
  luma: usize,
  blues: usize,
  reds: usize,
  lumaStride: i32,
  stride: i32,
  across: i32,
  down: i32,
  fancy: i32,
  firstColumn: i32,
  firstRow: i32,
  height: i32,
  width: i32,
  top: i32,
  bottom: i32,
  left: i32,
  right: i32,
  y: usize,
  scratch: usize,
): void {
  const step = across - 1;
  const from = left >> step;
  const end = ((right - 1) >> step) + 1;
  const n = end - from;
  const first = from === 0 ? 1 : 0;
  const last = end === (width + step) >> step ? 1 : 0;
  const skipped = left & step;
  const colourTop = firstRow >> (down - 1);
  const colourHeight = down === 2 ? (height + 1) >> 1 : height;
  const other = scratch + (((right - left) * 3 + 319) & ~63);
  for (let row = top; row < bottom; row++) {
    const l = luma + (row - firstRow) * lumaStride + (left - firstColumn);
    const x = from - (firstColumn >> step);
    const b = colours(blues, stride, colourTop, colourHeight, row, x, n, first, last, across, down, fancy, scratch);
    const r = colours(reds, stride, colourTop, colourHeight, row, x, n, first, last, across, down, fancy, other);
    toRgb(l, b + skipped, r + skipped, y, right - left);
    y += <usize>((right - left) * 3);
  }
}
