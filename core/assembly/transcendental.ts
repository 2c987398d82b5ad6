/**
 * exp and log of four lanes (units of softmax and cross entropy, which would else call JavaScript for each lane). exp is that of numbers
 * that are not above 0, within 2.5e-7 relative; log, within 2.5e-7, has reduction and polynomial of Cephes' logf (Moshier 1992, single/logf.c).
 */
import { lanesBelow, lanesSum } from './lanes';
import { madd, storeFirst } from './vector';

/** ln 2 in two parts; the first has 9 bits, so that its products with exponents are exact. */
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.1219444e-4;

/** Exponentials come out times 2^64, so that none of them is subnormal before a result is. */
export const EXP_UNIT: f32 = 5.421010862427522e-20;

/**
 * What `expScaled` needs, as vectors in memory: V8 builds a constant vector anew in every round of a loop, three instructions for
 * one load. Coefficients are those of the polynomial 1 + r + c2 r² + … + c5 r⁵ whose largest error relative to e^r is smallest (1.04e-7)
 * for |r| up to ½ ln 2, found by linear programming over 4,001 points.
 */
export function putExpFactors(to: usize): void {
  v128.store(to, f32x4.splat(-104));
  v128.store(to, f32x4.splat(<f32>Math.LOG2E), 16);
  v128.store(to, f32x4.splat(12582976), 32);
  v128.store(to, f32x4.splat(-LN2_HIGH), 48);
  v128.store(to, f32x4.splat(-LN2_LOW), 64);
  v128.store(to, f32x4.splat(0.008314777165651321), 80);
  v128.store(to, f32x4.splat(0.0418904609978199), 96);
  v128.store(to, f32x4.splat(0.16667088866233826), 112);
  v128.store(to, f32x4.splat(0.499992311000824), 128);
  v128.store(to, f32x4.splat(1), 144);
}

/**
 * 2^64 · e^x of x that is not above 0; 0 below -103.97 once that is multiplied by `EXP_UNIT`, which makes results below 1.2e-38
 * subnormal numbers. NaN stays NaN. What follows x is what `putExpFactors` puts: 160 bytes of scratch.
 */
function expScaled(
  x: v128,
  least: v128,
  log2e: v128,
  magic: v128,
  high: v128,
  low: v128,
  c5: v128,
  c4: v128,
  c3: v128,
  c2: v128,
  one: v128,
): v128 {
  // pmax is one instruction, max is eight; in this order it keeps NaN
  const within = f32x4.pmax(x, least);
  // e^x = 2^n · e^r with |r| at most half of ln 2; behind the sum with 3 · 2^22 + 64 the last bits are those of n + 64
  const shifted = madd(within, log2e, magic);
  const n = f32x4.sub(shifted, magic);
  const r = madd(n, low, madd(n, high, within));
  let p = madd(r, c5, c4);
  p = madd(p, r, c3);
  p = madd(p, r, c2);
  p = madd(p, r, one);
  p = madd(p, r, one);
  // times 2^(n + 64): added to the exponent, which has room since n is from -150 to 0
  return i32x4.add(p, i32x4.shl(shifted, 23));
}

/** y_j = 2^64 · exp(x_j - largest) of `length` numbers; their sum. */
export function exponentials(x: usize, y: usize, length: i32, largest: f32, factors: usize): f32 {
  const least = v128.load(factors);
  const log2e = v128.load(factors, 16);
  const magic = v128.load(factors, 32);
  const high = v128.load(factors, 48);
  const low = v128.load(factors, 64);
  const c5 = v128.load(factors, 80);
  const c4 = v128.load(factors, 96);
  const c3 = v128.load(factors, 112);
  const c2 = v128.load(factors, 128);
  const one = v128.load(factors, 144);
  const shift = f32x4.splat(-largest);
  let sum = f32x4.splat(0);
  const whole = (<usize>(length & ~3)) << 2;
  let at: usize = 0;
  for (; at < whole; at += 16) {
    const e = expScaled(f32x4.add(v128.load(x + at), shift), least, log2e, magic, high, low, c5, c4, c3, c2, one);
    v128.store(y + at, e);
    sum = f32x4.add(sum, e);
  }
  if (length & 3) {
    const e = expScaled(f32x4.add(v128.load(x + at), shift), least, log2e, magic, high, low, c5, c4, c3, c2, one);
    storeFirst(y + at, e, (<usize>(length & 3)) << 2);
    sum = f32x4.add(sum, v128.and(e, lanesBelow(0, length & 3)));
  }
  return lanesSum(sum);
}

