/** Local response normalisation across channels: see `core/ops/localResponseNorm.ts`. Powers are of a quarter and its multiples. */
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

/** y = x / scale^(quarters / 4). Units are blocks of 4096 elements. */
export function responseNorm(start: i32, end: i32, _scratch: usize, x: usize, scale: usize, y: usize, length: i32, quarters: i32): void {
  const past = (<usize>min(end * BLOCK, length)) << 2;
  for (let at = (<usize>(start * BLOCK)) << 2; at < past; at += 16) {
    storeFirst(y + at, f32x4.div(v128.load(x + at), power(v128.load(scale + at), quarters)), past - at);
  }
}

/**
 * dx = dy / scale^(quarters / 4) - factor · x · Σ dy · y / scale over the window that begins `before` channels ahead.
 * Units and scratch as in `responseScale`.
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
  for (let pixel = start * some; pixel < past; pixel += GROUP) {
    const group = min(GROUP, past - pixel);
    const first = <usize>pixel * bytes;
    for (let i = 0; i < group; i++) {
      const own = scratch + <usize>i * room;
      const at = first + <usize>i * bytes;
      for (let c: usize = 0; c < bytes; c += 16) {
        const product = f32x4.mul(v128.load(dy + at + c), v128.load(y + at + c));
        v128.store(own + ahead + c, f32x4.div(product, v128.load(scale + at + c)));
      }
      frame(own, bytes, ahead, room);
    }
    for (let i = 0; i < group; i++) {
      const own = scratch + <usize>i * room;
      const at = first + <usize>i * bytes;
      for (let c: usize = 0; c < bytes; c += 16) {
        const direct = f32x4.div(v128.load(dy + at + c), power(v128.load(scale + at + c), quarters));
        const through = f32x4.mul(v128.load(x + at + c), windowSum(own + c, size));
        storeFirst(dx + at + c, madd(negative, through, direct), bytes - c);
      }
    }
  }
}
