/** Softmax and cross entropy: formulas as in `core/ops/softmax.ts` and `core/losses/crossEntropy.ts`. Units are rows of C values. */
import { lanesBelow, lanesSum, largestOf } from './lanes';
import { EXP_UNIT, exponentials, log4, putExpFactors, scaledExponentials, sumOfExponentials } from './transcendental';
import { madd, storeFirst } from './vector';

/** y_j = exp(x_j - max x) / Σ_i exp(x_i - max x): NaN all along a row that holds one. Scratch: exp's factors. */
export function softmax(start: i32, end: i32, scratch: usize, x: usize, y: usize, C: i32): void {
  putExpFactors(scratch);
  const bytes = (<usize>C) << 2;
  for (let row = start; row < end; row++) {
    const from = x + <usize>row * bytes;
    const to = y + <usize>row * bytes;
    // both times 2^64
    const share = f32x4.splat(1 / exponentials(from, to, C, largestOf(from, C), scratch));
    let at: usize = 0;
    for (; at + 32 <= bytes; at += 32) {
      v128.store(to + at, f32x4.mul(v128.load(to + at), share));
      v128.store(to + at, f32x4.mul(v128.load(to + at, 16), share), 16);
    }
    for (; at < bytes; at += 16) storeFirst(to + at, f32x4.mul(v128.load(to + at), share), bytes - at);
  }
}

/** dx_j = y_j (dy_j - Σ_i y_i dy_i). */
export function softmaxGradient(start: i32, end: i32, _scratch: usize, y: usize, dy: usize, dx: usize, C: i32): void {
  const bytes = (<usize>C) << 2;
  for (let row = start; row < end; row++) {
    const offset = <usize>row * bytes;
    const own = y + offset;
    const other = dy + offset;
    const to = dx + offset;
    let even = f32x4.splat(0);
    let odd = even;
    let at: usize = 0;
    for (; at + 32 <= bytes; at += 32) {
      even = madd(v128.load(own + at), v128.load(other + at), even);
      odd = madd(v128.load(own + at, 16), v128.load(other + at, 16), odd);
    }
    for (; at < bytes; at += 16) {
      const products = f32x4.mul(v128.load(own + at), v128.load(other + at));
      even = f32x4.add(even, v128.and(products, lanesBelow(<i32>(at >> 2), C)));
    }
    const dot = f32x4.splat(lanesSum(f32x4.add(even, odd)));
    at = 0;
    for (; at + 32 <= bytes; at += 32) {
      v128.store(to + at, f32x4.mul(v128.load(own + at), f32x4.sub(v128.load(other + at), dot)));
      v128.store(to + at, f32x4.mul(v128.load(own + at, 16), f32x4.sub(v128.load(other + at, 16), dot)), 16);
    }
    for (; at < bytes; at += 16) {
      storeFirst(to + at, f32x4.mul(v128.load(own + at), f32x4.sub(v128.load(other + at), dot)), bytes - at);
    }
  }
}

/** The largest number below x; x if that is NaN, NaN below -infinity. */
function nextBelow(x: f32): f32 {
  const bits = reinterpret<i32>(x);
  return reinterpret<f32>(x === 0 ? 0x80000001 : bits > 0 ? bits - 1 : bits + 1);
}

/** How many of `length` numbers are at most `bound`. */
function countAtMost(x: usize, length: i32, bound: f32): i32 {
  const limit = f32x4.splat(bound);
  // masks are -1
  let even = i32x4.splat(0);
  let odd = even;
  let i = 0;
  for (; i + 8 <= length; i += 8, x += 32) {
    even = i32x4.add(even, f32x4.le(v128.load(x), limit));
    odd = i32x4.add(odd, f32x4.le(v128.load(x, 16), limit));
  }
  for (; i < length; i += 4, x += 16) even = i32x4.add(even, v128.and(f32x4.le(v128.load(x), limit), lanesBelow(i, length)));
  even = i32x4.add(even, odd);
  even = i32x4.add(even, v128.shuffle<i32>(even, even, 2, 3, 0, 1));
  return -(i32x4.extract_lane(even, 0) + i32x4.extract_lane(even, 1));
}