/** Σ 2^64 · exp(x_j - largest). */
export function sumOfExponentials(x: usize, length: i32, largest: f32, factors: usize): f32 {
  const least = v128.load(factors);
  const log2e = v128.load(factors, 16);
  const magic = v128.load(factors, 32);
  const high = v128.load(factors, 48);
  const low = v128.load(factors, 64);
  const c5 = v128.load(factors, 80);
  const c4 = v128.load(factors, 96);
  const c3 = v128.load(factors, 112);
  const c2 = v128.load(factors, 128);
  const one = v128.load(factors, 144);
  const shift = f32x4.splat(-largest);
  let sum = f32x4.splat(0);
  const past = x + ((<usize>(length & ~3)) << 2);
  for (; x < past; x += 16) {
    sum = f32x4.add(sum, expScaled(f32x4.add(v128.load(x), shift), least, log2e, magic, high, low, c5, c4, c3, c2, one));
  }
  if (length & 3) {
    const e = expScaled(f32x4.add(v128.load(x), shift), least, log2e, magic, high, low, c5, c4, c3, c2, one);
    sum = f32x4.add(sum, v128.and(e, lanesBelow(0, length & 3)));
  }
  return lanesSum(sum);
}

/** y_j = factor · 2^64 · exp(x_j - largest) + offset of `length` numbers. */
export function scaledExponentials(x: usize, y: usize, length: i32, largest: f32, factor: f32, offset: f32, factors: usize): void {
  const least = v128.load(factors);
  const log2e = v128.load(factors, 16);
  const magic = v128.load(factors, 32);
  const high = v128.load(factors, 48);
  const low = v128.load(factors, 64);
  const c5 = v128.load(factors, 80);
  const c4 = v128.load(factors, 96);
  const c3 = v128.load(factors, 112);
  const c2 = v128.load(factors, 128);
  const one = v128.load(factors, 144);
  const shift = f32x4.splat(-largest);
  const slope = f32x4.splat(factor);
  const start = f32x4.splat(offset);
  const whole = (<usize>(length & ~3)) << 2;
  let at: usize = 0;
  for (; at < whole; at += 16) {
    const e = expScaled(f32x4.add(v128.load(x + at), shift), least, log2e, magic, high, low, c5, c4, c3, c2, one);
    v128.store(y + at, madd(e, slope, start));
  }
  if (length & 3) {
    const e = expScaled(f32x4.add(v128.load(x + at), shift), least, log2e, magic, high, low, c5, c4, c3, c2, one);
    storeFirst(y + at, madd(e, slope, start), (<usize>(length & 3)) << 2);
  }
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

/** y = exp x, each of `length` elements that are not above 0. Units are four elements. Scratch: exp's factors. */
export function exponential(start: i32, end: i32, scratch: usize, x: usize, y: usize, length: i32): void {
  putExpFactors(scratch);
  const first = (<usize>start) << 4;
  scaledExponentials(x + first, y + first, min(end << 2, length) - (start << 2), 0, EXP_UNIT, 0, scratch);
}

/** y = log x, each of `length` elements. Units are four elements. */
export function logarithm(start: i32, end: i32, _scratch: usize, x: usize, y: usize, length: i32): void {
  const past = (<usize>length) << 2;
  for (let unit = start; unit < end; unit++) {
    const at = (<usize>unit) << 4;
    storeFirst(y + at, log4(v128.load(x + at)), past - at);
  }
}
