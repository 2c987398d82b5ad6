/**
 * Local response normalisation across channels: see `core/ops/localResponseNorm.ts`. Powers are of a quarter and its multiples.
 *
 * Roots and divisions are what a core does slowest, four lanes in 5 and 3 cycles or more, one after another. So s^-¼ is guessed from the bits
 * of s and improved twice by multiplications alone; and the paper's window of five channels is summed from
 * registers. What these cannot take goes through roots, and through scratch. Loops without branches keep their registers.
 */
import { madd, storeFirst } from './vector';

/** Pixels that go through scratch together, so that what was stored is in the cache before it is read shifted. */
const GROUP: i32 = 8;
const BLOCK: i32 = 4096;

/** s^(quarters / 4). */
function power(s: v128, quarters: i32): v128 {
  const root = f32x4.sqrt(s);
  let result = quarters & 2 ? root : f32x4.splat(1);
  if (quarters & 1) result = f32x4.mul(result, f32x4.sqrt(root));
  for (let i = quarters >> 2; i > 0; i--) result = f32x4.mul(result, s);
  return result;
}

/** Bits of 1e-30 and 1e30: between them every step below stays finite and normal. As whole numbers bits sort as floats do. */
const SMALL: i32 = 0x0da24260;
const LARGE: i32 = 0x7149f2ca;

/** Whether `quarterRoot` can take everything from bits `least` to `most`. */
function within(least: v128, most: v128): bool {
  return !v128.any_true(v128.or(i32x4.lt_u(least, i32x4.splat(SMALL)), i32x4.gt_u(most, i32x4.splat(LARGE))));
}

/** 1 - a · b. */
function oneLess(a: v128, b: v128, one: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, one);
  return f32x4.sub(one, f32x4.mul(a, b));
}

/** Bytes of the factors below, before everything else in scratch. */
const FACTORS: usize = 96;

/**
 * Vectors of what `quarterRoot` and its users need, as loops want them: read from memory, since V8 builds a constant vector anew in
 * every round.
 */
function putFactors(to: usize): void {
  v128.store(to, i32x4.splat(0x4f500000));
  v128.store(to, f32x4.splat(1), 16);
  v128.store(to, f32x4.splat(1.0004013), 32);
  v128.store(to, f32x4.splat(0.23969379), 48);
  v128.store(to, f32x4.splat(0.22709057), 64);
  v128.store(to, f32x4.splat(0.75), 80);
}

/**
 * r = s^-¼ within 5e-5 relative. An exponent is linear in the bits, as for the inverse square root (Lomont 2003): from that guess
 * u = 1 - s · r⁴ is between 0.05 and 0.25, where a polynomial of second degree, fitted at Chebyshev's points, is (1 - u)^-¼.
 * With u anew, s^-¾ = r³ · (1 + ¾ u) and 1 / s = r⁴ · (1 + u), both within 3e-7.
 */
function quarterRoot(s: v128, magic: v128, one: v128, c0: v128, c1: v128, c2: v128): v128 {
  const r = i32x4.sub(magic, i32x4.shr_u(s, 2));
  const square = f32x4.mul(r, r);
  const u = oneLess(s, f32x4.mul(square, square), one);
  return f32x4.mul(r, madd(u, madd(u, c2, c1), c0));
}
/** Σ over five floats around each of v's, which lies between two others. */
function fiveSum(before: v128, v: v128, after: v128): v128 {
  const near = f32x4.add(v128.shuffle<f32>(before, v, 3, 4, 5, 6), v128.shuffle<f32>(v, after, 1, 2, 3, 4));
  const far = f32x4.add(v128.shuffle<f32>(before, v, 2, 3, 4, 5), v128.shuffle<f32>(v, after, 2, 3, 4, 5));
  return f32x4.add(v, f32x4.add(near, far));
}
/** Whether a pixel's windows are summed so. */
function isFive(size: i32, C: i32): bool {
  return size === 5 && (C & 3) === 0;
}

/** Bytes of a pixel in scratch: `before` zeros, its channels, zeros up to a whole vector behind the last window. */
function spread(C: i32, size: i32): usize {
  return ((<usize>(C + 2 * size + 8)) << 2) & ~15;
}

/** Zeros before the channels and after them. */
function frame(to: usize, bytes: usize, before: usize, room: usize): void {
  for (let c: usize = 0; c < before; c += 4) store<f32>(to + c, 0);
  for (let c = before + bytes; c < room; c += 4) store<f32>(to + c, 0);
}

