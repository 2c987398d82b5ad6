/**
 * exp and log of four lanes, within 2.5e-7 relative (units of softmax and cross entropy, which would else call JavaScript for each
 * lane). Reduction and polynomials are those of Cephes' expf and logf (Moshier 1992, single/expf.c and single/logf.c).
 */
import { madd, storeFirst } from './vector';

/** ln 2 in two parts; the first has 9 bits, so that its products with exponents are exact. */
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.1219444e-4;

/** exp x: 0 below -103.97, infinity above 88.73, results below 1.2e-38 as subnormal numbers; NaN stays NaN. */
export function exp4(x: v128): v128 {
  // pmin and pmax are one instruction each, min and max are eight; in this order they keep NaN
  const within = f32x4.pmax(f32x4.pmin(x, f32x4.splat(89)), f32x4.splat(-104));
  // e^x = 2^n · e^r with |r| at most half of ln 2; behind the sum with 3 · 2^22 the last bits are n's
  const shifted = madd(within, f32x4.splat(<f32>Math.LOG2E), f32x4.splat(12582912));
  const n = f32x4.sub(shifted, f32x4.splat(12582912));
  const r = madd(n, f32x4.splat(-LN2_LOW), madd(n, f32x4.splat(-LN2_HIGH), within));
  let p = madd(r, f32x4.splat(1.98756915e-4), f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), f32x4.splat(1));
  // 2^n in two factors, since n reaches beyond the exponents of normal numbers at both ends
  const exponent = i32x4.sub(shifted, i32x4.splat(0x4b400000));
  const half = i32x4.shr_s(exponent, 1);
  return f32x4.mul(f32x4.mul(p, powerOfTwo(half)), powerOfTwo(i32x4.sub(exponent, half)));
}

/** 2^n for n from -126 to 127. */
function powerOfTwo(n: v128): v128 {
  return i32x4.shl(i32x4.add(n, i32x4.splat(127)), 23);
}

/** log x: -infinity at 0, NaN below it, infinity at infinity; NaN stays NaN. */
export function log4(x: v128): v128 {
  // subnormal numbers first times 2^23
  const small = f32x4.lt(x, f32x4.splat(1.17549435e-38));
  const bits = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, small);
  // x = 2^e · m with m from √½ to √2
  const e = i32x4.shr_s(i32x4.sub(bits, i32x4.splat(0x3f3504f3)), 23);
  const m = i32x4.sub(bits, i32x4.shl(e, 23));
  const n = f32x4.sub(f32x4.convert_i32x4_s(e), v128.and(small, f32x4.splat(23)));
  const f = f32x4.sub(m, f32x4.splat(1));
  const square = f32x4.mul(f, f);
  let p = madd(f, f32x4.splat(7.0376836292e-2), f32x4.splat(-1.151461031e-1));
  p = madd(p, f, f32x4.splat(1.167699874e-1));
  p = madd(p, f, f32x4.splat(-1.2420140846e-1));
  p = madd(p, f, f32x4.splat(1.4249322787e-1));
  p = madd(p, f, f32x4.splat(-1.6668057665e-1));
  p = madd(p, f, f32x4.splat(2.0000714765e-1));
  p = madd(p, f, f32x4.splat(-2.4999993993e-1));
  p = madd(p, f, f32x4.splat(3.3333331174e-1));
  p = f32x4.mul(f32x4.mul(p, f), square);
  p = madd(n, f32x4.splat(LN2_LOW), p);
  p = madd(square, f32x4.splat(-0.5), p);
  const finite = madd(n, f32x4.splat(LN2_HIGH), f32x4.add(f, p));
  // what is no positive finite number: infinity and NaN stay, 0 and negative numbers become -infinity and NaN
  const zero = f32x4.splat(0);
  const beyond = v128.bitselect(f32x4.splat(-Infinity), v128.bitselect(f32x4.splat(NaN), x, f32x4.lt(x, zero)), f32x4.eq(x, zero));
  const positive = v128.and(f32x4.gt(x, zero), f32x4.lt(x, f32x4.splat(Infinity)));
  return v128.bitselect(finite, beyond, positive);
}

/** y = exp x, each of `length` elements. Units are four elements. */
export function exponential(start: i32, end: i32, _scratch: usize, x: usize, y: usize, length: i32): void {
  const past = (<usize>length) << 2;
  for (let unit = start; unit < end; unit++) {
    const at = (<usize>unit) << 4;
    storeFirst(y + at, exp4(v128.load(x + at)), past - at);
  }
}

/** y = log x, each of `length` elements. Units are four elements. */
export function logarithm(start: i32, end: i32, _scratch: usize, x: usize, y: usize, length: i32): void {
  const past = (<usize>length) << 2;
  for (let unit = start; unit < end; unit++) {
    const at = (<usize>unit) << 4;
    storeFirst(y + at, log4(v128.load(x + at)), past - at);
  }
}
