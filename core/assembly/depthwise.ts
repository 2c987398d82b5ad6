/**
 * Depthwise convolutions: every channel has a filter of its own, weight [R,S,C]. There is nothing to share between channels, so
 * these are sums of products of whole pixels, channel by channel, row by row of the image.
 */
import { madd } from './vector';

/** Bits of `finish`: as in `convolve.ts`. */
const BIAS: i32 = 1;
const RELU: i32 = 2;

/** The first pixel of a row whose partner lies inside, at pixel · stride + offset ≥ 0. */
function firstOf(offset: i32, stride: i32): i32 {
  return offset < 0 ? (stride - 1 - offset) / stride : 0;
}
/** And the one past the last, at pixel · stride + offset < width, of `count`. */
function pastOf(offset: i32, stride: i32, width: i32, count: i32): i32 {
  return width > offset ? min(count, (width - 1 - offset) / stride + 1) : 0;
}

/** y[n,p,q,c] = bias[c] + Σ_{r,s} x[n, p·stride + r·step − padding, q·stride + s·step − padding, c] · weight[r,s,c]. Units are rows of y. */
export function depthwise(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  weight: usize,
  bias: usize,
  y: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  R: i32,
  S: i32,
  padding: i32,
  step: i32,
  stride: i32,
  finish: i32,
): void {
  const pixel = (<usize>C) << 2;
  for (let unit = start; unit < end; unit++) {
    const to = y + <usize>(unit * Q) * pixel;
    if (finish & BIAS) for (let q = 0; q < Q; q++) memory.copy(to + <usize>q * pixel, bias, pixel);
    else memory.fill(to, 0, <usize>Q * pixel);
    for (let r = 0; r < R; r++) {
      const h = (unit % P) * stride + r * step - padding;
      if (<u32>h >= <u32>H) continue;
      const line = x + <usize>(((unit / P) * H + h) * W) * pixel;
      for (let s = 0; s < S; s++) {
        const offset = s * step - padding;
        const past = pastOf(offset, stride, W, Q);
        const by = weight + <usize>(r * S + s) * pixel;
        for (let q = firstOf(offset, stride); q < past; q++) {
          addProducts(line + <usize>(q * stride + offset) * pixel, by, to + <usize>q * pixel, C);
        }
      }
    }
    if (finish & RELU) rectify(to, Q * C);
  }
}

/** dx[n, p·stride + r·step − padding, q·stride + s·step − padding, c] = Σ_{p,q,r,s} dy[n,p,q,c] · weight[r,s,c]. Units are rows of dx. */
export function depthwiseInput(
  start: i32,
  end: i32,
  _scratch: usize,
  dy: usize,
  weight: usize,
  dx: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  R: i32,
  S: i32,
  padding: i32,
  step: i32,
  stride: i32,
): void {
  const pixel = (<usize>C) << 2;
  for (let unit = start; unit < end; unit++) {
    const to = dx + <usize>(unit * W) * pixel;
    memory.fill(to, 0, <usize>W * pixel);
    for (let r = 0; r < R; r++) {
      const h = (unit % H) + padding - r * step;
      if (h < 0 || h % stride !== 0 || h / stride >= P) continue;
      const line = dy + <usize>(((unit / H) * P + h / stride) * Q) * pixel;
      for (let s = 0; s < S; s++) {
        const offset = s * step - padding;
        const past = pastOf(offset, stride, W, Q);
        const by = weight + <usize>(r * S + s) * pixel;
        for (let q = firstOf(offset, stride); q < past; q++) {
          addProducts(line + <usize>q * pixel, by, to + <usize>(q * stride + offset) * pixel, C);
        }
      }
    }
  }
}

/** y += a · b for `count` floats. */
function addProducts(a: usize, b: usize, y: usize, count: i32): void {
  const past = y + ((<usize>count) << 2);
  const whole = y + ((<usize>(count & ~3)) << 2);
  for (; y < whole; y += 16) {
    v128.store(y, madd(v128.load(a), v128.load(b), v128.load(y)));
    a += 16;
    b += 16;
  }
  for (; y < past; y += 4) {
    store<f32>(y, load<f32>(y) + load<f32>(a) * load<f32>(b));
    a += 4;
    b += 4;
  }
}

/** NaN stays NaN. */
function rectify(y: usize, count: i32): void {
  const zero = f32x4.splat(0);
  const past = y + ((<usize>count) << 2);
  for (; y + 16 <= past; y += 16) v128.store(y, f32x4.max(v128.load(y), zero));
  for (; y < past; y += 4) store<f32>(y, max<f32>(load<f32>(y), 0));
}

/** Channels of a unit of the filters' gradient. */
const CHANNELS: i32 = 16;

/**
 * dweight[r,s,c] = Σ_{n,p,q} x[n, p·stride + r·step − padding, q·stride + s·step − padding, c] · dy[n,p,q,c]. Rows of dy are summed
 * up on their own, then added. Units are (tap, 16 channels). Scratch: 64 bytes.
 */
export function depthwiseFilters(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  dy: usize,
  dweight: usize,
  N: i32,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  S: i32,
  padding: i32,
  step: i32,
  stride: i32,
): void {
  const pixel = (<usize>C) << 2;
  const groups = (C + CHANNELS - 1) / CHANNELS;
  for (let unit = start; unit < end; unit++) {
    const tap = unit / groups;
    const first = (unit % groups) * CHANNELS;
    const some = min(CHANNELS, C - first);
    const down = (tap / S) * step - padding;
    const across = (tap % S) * step - padding;
    const firstQ = firstOf(across, stride);
    const pastQ = pastOf(across, stride, W, Q);
    const apart = <usize>stride * pixel;
    memory.fill(scratch, 0, 64);
    for (let n = 0; n < N; n++) {
      for (let p = firstOf(down, stride); p < pastOf(down, stride, H, P); p++) {
        const from = x + <usize>((n * H + p * stride + down) * W + firstQ * stride + across) * pixel + ((<usize>first) << 2);
        const by = dy + <usize>((n * P + p) * Q + firstQ) * pixel + ((<usize>first) << 2);
        if (some === CHANNELS) rowProducts(from, apart, by, pixel, pastQ - firstQ, scratch);
        else {
          for (let c: usize = 0; c < (<usize>some) << 2; c += 4) {
            let sum: f32 = 0;
            for (let q = 0; q < pastQ - firstQ; q++) sum += load<f32>(from + c + <usize>q * apart) * load<f32>(by + c + <usize>q * pixel);
            store<f32>(scratch + c, load<f32>(scratch + c) + sum);
          }
        }
      }
    }
    memory.copy(dweight + <usize>tap * pixel + ((<usize>first) << 2), scratch, (<usize>some) << 2);
  }
}

/** sums += Σ a · b over `count` pixels, of 16 channels. */
function rowProducts(a: usize, aStep: usize, b: usize, bStep: usize, count: i32, sums: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  for (; count > 0; count--) {
    s0 = madd(v128.load(a), v128.load(b), s0);
    s1 = madd(v128.load(a, 16), v128.load(b, 16), s1);
    s2 = madd(v128.load(a, 32), v128.load(b, 32), s2);
    s3 = madd(v128.load(a, 48), v128.load(b, 48), s3);
    a += aStep;
    b += bStep;
  }
  v128.store(sums, f32x4.add(v128.load(sums), s0));
  v128.store(sums, f32x4.add(v128.load(sums, 16), s1), 16);
  v128.store(sums, f32x4.add(v128.load(sums, 32), s2), 32);
  v128.store(sums, f32x4.add(v128.load(sums, 48), s3), 48);
}
