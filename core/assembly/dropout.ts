/** The dropout of `core/ops/dropout.ts` in whole numbers: the same masks, bit for bit. */
import { storeFirst, unknown } from './vector';

const BLOCK: i32 = 4096;

/** One round of the hash. */
function round(h: u32): u32 {
  return rotl(h * (h + h + 1), 16);
}
/** h's halves swapped: one instruction with relaxed SIMD, two without. */
function swapped(h: v128, swap: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(h, swap);
  return i8x16.shuffle(h, h, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}
/** g(h + word). */
function multiplied(h: v128, word: v128, one: v128): v128 {
  const sum = i32x4.add(h, word);
  return i32x4.mul(sum, i32x4.add(i32x4.add(sum, sum), one));
}

/** 16 bits for each of eight elements, of which h is g(pair + first). */
function draw(h: v128, first: v128, second: v128, one: v128, swap: v128): v128 {
  h = multiplied(swapped(h, swap), second, one);
  h = multiplied(swapped(h, swap), first, one);
  return multiplied(swapped(h, swap), second, one);
}

/** 16 bits for element `at` of an image's noise: as `core/data/augment/noise.ts`. */
export function noiseAt(at: i32, first: u32, second: u32): i32 {
  let h = round(<u32>(at >> 1) + first);
  h = round(h + second);
  h = round(h + first) + second;
  const drawn = h * (h + h + 1);
  return <i32>(at & 1 ? drawn >> 16 : drawn & 0xffff);
}

/**
 * y = 0 where the hash of (step, node, element) lies below `threshold`, x · factor elsewhere; units are blocks of 4096. Scratch: 16 bytes.
 *
 * @param low slot of `hyper` with the step's key, `high` that of its upper half
 */
export function dropout(
  start: i32,
  end: i32,
  scratch: usize,
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
  const one = unknown(i32x4.splat(1), scratch);
  const four = unknown(i32x4.splat(4), scratch);
  const eight = unknown(i32x4.splat(8), scratch);
  const swap = unknown(i8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13), scratch);
  // x and 2x + 1 of the first round
  let pair = i32x4.add(i32x4.add(i32x4.splat(start * (BLOCK / 2)), i32x4(0, 1, 2, 3)), first);
  let odd = i32x4.add(i32x4.add(pair, pair), one);
  for (; at + 32 <= past; at += 32) {
    const kept = i16x8.ge_u(draw(i32x4.mul(pair, odd), first, second, one, swap), bound);
    v128.store(y + at, v128.and(f32x4.mul(v128.load(x + at), scale), i32x4.extend_low_i16x8_s(kept)));
    v128.store(y + at, v128.and(f32x4.mul(v128.load(x + at, 16), scale), i32x4.extend_high_i16x8_s(kept)), 16);
    pair = i32x4.add(pair, four);
    odd = i32x4.add(odd, eight);
  }
  // no more than seven elements
  const kept = i16x8.ge_u(draw(i32x4.mul(pair, odd), first, second, one, swap), bound);
  let mask = i32x4.extend_low_i16x8_s(kept);
  for (; at < past; at += 16) {
    storeFirst(y + at, v128.and(f32x4.mul(v128.load(x + at), scale), mask), past - at);
    mask = i32x4.extend_high_i16x8_s(kept);
  }
}
