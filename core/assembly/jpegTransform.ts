/**
 * The inverse cosine transform of a block, the arithmetic of libjpeg's accurate integer method ("islow": Loeffler, Ligtenberg and
 * Moschytz 1989, with 12 products in 13-bit fixed point), bit for bit. First the columns, then the rows; products are summed in pairs
 * (`i32x4.dot_i16x8_s`), which gives the same integers as the steps of the paper.
 */

const FRACTION: i32 = 13;
/** Bits that the columns' results keep for the rows. */
const KEPT: i32 = 2;
/** The passes are told apart by a type, u8 and u16, so that each is compiled with its own constants. */
const FIRST: usize = 1;

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
function low2(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 0, 4, 1, 5);
}
function high2(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 2, 6, 3, 7);
}
function row<Pass>(x: usize, quantization: usize, offset: usize): v128 {
  const values = v128.load(x + offset);
  return sizeof<Pass>() === FIRST ? i16x8.mul(values, v128.load(quantization + offset)) : values;
}

/** x [8, 8], transformed down its columns, is written back transposed. */
function columns<Pass>(x: usize, quantization: usize): void {
  const shift = sizeof<Pass>() === FIRST ? FRACTION - KEPT : FRACTION + KEPT + 3;
  const x0 = row<Pass>(x, quantization, 0);
  const x4 = row<Pass>(x, quantization, 64);
  const x2 = row<Pass>(x, quantization, 32);
  const x6 = row<Pass>(x, quantization, 96);
  const half = i32x4.splat(1 << (shift - 1));
  const one = factors(1 << FRACTION, 1 << FRACTION);
  const minus = factors(1 << FRACTION, -1 << FRACTION);
  const even3 = factors(10703, 4433);
  const even2 = factors(4433, -10704);
  let a = low(x0, x4);
  let b = low(x2, x6);
  let sum = i32x4.add(i32x4.dot_i16x8_s(a, one), half);
  let difference = i32x4.add(i32x4.dot_i16x8_s(a, minus), half);
  let outer = i32x4.dot_i16x8_s(b, even3);
  let inner = i32x4.dot_i16x8_s(b, even2);
  const l10 = i32x4.add(sum, outer);
  const l13 = i32x4.sub(sum, outer);
  const l11 = i32x4.add(difference, inner);
  const l12 = i32x4.sub(difference, inner);
  a = high(x0, x4);
  b = high(x2, x6);
  sum = i32x4.add(i32x4.dot_i16x8_s(a, one), half);
  difference = i32x4.add(i32x4.dot_i16x8_s(a, minus), half);
  outer = i32x4.dot_i16x8_s(b, even3);
  inner = i32x4.dot_i16x8_s(b, even2);
  const h10 = i32x4.add(sum, outer);
  const h13 = i32x4.sub(sum, outer);
  const h11 = i32x4.add(difference, inner);
  const h12 = i32x4.sub(difference, inner);

  const x7 = row<Pass>(x, quantization, 112);
  const x1 = row<Pass>(x, quantization, 16);
  const x5 = row<Pass>(x, quantization, 80);
  const x3 = row<Pass>(x, quantization, 48);
  const z3 = i16x8.add(x7, x3);
  const z4 = i16x8.add(x5, x1);
  const odd3 = factors(-6436, 9633);
  const odd4 = factors(9633, 6437);
  const f0 = factors(-4927, -7373);
  const f3 = factors(-7373, 4926);
  const f1 = factors(-4176, -20995);
  const f2 = factors(-20995, 4177);
  a = low(z3, z4);
  let t3 = i32x4.dot_i16x8_s(a, odd3);
  let t4 = i32x4.dot_i16x8_s(a, odd4);
  a = low(x7, x1);
  b = low(x5, x3);
  const l0 = i32x4.add(i32x4.dot_i16x8_s(a, f0), t3);
  const l3 = i32x4.add(i32x4.dot_i16x8_s(a, f3), t4);
  const l1 = i32x4.add(i32x4.dot_i16x8_s(b, f1), t4);
  const l2 = i32x4.add(i32x4.dot_i16x8_s(b, f2), t3);
  a = high(z3, z4);
  t3 = i32x4.dot_i16x8_s(a, odd3);
  t4 = i32x4.dot_i16x8_s(a, odd4);
  a = high(x7, x1);
  b = high(x5, x3);
  const h0 = i32x4.add(i32x4.dot_i16x8_s(a, f0), t3);
  const h3 = i32x4.add(i32x4.dot_i16x8_s(a, f3), t4);
  const h1 = i32x4.add(i32x4.dot_i16x8_s(b, f1), t4);
  const h2 = i32x4.add(i32x4.dot_i16x8_s(b, f2), t3);

  const y0 = i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.add(l10, l3), shift), i32x4.shr_s(i32x4.add(h10, h3), shift));
  const y7 = i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.sub(l10, l3), shift), i32x4.shr_s(i32x4.sub(h10, h3), shift));
  const y1 = i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.add(l11, l2), shift), i32x4.shr_s(i32x4.add(h11, h2), shift));
  const y6 = i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.sub(l11, l2), shift), i32x4.shr_s(i32x4.sub(h11, h2), shift));
  const y2 = i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.add(l12, l1), shift), i32x4.shr_s(i32x4.add(h12, h1), shift));
  const y5 = i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.sub(l12, l1), shift), i32x4.shr_s(i32x4.sub(h12, h1), shift));
  const y3 = i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.add(l13, l0), shift), i32x4.shr_s(i32x4.add(h13, h0), shift));
  const y4 = i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.sub(l13, l0), shift), i32x4.shr_s(i32x4.sub(h13, h0), shift));

  // transposed: pairs of rows, of pairs, of fours
  const a0 = low(y0, y1);
  const a1 = high(y0, y1);
  const a2 = low(y2, y3);
  const a3 = high(y2, y3);
  const a4 = low(y4, y5);
  const a5 = high(y4, y5);
  const a6 = low(y6, y7);
  const a7 = high(y6, y7);
  const b0 = low2(a0, a2);
  const b1 = high2(a0, a2);
  const b2 = low2(a1, a3);
  const b3 = high2(a1, a3);
  const b4 = low2(a4, a6);
  const b5 = high2(a4, a6);
  const b6 = low2(a5, a7);
  const b7 = high2(a5, a7);
  v128.store(x, i64x2.shuffle(b0, b4, 0, 2));
  v128.store(x, i64x2.shuffle(b0, b4, 1, 3), 16);
  v128.store(x, i64x2.shuffle(b1, b5, 0, 2), 32);
  v128.store(x, i64x2.shuffle(b1, b5, 1, 3), 48);
  v128.store(x, i64x2.shuffle(b2, b6, 0, 2), 64);
  v128.store(x, i64x2.shuffle(b2, b6, 1, 3), 80);
  v128.store(x, i64x2.shuffle(b3, b7, 0, 2), 96);
  v128.store(x, i64x2.shuffle(b3, b7, 1, 3), 112);
}

