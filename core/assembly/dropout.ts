/** The dropout of `core/ops/dropout.ts` in whole numbers: the same masks, bit for bit. */
import { storeFirst } from './vector';

const BLOCK: i32 = 4096;

/** One round of the hash, in a word and in four. */
function round(h: u32): u32 {
  return rotl(h * (h + h + 1), 16);
}
function round4(h: v128): v128 {
  return i8x16.shuffle(multiplied(h), h, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}
function multiplied(h: v128): v128 {
  return i32x4.mul(h, i32x4.add(i32x4.add(h, h), i32x4.splat(1)));
}

/** 16 bits for each of eight elements. */
function draw(pair: v128, first: v128, second: v128): v128 {
  let h = round4(i32x4.add(pair, first));
  h = round4(i32x4.add(h, second));
  h = round4(i32x4.add(h, first));
  return multiplied(i32x4.add(h, second));
}

/**
 * y = 0 where the hash of (step, node, element) lies below `threshold`, x · factor elsewhere; units are blocks of 4096.
 *
 * @param low slot of `hyper` with the step's key, `high` that of its upper half
 */
export function dropout(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  hyper: usize,
  y: usize,
  length: i32,
  low: i32,
  high: i32,
  node: i32,
  threshold: i32,
  factor: f32,
): void {
  const keyLow = <u32>load<f32>(hyper + ((<usize>low) << 2));
  const keyHigh = <u32>load<f32>(hyper + ((<usize>high) << 2));
  const key = round(round(round(<u32>0x9e3779b9 + <u32>node) + keyLow) + keyHigh);
  const first = i32x4.splat(<i32>key);
  const second = i32x4.splat(<i32>round(round(key + keyLow) + keyHigh));
  const bound = i16x8.splat(<i16>threshold);
  const scale = f32x4.splat(factor);
  const past = (<usize>min(end * BLOCK, length)) << 2;
  let at = (<usize>(start * BLOCK)) << 2;
  let pair = i32x4.add(i32x4.splat(start * (BLOCK / 2)), i32x4(0, 1, 2, 3));
  for (; at + 32 <= past; at += 32) {
    const dropped = i16x8.lt_u(draw(pair, first, second), bound);
    v128.store(y + at, v128.andnot(f32x4.mul(v128.load(x + at), scale), i32x4.extend_low_i16x8_s(dropped)));
    v128.store(y + at, v128.andnot(f32x4.mul(v128.load(x + at, 16), scale), i32x4.extend_high_i16x8_s(dropped)), 16);
    pair = i32x4.add(pair, i32x4.splat(4));
  }
  // no more than seven elements
  const dropped = i16x8.lt_u(draw(pair, first, second), bound);
  let mask = i32x4.extend_low_i16x8_s(dropped);
  for (; at < past; at += 16) {
    storeFirst(y + at, v128.andnot(f32x4.mul(v128.load(x + at), scale), mask), past - at);
    mask = i32x4.extend_high_i16x8_s(dropped);
  }
}
