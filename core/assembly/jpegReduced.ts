/**
 * Inverse cosine transforms of a block of 8 × 8 coefficients to 4 × 4 or 2 × 2 samples: the picture at half or a quarter of its size,
 * without computing it at full size. The arithmetic of libjpeg's `jidctred.c` (from the transform of Loeffler, Ligtenberg and
 * Moschytz 1989, by dropping outputs that a shorter one does not have), bit for bit: products in 13-bit fixed point, the columns first.
 */

const FRACTION: i32 = 13;
/** Bits that the columns' results keep for the rows. */
const KEPT: i32 = 2;

/** Two factors of neighbouring lanes. */
function factors(first: i32, second: i32): v128 {
  return i32x4.splat((first & 0xffff) | (second << 16));
}
function low(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
function high(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}
function row(x: usize, quantization: usize, offset: usize): v128 {
  return i16x8.mul(v128.load(x + offset), v128.load(quantization + offset));
}
function clear(x: usize): void {
  const zero = i8x16.splat(0);
  for (let i = 0; i < 4; i++, x += 32) {
    v128.store(x, zero);
    v128.store(x, zero, 16);
  }
}

/** Coefficients i16 [8, 8] times their quantization → 4 rows of 4 samples at `y`, `stride` bytes apart. The coefficients are zero afterwards. */
export function inverseTransformToFour(x: usize, quantization: usize, y: usize, stride: i32): void {
  const one = factors(1 << (FRACTION + 1), 0);
  const even = factors(15137, -6270);
  const inner1 = factors(-1730, 11893);
  const inner2 = factors(-17799, 8697);
  const outer1 = factors(-4176, -4926);
  const outer2 = factors(7373, 20995);
  const zero = i32x4.splat(0);
  const x0 = row(x, quantization, 0);
  const x2 = row(x, quantization, 32);
  const x6 = row(x, quantization, 96);
  const x1 = row(x, quantization, 16);
  const x3 = row(x, quantization, 48);
  const x5 = row(x, quantization, 80);
  const x7 = row(x, quantization, 112);
  clear(x);

  let shift = FRACTION - KEPT + 1;
  let half = i32x4.splat(1 << (shift - 1));
  let dc = i32x4.add(i32x4.dot_i16x8_s(low(x0, zero), one), half);
  let cosine = i32x4.dot_i16x8_s(low(x2, x6), even);
  let a = low(x7, x5);
  let b = low(x3, x1);
  let inner = i32x4.add(i32x4.dot_i16x8_s(a, inner1), i32x4.dot_i16x8_s(b, inner2));
  let outer = i32x4.add(i32x4.dot_i16x8_s(a, outer1), i32x4.dot_i16x8_s(b, outer2));
  let first = i32x4.add(dc, cosine);
  let second = i32x4.sub(dc, cosine);
  const l0 = i32x4.shr_s(i32x4.add(first, outer), shift);
  const l3 = i32x4.shr_s(i32x4.sub(first, outer), shift);
  const l1 = i32x4.shr_s(i32x4.add(second, inner), shift);
  const l2 = i32x4.shr_s(i32x4.sub(second, inner), shift);
  dc = i32x4.add(i32x4.dot_i16x8_s(high(x0, zero), one), half);
  cosine = i32x4.dot_i16x8_s(high(x2, x6), even);
  a = high(x7, x5);
  b = high(x3, x1);
  inner = i32x4.add(i32x4.dot_i16x8_s(a, inner1), i32x4.dot_i16x8_s(b, inner2));
  outer = i32x4.add(i32x4.dot_i16x8_s(a, outer1), i32x4.dot_i16x8_s(b, outer2));
  first = i32x4.add(dc, cosine);
  second = i32x4.sub(dc, cosine);
  const w0 = i16x8.narrow_i32x4_s(l0, i32x4.shr_s(i32x4.add(first, outer), shift));
  const w3 = i16x8.narrow_i32x4_s(l3, i32x4.shr_s(i32x4.sub(first, outer), shift));
  const w1 = i16x8.narrow_i32x4_s(l1, i32x4.shr_s(i32x4.add(second, inner), shift));
  const w2 = i16x8.narrow_i32x4_s(l2, i32x4.shr_s(i32x4.sub(second, inner), shift));

  // lanes are rows now; of each the columns 2 and 6, 7 and 5, 3 and 1, 0
  const upper = i16x8.shuffle(w0, w1, 2, 6, 10, 14, 7, 5, 15, 13);
  const lower = i16x8.shuffle(w2, w3, 2, 6, 10, 14, 7, 5, 15, 13);
  const upper1 = i16x8.shuffle(w0, w1, 3, 1, 11, 9, 0, 4, 8, 12);
  const lower1 = i16x8.shuffle(w2, w3, 3, 1, 11, 9, 0, 4, 8, 12);
  shift = FRACTION + KEPT + 3 + 1;
  half = i32x4.splat(1 << (shift - 1));
  dc = i32x4.add(i32x4.dot_i16x8_s(i64x2.shuffle(upper1, lower1, 1, 3), one), half);
  cosine = i32x4.dot_i16x8_s(i64x2.shuffle(upper, lower, 0, 2), even);
  a = i64x2.shuffle(upper, lower, 1, 3);
  b = i64x2.shuffle(upper1, lower1, 0, 2);
  inner = i32x4.add(i32x4.dot_i16x8_s(a, inner1), i32x4.dot_i16x8_s(b, inner2));
  outer = i32x4.add(i32x4.dot_i16x8_s(a, outer1), i32x4.dot_i16x8_s(b, outer2));
  first = i32x4.add(dc, cosine);
  second = i32x4.sub(dc, cosine);
  const left = i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.add(first, outer), shift), i32x4.shr_s(i32x4.add(second, inner), shift));
  const right = i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.sub(second, inner), shift), i32x4.shr_s(i32x4.sub(first, outer), shift));
  const columns = v128.xor(i8x16.narrow_i16x8_s(left, right), i8x16.splat(-128));
  const rows = i8x16.shuffle(columns, columns, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  v128.store32_lane(y, rows, 0);
  v128.store32_lane(y + <usize>stride, rows, 1);
  v128.store32_lane(y + <usize>(2 * stride), rows, 2);
  v128.store32_lane(y + <usize>(3 * stride), rows, 3);
}