/** Σ over the window of `size` floats that begins at x. */
function windowSum(x: usize, size: i32): v128 {
  let sum = v128.load(x);
  for (let i = 1; i < size; i++) sum = f32x4.add(sum, v128.load(x + ((<usize>i) << 2)));
  return sum;
}

/** scale = k + alpha · Σ x² over the window that begins `before` channels ahead. Units are `some` pixels. Scratch: 8 spread pixels. */
export function responseScale(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  scale: usize,
  pixels: i32,
  C: i32,
  some: i32,
  size: i32,
  before: i32,
  alpha: f32,
  k: f32,
): void {
  const bytes = (<usize>C) << 2;
  const room = spread(C, size);
  const ahead = (<usize>before) << 2;
  const past = min(end * some, pixels);
  if (isFive(size, C)) {
    const first = <usize>(start * some) * bytes;
    scaleFive(x + first, scale + first, past - start * some, bytes, alpha, k);
    return;
  }
  for (let pixel = start * some; pixel < past; pixel += GROUP) {
    const group = min(GROUP, past - pixel);
    const from = x + <usize>pixel * bytes;
    const to = scale + <usize>pixel * bytes;
    for (let i = 0; i < group; i++) {
      const own = scratch + <usize>i * room;
      const at = from + <usize>i * bytes;
      for (let c: usize = 0; c < bytes; c += 16) {
        const v = v128.load(at + c);
        v128.store(own + ahead + c, f32x4.mul(v, v));
      }
      frame(own, bytes, ahead, room);
    }
    for (let i = 0; i < group; i++) {
      const own = scratch + <usize>i * room;
      const at = to + <usize>i * bytes;
      for (let c: usize = 0; c < bytes; c += 16) {
        storeFirst(at + c, madd(f32x4.splat(alpha), windowSum(own + c, size), f32x4.splat(k)), bytes - c);
      }
    }
  }
}

function scaleFive(x: usize, scale: usize, pixels: i32, bytes: usize, alpha: f32, k: f32): void {
  const factor = f32x4.splat(alpha);
  const base = f32x4.splat(k);
  const last = bytes - 16;
  for (; pixels > 0; pixels--, x += bytes, scale += bytes) {
    let before = f32x4.splat(0);
    let v = v128.load(x);
    v = f32x4.mul(v, v);
    for (let c: usize = 0; c < last; c += 16) {
      const next = v128.load(x + c, 16);
      const after = f32x4.mul(next, next);
      v128.store(scale + c, madd(factor, fiveSum(before, v, after), base));
      before = v;
      v = after;
    }
    v128.store(scale + last, madd(factor, fiveSum(before, v, f32x4.splat(0)), base));
  }
}

/** y = x / scale^(quarters / 4). Units are blocks of 4096 elements. Scratch: 96 bytes. */
export function responseNorm(start: i32, end: i32, scratch: usize, x: usize, scale: usize, y: usize, length: i32, quarters: i32): void {
  putFactors(scratch);
  // unit by unit, so that which one falls back to roots does not depend on how threads share them
  for (let unit = start; unit < end; unit++) {
    const past = (<usize>min((unit + 1) * BLOCK, length)) << 2;
    let at = (<usize>(unit * BLOCK)) << 2;
    const bytes = (past - at) & ~15;
    if (quarters === 3 && normThree(x + at, scale + at, y + at, bytes, scratch)) at += bytes;
    for (; at < past; at += 16) {
      storeFirst(y + at, f32x4.div(v128.load(x + at), power(v128.load(scale + at), quarters)), past - at);
    }
  }
}

/** y = x / scale^¾ of whole vectors; false where some scale is outside of what `quarterRoot` takes, then y is not finished. */
export function normThree(x: usize, scale: usize, y: usize, bytes: usize, factors: usize): bool {
  const magic = v128.load(factors);
  const one = v128.load(factors, 16);
  const c0 = v128.load(factors, 32);
  const c1 = v128.load(factors, 48);
  const c2 = v128.load(factors, 64);
  const threeQuarters = v128.load(factors, 80);
  let least = i32x4.splat(-1);
  let most = i32x4.splat(0);
  for (let at: usize = 0; at < bytes; at += 16) {
    const s = v128.load(scale + at);
    least = i32x4.min_u(least, s);
    most = i32x4.max_u(most, s);
    const r = quarterRoot(s, magic, one, c0, c1, c2);
    const square = f32x4.mul(r, r);
    const u = oneLess(s, f32x4.mul(square, square), one);
    const rough = f32x4.mul(f32x4.mul(v128.load(x + at), r), square);
    v128.store(y + at, madd(f32x4.mul(rough, threeQuarters), u, rough));
  }
  return within(least, most);
}

