/** Softmax and cross entropy: formulas as in `core/ops/softmax.ts` and `core/losses/crossEntropy.ts`. Units are rows of C values. */
import { lanesBelow, lanesSum, largestOf } from './lanes';
import { exp4, log4 } from './transcendental';
import { storeFirst } from './vector';

/** y_j = exp(x_j - max x) / Σ_i exp(x_i - max x). */
export function softmax(start: i32, end: i32, _scratch: usize, x: usize, y: usize, C: i32): void {
  const bytes = (<usize>C) << 2;
  for (let row = start; row < end; row++) {
    const from = x + <usize>row * bytes;
    const to = y + <usize>row * bytes;
    const largest = largestOf(from, C);
    const sum = f32x4.splat(sumOfExponentials(from, largest, C));
    const shift = f32x4.splat(largest);
    for (let at: usize = 0; at < bytes; at += 16) {
      storeFirst(to + at, f32x4.div(exp4(f32x4.sub(v128.load(from + at), shift)), sum), bytes - at);
    }
  }
}

/** Σ exp(x_j - largest). */
function sumOfExponentials(x: usize, largest: f32, C: i32): f32 {
  const shift = f32x4.splat(largest);
  let sum = f32x4.splat(0);
  let j = 0;
  for (; j + 4 <= C; j += 4) {
    sum = f32x4.add(sum, exp4(f32x4.sub(v128.load(x), shift)));
    x += 16;
  }
  if (j < C) sum = f32x4.add(sum, v128.and(exp4(f32x4.sub(v128.load(x), shift)), lanesBelow(j, C)));
  return lanesSum(sum);
}

/** dx_j = y_j (dy_j - Σ_i y_i dy_i). */
export function softmaxGradient(start: i32, end: i32, _scratch: usize, y: usize, dy: usize, dx: usize, C: i32): void {
  const bytes = (<usize>C) << 2;
  for (let row = start; row < end; row++) {
    const offset = <usize>row * bytes;
    let sum = f32x4.splat(0);
    let j = 0;
    for (; j < C; j += 4) {
      const at = offset + ((<usize>j) << 2);
      const products = f32x4.mul(v128.load(y + at), v128.load(dy + at));
      sum = f32x4.add(sum, j + 4 <= C ? products : v128.and(products, lanesBelow(j, C)));
    }
    const dot = f32x4.splat(lanesSum(sum));
    for (let at = offset; at < offset + bytes; at += 16) {
      storeFirst(dx + at, f32x4.mul(v128.load(y + at), f32x4.sub(v128.load(dy + at), dot)), offset + bytes - at);
    }
  }
}

/** largest[n]: of row n. */
export function rowLargest(start: i32, end: i32, _scratch: usize, x: usize, largest: usize, C: i32): void {
  for (let row = start; row < end; row++) {
    store<f32>(largest + ((<usize>row) << 2), largestOf(x + ((<usize>row * <usize>C) << 2), C));
  }
}

/** sum[n] = Σ_j exp(x[n][j] - largest[n]). */
export function rowSum(start: i32, end: i32, _scratch: usize, x: usize, largest: usize, sum: usize, C: i32): void {
  for (let row = start; row < end; row++) {
    const n = (<usize>row) << 2;
    store<f32>(sum + n, sumOfExponentials(x + n * <usize>C, load<f32>(largest + n), C));
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
    let spread = f32x4.splat(0);
    let ahead = i32x4.splat(0);
    const ownLanes = f32x4.splat(own);
    const targetLanes = f32x4.splat(target);
    let indices = f32x4(0, 1, 2, 3);
    for (let j = 0; j < C; j += 4) {
      const exists = lanesBelow(j, C);
      const logit = v128.load(x + ((<usize>j) << 2));
      spread = f32x4.add(spread, v128.and(f32x4.sub(f32x4.splat(most), logit), exists));
      const equalBehind = v128.and(f32x4.eq(logit, ownLanes), f32x4.ge(indices, targetLanes));
      const behind = v128.or(f32x4.lt(logit, ownLanes), equalBehind);
      // a mask is -1
      ahead = i32x4.sub(ahead, v128.andnot(exists, behind));
      indices = f32x4.add(indices, f32x4.splat(4));
    }
    const before = lanesSum(f32x4.convert_i32x4_s(ahead));
    const counts: f32 = target < 0 ? 0 : 1;
    // without a logit of the target the division by zero makes a loss that is not finite
    const hard = (most - own) / (found ? <f32>1 : <f32>0);
    const logarithm = f32x4.extract_lane(log4(f32x4.splat(load<f32>(sums + n))), 0);
    const loss = logarithm + confidence * hard + smoothing * lanesSum(spread);
    store<f32>(samples + n, target < 0 ? 0 : loss);
    store<f32>(samples + n + pitch, before < 1 ? counts : 0);
    store<f32>(samples + n + 2 * pitch, before < five ? counts : 0);
    store<f32>(samples + n + 3 * pitch, counts);
  }
}

/** dlogits[n][j] = (exp(x - largest) / sum - confidence [j = target] - smoothing) · scale; 0 in a row whose target is negative. */
export function crossEntropyGradient(
  start: i32,
  end: i32,
  _scratch: usize,
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
    const shift = f32x4.splat(load<f32>(largest + n));
    const sum = f32x4.splat(load<f32>(sums + n));
    const targetLanes = f32x4.splat(target);
    let indices = f32x4(0, 1, 2, 3);
    for (let at: usize = 0; at < bytes; at += 16) {
      const share = f32x4.div(exp4(f32x4.sub(v128.load(from + at), shift)), sum);
      const wanted = f32x4.add(v128.and(f32x4.eq(indices, targetLanes), f32x4.splat(confidence)), f32x4.splat(smoothing));
      storeFirst(to + at, f32x4.mul(f32x4.sub(share, wanted), f32x4.splat(scale)), bytes - at);
      indices = f32x4.add(indices, f32x4.splat(4));
    }
  }
}
