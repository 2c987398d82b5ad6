/** What a device can do at most, to set kernels against: see `core/devices/limits.ts`. */
import { block } from './block';

/** Floats of one unit of a copy: 16 KiB. */
const PIECE: i32 = 4096;

/** y = x by vector loads and stores: what a kernel limited by memory could reach. `length` is a multiple of 4096. */
export function copyLimit(start: i32, end: i32, _scratch: usize, x: usize, y: usize): void {
  const past = (<usize>(end * PIECE)) << 2;
  for (let at = (<usize>(start * PIECE)) << 2; at < past; at += 64) {
    const v0 = v128.load(x + at);
    const v1 = v128.load(x + at, 16);
    const v2 = v128.load(x + at, 32);
    const v3 = v128.load(x + at, 48);
    v128.store(y + at, v0);
    v128.store(y + at, v1, 16);
    v128.store(y + at, v2, 32);
    v128.store(y + at, v3, 48);
  }
}

/**
 * Products and sums of vectors in registers, half of each and no two of one round in need of one another: the most instructions on
 * vectors that a core gets done, in 14 · `rounds` of them a unit. Needs 16 bytes of scratch, whose contents are of no use.
 */
export function vectorLimit(start: i32, end: i32, scratch: usize, rounds: i32): void {
  // by way of memory, so that it is no constant, with which nothing would have to be computed
  v128.store(scratch, f32x4.splat(1));
  const one = v128.load(scratch);
  for (let unit = start; unit < end; unit++) v128.store(scratch, productsAndSums(one, rounds));
}

export function productsAndSums(one: v128, rounds: i32): v128 {
  let a0 = one;
  let a1 = one;
  let a2 = one;
  let a3 = one;
  let a4 = one;
  let a5 = one;
  let a6 = one;
  let b0 = one;
  let b1 = one;
  let b2 = one;
  let b3 = one;
  let b4 = one;
  let b5 = one;
  let b6 = one;
  for (let round = 0; round < rounds; round++) {
    a0 = f32x4.mul(a0, one);
    b0 = f32x4.add(b0, one);
    a1 = f32x4.mul(a1, one);
    b1 = f32x4.add(b1, one);
    a2 = f32x4.mul(a2, one);
    b2 = f32x4.add(b2, one);
    a3 = f32x4.mul(a3, one);
    b3 = f32x4.add(b3, one);
    a4 = f32x4.mul(a4, one);
    b4 = f32x4.add(b4, one);
    a5 = f32x4.mul(a5, one);
    b5 = f32x4.add(b5, one);
    a6 = f32x4.mul(a6, one);
    b6 = f32x4.add(b6, one);
  }
  a0 = f32x4.add(f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3)), f32x4.add(f32x4.add(a4, a5), a6));
  b0 = f32x4.add(f32x4.add(f32x4.add(b0, b1), f32x4.add(b2, b3)), f32x4.add(f32x4.add(b4, b5), b6));
  return f32x4.add(a0, b0);
}

/** Rows of a, b and c in scratch: addresses of six rows, then c, a and b. */
const A: usize = 512;

/**
 * The 6 × 8 block over and over on one small problem that stays in the first cache: 96 · `depth` · `repeats` FLOPs a unit.
 * Needs 512 + 56 · `depth` bytes of scratch. The result is of no use.
 */
export function productLimit(start: i32, end: i32, scratch: usize, depth: i32, repeats: i32): void {
  const a = scratch + A;
  const b = a + <usize>depth * 24;
  const past = b + <usize>depth * 32;
  for (let row: usize = 0; row < 6; row++) store<u32>(scratch + (row << 2), <u32>(scratch + 64 + (row << 5)));
  for (let at = a; at < past; at += 4) store<f32>(at, 0.5);
  for (let unit = start; unit < end; unit++) {
    // two calls, also because a block that is inlined loses its registers: half the speed
    block(depth, a, 24, b, scratch, 0, false);
    for (let i = 1; i < repeats; i++) block(depth, a, 24, b, scratch, 0, true);
  }
}