/**
 * dx = dy / scale^(quarters / 4) - factor · x · Σ dy · y / scale over the window that begins `before` channels ahead.
 * Units as in `responseScale`, scratch as there and 96 bytes.
 */
export function responseNormGradient(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  y: usize,
  scale: usize,
  dy: usize,
  dx: usize,
  pixels: i32,
  C: i32,
  some: i32,
  size: i32,
  before: i32,
  quarters: i32,
  factor: f32,
): void {
  const bytes = (<usize>C) << 2;
  const room = spread(C, size);
  const ahead = (<usize>before) << 2;
  const past = min(end * some, pixels);
  const negative = f32x4.splat(-factor);
  const five = quarters === 3 && isFive(size, C);
  if (five) putFactors(scratch);
  for (let pixel = start * some; pixel < past; pixel += GROUP) {
    const group = min(GROUP, past - pixel);
    const first = <usize>pixel * bytes;
    if (five && gradientFive(x + first, y + first, scale + first, dy + first, dx + first, group, bytes, factor, scratch)) continue;
    for (let i = 0; i < group; i++) {
      const own = scratch + FACTORS + <usize>i * room;
      const at = first + <usize>i * bytes;
      for (let c: usize = 0; c < bytes; c += 16) {
        const product = f32x4.mul(v128.load(dy + at + c), v128.load(y + at + c));
        v128.store(own + ahead + c, f32x4.div(product, v128.load(scale + at + c)));
      }
      frame(own, bytes, ahead, room);
    }
    for (let i = 0; i < group; i++) {
      const own = scratch + FACTORS + <usize>i * room;
      const at = first + <usize>i * bytes;
      for (let c: usize = 0; c < bytes; c += 16) {
        const direct = f32x4.div(v128.load(dy + at + c), power(v128.load(scale + at + c), quarters));
        const through = f32x4.mul(v128.load(x + at + c), windowSum(own + c, size));
        storeFirst(dx + at + c, madd(negative, through, direct), bytes - c);
      }
    }
  }
}

/** Windows of five, powers of ¾; false where some scale is outside of what `quarterRoot` takes, then dx is not finished. */
export function gradientFive(
  x: usize,
  y: usize,
  scale: usize,
  dy: usize,
  dx: usize,
  pixels: i32,
  bytes: usize,
  factor: f32,
  factors: usize,
): bool {
  const negative = f32x4.splat(-factor);
  const last = bytes - 16;
  let least = i32x4.splat(-1);
  let most = i32x4.splat(0);
  for (; pixels > 0; pixels--) {
    let before = f32x4.splat(0);
    let direct = f32x4.splat(0);
    let ratio = f32x4.splat(0);
    // one vector ahead: what is stored needs the sum of the next one's
    for (let c: usize = 0; c < bytes; c += 16) {
      const s = v128.load(scale + c);
      least = i32x4.min_u(least, s);
      most = i32x4.max_u(most, s);
      const one = v128.load(factors, 16);
      const r = quarterRoot(s, v128.load(factors), one, v128.load(factors, 32), v128.load(factors, 48), v128.load(factors, 64));
      const square = f32x4.mul(r, r);
      const fourth = f32x4.mul(square, square);
      const u = oneLess(s, fourth, one);
      const g = v128.load(dy + c);
      const product = f32x4.mul(f32x4.mul(g, v128.load(y + c)), fourth);
      const after = madd(product, u, product);
      // before the first vector this is stored where it then is overwritten
      const to = c ? c - 16 : 0;
      v128.store(dx + to, madd(f32x4.mul(negative, v128.load(x + to)), fiveSum(before, ratio, after), direct));
      const rough = f32x4.mul(f32x4.mul(g, r), square);
      direct = madd(f32x4.mul(rough, v128.load(factors, 80)), u, rough);
      before = ratio;
      ratio = after;
    }
    const through = f32x4.mul(v128.load(x + last), fiveSum(before, ratio, f32x4.splat(0)));
    v128.store(dx + last, madd(negative, through, direct));
    x += bytes;
    y += bytes;
    scale += bytes;
    dy += bytes;
    dx += bytes;
  }
  return within(least, most);
}