/** The same → 2 rows of 2 samples. */
export function inverseTransformToTwo(x: usize, quantization: usize, y: usize, stride: i32): void {
  const one = factors(1 << (FRACTION + 1), 1 << (FRACTION + 1));
  const odd1 = factors(-5906, 6967);
  const odd2 = factors(-10426, 29692);
  const x0 = row(x, quantization, 0);
  const x1 = row(x, quantization, 16);
  const x3 = row(x, quantization, 48);
  const x5 = row(x, quantization, 80);
  const x7 = row(x, quantization, 112);
  clear(x);

  const shift = FRACTION - KEPT + 2;
  const half = i32x4.splat(1 << (shift - 1));
  const lowMean = i32x4.add(i32x4.dot_i16x8_s(low(x0, x0), one), half);
  const lowOdd = i32x4.add(i32x4.dot_i16x8_s(low(x7, x5), odd1), i32x4.dot_i16x8_s(low(x3, x1), odd2));
  const highMean = i32x4.add(i32x4.dot_i16x8_s(high(x0, x0), one), half);
  const highOdd = i32x4.add(i32x4.dot_i16x8_s(high(x7, x5), odd1), i32x4.dot_i16x8_s(high(x3, x1), odd2));
  const w0 = i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.add(lowMean, lowOdd), shift), i32x4.shr_s(i32x4.add(highMean, highOdd), shift));
  const w1 = i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.sub(lowMean, lowOdd), shift), i32x4.shr_s(i32x4.sub(highMean, highOdd), shift));

  // of each row the columns 7 and 5, 3 and 1; then twice column 0
  const pairs = i16x8.shuffle(w0, w1, 7, 5, 15, 13, 3, 1, 11, 9);
  const products = i32x4.dot_i16x8_s(pairs, i64x2.shuffle(odd1, odd2, 0, 2));
  const odd = i32x4.add(products, i32x4.shuffle(products, products, 2, 3, 0, 1));
  const mean = i32x4.dot_i16x8_s(i16x8.shuffle(w0, w1, 0, 0, 8, 8, 0, 0, 8, 8), one);
  const signed = i32x4.shuffle(odd, i32x4.neg(odd), 0, 1, 4, 5);
  const sums = i32x4.add(i32x4.add(mean, i32x4.splat(1 << (FRACTION + KEPT + 3 + 1))), signed);
  const words = i32x4.shr_s(sums, FRACTION + KEPT + 3 + 2);
  const bytes = v128.xor(i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(words, words), words), i8x16.splat(-128));
  const rows = i8x16.shuffle(bytes, bytes, 0, 2, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  v128.store16_lane(y, rows, 0);
  v128.store16_lane(y + <usize>stride, rows, 1);
}
