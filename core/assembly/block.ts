/**
 * The heart of every product: a block of 6 rows × 8 columns whose sums stay in twelve vector registers. For each k it loads two
 * vectors of b and spreads six values of a, so that it does 96 FLOPs per 14 loads: 50 GFLOP/s a core with relaxed SIMD on a
 * CPU at 3.7 GHz (`bench gemm`). Do not unroll its loop, give it a pointer a row, or add c's former values after the loop
 * instead of before it: V8 then spills registers (34, 26 and 25 GFLOP/s).
 */
import { madd } from './vector';

export const ROWS: i32 = 6;
export const COLUMNS: i32 = 8;

/**
 * c[i][0..7] (+)= Σ_k a[k · stride + i] · b[k · 8 + 0..7]   for i in 0..5.
 *
 * @param depth how many k
 * @param stride bytes from one k of `a` to the next; its six values lie side by side
 * @param rows six addresses (u32): row i of c begins at `rows[i] + offset` bytes
 * @param accumulate whether c's former values are added
 */
export function block(depth: i32, a: usize, stride: usize, b: usize, rows: usize, offset: usize, accumulate: bool): void {
  const y0 = <usize>load<u32>(rows, 0) + offset;
  const y1 = <usize>load<u32>(rows, 4) + offset;
  const y2 = <usize>load<u32>(rows, 8) + offset;
  const y3 = <usize>load<u32>(rows, 12) + offset;
  const y4 = <usize>load<u32>(rows, 16) + offset;
  const y5 = <usize>load<u32>(rows, 20) + offset;
  let l0 = f32x4.splat(0);
  let r0 = f32x4.splat(0);
  let l1 = f32x4.splat(0);
  let r1 = f32x4.splat(0);
  let l2 = f32x4.splat(0);
  let r2 = f32x4.splat(0);
  let l3 = f32x4.splat(0);
  let r3 = f32x4.splat(0);
  let l4 = f32x4.splat(0);
  let r4 = f32x4.splat(0);
  let l5 = f32x4.splat(0);
  let r5 = f32x4.splat(0);
  if (accumulate) {
    l0 = v128.load(y0);
    r0 = v128.load(y0, 16);
    l1 = v128.load(y1);
    r1 = v128.load(y1, 16);
    l2 = v128.load(y2);
    r2 = v128.load(y2, 16);
    l3 = v128.load(y3);
    r3 = v128.load(y3, 16);
    l4 = v128.load(y4);
    r4 = v128.load(y4, 16);
    l5 = v128.load(y5);
    r5 = v128.load(y5, 16);
  }
  while (depth > 0) {
    const left = v128.load(b);
    const right = v128.load(b, 16);
    const a0 = v128.load_splat<f32>(a, 0);
    l0 = madd(a0, left, l0);
    r0 = madd(a0, right, r0);
    const a1 = v128.load_splat<f32>(a, 4);
    l1 = madd(a1, left, l1);
    r1 = madd(a1, right, r1);
    const a2 = v128.load_splat<f32>(a, 8);
    l2 = madd(a2, left, l2);
    r2 = madd(a2, right, r2);
    const a3 = v128.load_splat<f32>(a, 12);
    l3 = madd(a3, left, l3);
    r3 = madd(a3, right, r3);
    const a4 = v128.load_splat<f32>(a, 16);
    l4 = madd(a4, left, l4);
    r4 = madd(a4, right, r4);
    const a5 = v128.load_splat<f32>(a, 20);
    l5 = madd(a5, left, l5);
    r5 = madd(a5, right, r5);
    a += stride;
    b += 32;
    depth--;
  }
  v128.store(y0, l0);
  v128.store(y0, r0, 16);
  v128.store(y1, l1);
  v128.store(y1, r1, 16);
  v128.store(y2, l2);
  v128.store(y2, r2, 16);
  v128.store(y3, l3);
  v128.store(y3, r3, 16);
  v128.store(y4, l4);
  v128.store(y4, r4, 16);
  v128.store(y5, l5);
  v128.store(y5, r5, 16);
}