/** Σ (largest - x_j) of `length` numbers. */
function sumOfGaps(x: usize, length: i32, largest: f32): f32 {
  const top = f32x4.splat(largest);
  let even = f32x4.splat(0);
  let odd = even;
  let i = 0;
  for (; i + 8 <= length; i += 8, x += 32) {
    even = f32x4.add(even, f32x4.sub(top, v128.load(x)));
    odd = f32x4.add(odd, f32x4.sub(top, v128.load(x, 16)));
  }
  for (; i < length; i += 4, x += 16) even = f32x4.add(even, v128.and(f32x4.sub(top, v128.load(x)), lanesBelow(i, length)));
  return lanesSum(f32x4.add(even, odd));
}

/** largest[n]: of row n; NaN is passed over, and met again in the row's sum. */
export function rowLargest(start: i32, end: i32, _scratch: usize, x: usize, largest: usize, C: i32): void {
  for (let row = start; row < end; row++) {
    store<f32>(largest + ((<usize>row) << 2), largestOf(x + ((<usize>row * <usize>C) << 2), C));
  }
}

/** sum[n] = Σ_j exp(x[n][j] - largest[n]). Scratch: exp's factors. */
export function rowSum(start: i32, end: i32, scratch: usize, x: usize, largest: usize, sum: usize, C: i32): void {
  putExpFactors(scratch);
  for (let row = start; row < end; row++) {
    const n = (<usize>row) << 2;
    store<f32>(sum + n, EXP_UNIT * sumOfExponentials(x + n * <usize>C, C, load<f32>(largest + n), scratch));
  }
}

/** samples [4,N]: what `judge` in `crossEntropy.ts` says of each row. */
export function judge(
  start: i32,
  end: i32,
  _scratch: usize,
  logits: usize,
  targets: usize,
  largest: usize,
  sums: usize,
  samples: usize,
  N: i32,
  C: i32,
  confidence: f32,
  smoothing: f32,
  five: f32,
): void {
  const pitch = (<usize>N) << 2;
  for (let row = start; row < end; row++) {
    const n = (<usize>row) << 2;
    const x = logits + n * <usize>C;
    const target = load<f32>(targets + n);
    const most = load<f32>(largest + n);
    const found = target >= 0 && target < <f32>C && target === floor(target);
    const own: f32 = found ? load<f32>(x + ((<usize>target) << 2)) : 0;
    // an equal logit is ahead before the target and behind from there on; NaN is behind nothing
    const split = target >= 0 && target < <f32>C ? <i32>ceil(target) : C;
    const behind = countAtMost(x, split, nextBelow(own)) + countAtMost(x + ((<usize>split) << 2), C - split, own);
    const before = <f32>(C - behind);
    const counts: f32 = target < 0 ? 0 : 1;
    // without a logit of the target the division by zero makes a loss that is not finite
    const hard = (most - own) / (found ? <f32>1 : <f32>0);
    const logarithm = f32x4.extract_lane(log4(f32x4.splat(load<f32>(sums + n))), 0);
    const loss = logarithm + confidence * hard + smoothing * sumOfGaps(x, C, most);
    store<f32>(samples + n, target < 0 ? 0 : loss);
    store<f32>(samples + n + pitch, before < 1 ? counts : 0);
    store<f32>(samples + n + 2 * pitch, before < five ? counts : 0);
    store<f32>(samples + n + 3 * pitch, counts);
  }
}

/** dlogits[n][j] = (exp(x - largest) / sum - confidence [j = target] - smoothing) · scale; 0 in a row whose target is negative. Scratch: exp's factors. */
export function crossEntropyGradient(
  start: i32,
  end: i32,
  scratch: usize,
  logits: usize,
  targets: usize,
  largest: usize,
  sums: usize,
  result: usize,
  hyper: usize,
  gradient: usize,
  C: i32,
  confidence: f32,
  smoothing: f32,
): void {
  putExpFactors(scratch);
  const bytes = (<usize>C) << 2;
  // result's fourth number is how many samples count, hyper's sixth the loss scale
  const scale = load<f32>(hyper, 20) / max<f32>(load<f32>(result, 12), 1);
  for (let row = start; row < end; row++) {
    const n = (<usize>row) << 2;
    const from = logits + <usize>row * bytes;
    const to = gradient + <usize>row * bytes;
    const target = load<f32>(targets + n);
    if (target < 0) {
      memory.fill(to, 0, bytes);
      continue;
    }
    const slope = (EXP_UNIT / load<f32>(sums + n)) * scale;
    scaledExponentials(from, to, C, load<f32>(largest + n), slope, -smoothing * scale, scratch);
    // of a target without a logit there is nothing to take
    if (target < <f32>C && target === floor(target)) {
      const own = to + ((<usize>target) << 2);
      store<f32>(own, load<f32>(own) - confidence * scale);
    }
  }
}