/** Coefficients i16 [8, 8] times their quantization → 8 rows of 8 samples at `y`, `stride` bytes apart. The coefficients are lost and zero afterwards. */
export function inverseTransform(x: usize, quantization: usize, y: usize, stride: i32): void {
  columns<u8>(x, quantization);
  columns<u16>(x, 0);
  const middle = i8x16.splat(-128);
  const zero = i8x16.splat(0);
  for (let i = 0; i < 4; i++, x += 32, y += <usize>(2 * stride)) {
    const rows = v128.xor(i8x16.narrow_i16x8_s(v128.load(x), v128.load(x, 16)), middle);
    v128.store64_lane(y, rows, 0);
    v128.store64_lane(y + <usize>stride, rows, 1);
    v128.store(x, zero);
    v128.store(x, zero, 16);
  }
}

/** The same of a block whose only coefficient is the first one, times its quantization: `size` × `size` samples, 8, 4, 2 or 1 a side. */
export function inverseTransformOfMean(coefficient: i32, y: usize, stride: i32, size: i32): void {
  const mean = (coefficient + 4) >> 3;
  const row = i8x16.splat(<i8>max(0, min(255, mean + 128)));
  if (size === 8) for (let i = 0; i < 8; i++, y += <usize>stride) v128.store64_lane(y, row, 0);
  else if (size === 4) for (let i = 0; i < 4; i++, y += <usize>stride) v128.store32_lane(y, row, 0);
  else if (size === 2) {
    v128.store16_lane(y, row, 0);
    v128.store16_lane(y + <usize>stride, row, 0);
  } else v128.store8_lane(y, row, 0);
}
