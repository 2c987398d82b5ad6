/** Four lanes at a time: what the routines are made of. Small functions are inlined by the compiler's -O3. */

/** a · b + c: one rounding with relaxed SIMD on a CPU with fused multiply-add, two without. */
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(c, f32x4.mul(a, b));
}

/** Stores the lanes of v that lie within `bytes`: all four from 16 on, none at 0. */
export function storeFirst(y: usize, v: v128, bytes: usize): void {
  if (bytes >= 16) {
    v128.store(y, v);
    return;
  }
  if (bytes >= 4) v128.store_lane<f32>(y, v, 0);
  if (bytes >= 8) v128.store_lane<f32>(y, v, 1, 4);
  if (bytes >= 12) v128.store_lane<f32>(y, v, 2, 8);
}

/**
 * v by way of 16 bytes of scratch. V8 builds what it knows to be constant anew in every round of a loop, three instructions for a
 * vector; what comes from memory stays in its register.
 */
export function unknown(v: v128, scratch: usize): v128 {
  v128.store(scratch, v);
  return v128.load(scratch);
}

/**
 * Reads a number of each cache line of x, in order: what then reads x in another order finds it in a cache. A core fetches one long
 * stream ahead of its use; lines here and there it waits for. What it returns has to be stored, or nothing would be read.
 */
export function touch(x: usize, bytes: usize): i32 {
  let bits: i32 = 0;
  for (let at: usize = 0; at < bytes; at += 64) bits |= load<i32>(x + at);
  return bits;
}