/** As `block` for four rows of c, [4][8], which may lie anywhere: 48 FLOPs of six rows would go into two that nobody needs. */
export function block4(depth: i32, a: usize, stride: usize, b: usize, c: usize, accumulate: bool): void {
  let l0 = f32x4.splat(0);
  let r0 = f32x4.splat(0);
  let l1 = f32x4.splat(0);
  let r1 = f32x4.splat(0);
  let l2 = f32x4.splat(0);
  let r2 = f32x4.splat(0);
  let l3 = f32x4.splat(0);
  let r3 = f32x4.splat(0);
  if (accumulate) {
    l0 = v128.load(c, 0);
    r0 = v128.load(c, 16);
    l1 = v128.load(c, 32);
    r1 = v128.load(c, 48);
    l2 = v128.load(c, 64);
    r2 = v128.load(c, 80);
    l3 = v128.load(c, 96);
    r3 = v128.load(c, 112);
  }
  while (depth > 0) {
    const left = v128.load(b);
    const right = v128.load(b, 16);
    const a0 = v128.load_splat<f32>(a, 0);
    l0 = madd(a0, left, l0);
    r0 = madd(a0, right, r0);
    const a1 = v128.load_splat<f32>(a, 4);
    l1 = madd(a1, left, l1);
    r1 = madd(a1, right, r1);
    const a2 = v128.load_splat<f32>(a, 8);
    l2 = madd(a2, left, l2);
    r2 = madd(a2, right, r2);
    const a3 = v128.load_splat<f32>(a, 12);
    l3 = madd(a3, left, l3);
    r3 = madd(a3, right, r3);
    a += stride;
    b += 32;
    depth--;
  }
  v128.store(c, l0, 0);
  v128.store(c, r0, 16);
  v128.store(c, l1, 32);
  v128.store(c, r1, 48);
  v128.store(c, l2, 64);
  v128.store(c, r2, 80);
  v128.store(c, l3, 96);
  v128.store(c, r3, 112);
}

/**
 * Six rows of floats, side by side for `block`: packed[k][0..5] = row i [k] for k in 0..depth-1. Works in fours: it writes
 * up to 3 k past the end, 24 bytes each, and reads as many floats past each row.
 *
 * @param rows six addresses (u32); `offset` bytes are added to each
 */
export function packRows(rows: usize, offset: usize, depth: i32, packed: usize): void {
  let x0 = <usize>load<u32>(rows, 0) + offset;
  let x1 = <usize>load<u32>(rows, 4) + offset;
  let x2 = <usize>load<u32>(rows, 8) + offset;
  let x3 = <usize>load<u32>(rows, 12) + offset;
  let x4 = <usize>load<u32>(rows, 16) + offset;
  let x5 = <usize>load<u32>(rows, 20) + offset;
  const end = x0 + ((<usize>depth) << 2);
  while (x0 < end) {
    const v0 = v128.load(x0);
    const v1 = v128.load(x1);
    const v2 = v128.load(x2);
    const v3 = v128.load(x3);
    const v4 = v128.load(x4);
    const v5 = v128.load(x5);
    const low01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
    const low23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
    const high23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
    const low45 = v128.shuffle<f32>(v4, v5, 0, 4, 1, 5);
    const high45 = v128.shuffle<f32>(v4, v5, 2, 6, 3, 7);
    v128.store(packed, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5), 0);
    v128.store(packed, v128.shuffle<f32>(low45, low01, 0, 1, 6, 7), 16);
    v128.store(packed, v128.shuffle<f32>(low23, low45, 2, 3, 6, 7), 32);
    v128.store(packed, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), 48);
    v128.store(packed, v128.shuffle<f32>(high45, high01, 0, 1, 6, 7), 64);
    v128.store(packed, v128.shuffle<f32>(high23, high45, 2, 3, 6, 7), 80);
    packed += 96;
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
    x4 += 16;
    x5 += 16;
  }
}
