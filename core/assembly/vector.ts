/** Four lanes at a time: what the routines are made of. Small functions are inlined by the compiler's -O3. */

/** a · b + c: one rounding with relaxed SIMD on a CPU with fused multiply-add, two without. */
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(c, f32x4.mul(a, b));
}
