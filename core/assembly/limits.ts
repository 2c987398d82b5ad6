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
