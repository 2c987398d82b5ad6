/**
 * One-dimensional transforms of Winograd's method for the filters' gradient, which is the transposed problem (see
 * `winogradTransforms.ts` for the matrices and the points):
 *
 *   dg = Gᵀ [ Σ_tiles (Bᵀ d) ⊙ (A dy) ]
 */

import { madd } from './vector';
import { A, A2, A3, A4, B, B2, B3, B4, LINE, P, PLACE, Q } from './winogradTransforms';

/** A of 4 gradients down a column: four addresses of filters, to the same column of six lines. */
export function gradientColumn4(y0: usize, y1: usize, y2: usize, y3: usize, vectors: i32, to: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  const a2 = f32x4.splat(A2);
  const b2 = f32x4.splat(B2);
  const end = to + ((<usize>vectors) << 4);
  while (to < end) {
    const d0 = v128.load(y0);
    const d1 = v128.load(y1);
    const d2 = v128.load(y2);
    const d3 = v128.load(y3);
    v128.store(to, d0, 0);
    const evenA = madd(a2, d2, d0);
    const oddA = f32x4.mul(a, madd(a2, d3, d1));
    v128.store(to, f32x4.add(evenA, oddA), 1 * LINE);
    v128.store(to, f32x4.sub(evenA, oddA), 2 * LINE);
    const evenB = madd(b2, d2, d0);
    const oddB = f32x4.mul(b, madd(b2, d3, d1));
    v128.store(to, f32x4.add(evenB, oddB), 3 * LINE);
    v128.store(to, f32x4.sub(evenB, oddB), 4 * LINE);
    v128.store(to, d3, 5 * LINE);
    y0 += 16;
    y1 += 16;
    y2 += 16;
    y3 += 16;
    to += 16;
  }
}

/** A of 4 gradients along a line, to six planes; every 8 filters `to` advances by `panel` bytes. */
export function gradientLine4(from: usize, panels: i32, to: usize, plane: usize, panel: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  const a2 = f32x4.splat(A2);
  const b2 = f32x4.splat(B2);
  for (; panels > 0; panels--) {
    for (let half: usize = 0; half < 32; half += 16) {
      const d0 = v128.load(from);
      const d1 = v128.load(from, 1 * PLACE);
      const d2 = v128.load(from, 2 * PLACE);
      const d3 = v128.load(from, 3 * PLACE);
      let at = to + half;
      v128.store(at, d0);
      const evenA = madd(a2, d2, d0);
      const oddA = f32x4.mul(a, madd(a2, d3, d1));
      at += plane;
      v128.store(at, f32x4.add(evenA, oddA));
      at += plane;
      v128.store(at, f32x4.sub(evenA, oddA));
      const evenB = madd(b2, d2, d0);
      const oddB = f32x4.mul(b, madd(b2, d3, d1));
      at += plane;
      v128.store(at, f32x4.add(evenB, oddB));
      at += plane;
      v128.store(at, f32x4.sub(evenB, oddB));
      at += plane;
      v128.store(at, d3);
      from += 16;
    }
    to += panel;
  }
}

/** A of 2 gradients down a column, as `gradientColumn4`. */
export function gradientColumn2(y0: usize, y1: usize, vectors: i32, to: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  const end = to + ((<usize>vectors) << 4);
  while (to < end) {
    const d0 = v128.load(y0);
    const d1 = v128.load(y1);
    const atA = f32x4.mul(a, d1);
    const atB = f32x4.mul(b, d1);
    v128.store(to, d0, 0);
    v128.store(to, f32x4.add(d0, atA), 1 * LINE);
    v128.store(to, f32x4.sub(d0, atA), 2 * LINE);
    v128.store(to, f32x4.add(d0, atB), 3 * LINE);
    v128.store(to, f32x4.sub(d0, atB), 4 * LINE);
    v128.store(to, d1, 5 * LINE);
    y0 += 16;
    y1 += 16;
    to += 16;
  }
}

/** A of 2 gradients along a line, as `gradientLine4`. */
export function gradientLine2(from: usize, panels: i32, to: usize, plane: usize, panel: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  for (; panels > 0; panels--) {
    for (let half: usize = 0; half < 32; half += 16) {
      const d0 = v128.load(from);
      const d1 = v128.load(from, PLACE);
      const atA = f32x4.mul(a, d1);
      const atB = f32x4.mul(b, d1);
      let at = to + half;
      v128.store(at, d0);
      at += plane;
      v128.store(at, f32x4.add(d0, atA));
      at += plane;
      v128.store(at, f32x4.sub(d0, atA));
      at += plane;
      v128.store(at, f32x4.add(d0, atB));
      at += plane;
      v128.store(at, f32x4.sub(d0, atB));
      at += plane;
      v128.store(at, d1);
      from += 16;
    }
    to += panel;
  }
}

/** Gᵀ of 3 taps down a column of sums [8]: `stride` bytes apart, `panel` bytes to the next 8 filters; to three lines. */
export function tapColumn3(from: usize, stride: usize, panels: i32, panel: usize, to: usize): void {
  for (; panels > 0; panels--) {
    for (let half: usize = 0; half < 32; half += 16) {
      let at = from + half;
      const u0 = v128.load(at);
      at += stride;
      const u1 = v128.load(at);
      at += stride;
      const u2 = v128.load(at);
      at += stride;
      const u3 = v128.load(at);
      at += stride;
      const u4 = v128.load(at);
      const u5 = v128.load(at + stride);
      const evenA = f32x4.add(u1, u2);
      const evenB = f32x4.add(u3, u4);
      v128.store(to, tap(u0, evenA, evenB, P, Q), 0);
      v128.store(to, middle(f32x4.sub(u1, u2), f32x4.sub(u3, u4), P * A, Q * B), 1 * LINE);
      v128.store(to, tap(u5, evenA, evenB, P * A2, Q * B2), 2 * LINE);
      to += 16;
    }
    from += panel;
  }
}
function tap(first: v128, ofA: v128, ofB: v128, a: f32, b: f32): v128 {
  return madd(f32x4.splat(a), ofA, madd(f32x4.splat(b), ofB, first));
}
function middle(ofA: v128, ofB: v128, a: f32, b: f32): v128 {
  return madd(f32x4.splat(a), ofA, f32x4.mul(f32x4.splat(b), ofB));
}

/** Gᵀ of 3 taps along a line, to taps `stride` bytes apart. */
export function tapLine3(from: usize, vectors: i32, to: usize, stride: usize): void {
  const end = from + ((<usize>vectors) << 4);
  while (from < end) {
    const u1 = v128.load(from, 1 * PLACE);
    const u2 = v128.load(from, 2 * PLACE);
    const u3 = v128.load(from, 3 * PLACE);
    const u4 = v128.load(from, 4 * PLACE);
    const evenA = f32x4.add(u1, u2);
    const evenB = f32x4.add(u3, u4);
    v128.store(to, tap(v128.load(from), evenA, evenB, P, Q));
    v128.store(to + stride, middle(f32x4.sub(u1, u2), f32x4.sub(u3, u4), P * A, Q * B));
    v128.store(to + 2 * stride, tap(v128.load(from, 5 * PLACE), evenA, evenB, P * A2, Q * B2));
    from += 16;
    to += 16;
  }
}

/** Gᵀ of 5 taps down a column, as `tapColumn3`. */
export function tapColumn5(from: usize, stride: usize, panels: i32, panel: usize, to: usize): void {
  for (; panels > 0; panels--) {
    for (let half: usize = 0; half < 32; half += 16) {
      let at = from + half;
      const u0 = v128.load(at);
      at += stride;
      const u1 = v128.load(at);
      at += stride;
      const u2 = v128.load(at);
      at += stride;
      const u3 = v128.load(at);
      at += stride;
      const u4 = v128.load(at);
      const u5 = v128.load(at + stride);
      const evenA = f32x4.add(u1, u2);
      const oddA = f32x4.sub(u1, u2);
      const evenB = f32x4.add(u3, u4);
      const oddB = f32x4.sub(u3, u4);
      v128.store(to, tap(u0, evenA, evenB, P, Q), 0);
      v128.store(to, middle(oddA, oddB, P * A, Q * B), 1 * LINE);
      v128.store(to, middle(evenA, evenB, P * A2, Q * B2), 2 * LINE);
      v128.store(to, middle(oddA, oddB, P * A3, Q * B3), 3 * LINE);
      v128.store(to, tap(u5, evenA, evenB, P * A4, Q * B4), 4 * LINE);
      to += 16;
    }
    from += panel;
  }
}

/** Gᵀ of 5 taps along a line, as `tapLine3`. */
export function tapLine5(from: usize, vectors: i32, to: usize, stride: usize): void {
  const end = from + ((<usize>vectors) << 4);
  while (from < end) {
    const u1 = v128.load(from, 1 * PLACE);
    const u2 = v128.load(from, 2 * PLACE);
    const u3 = v128.load(from, 3 * PLACE);
    const u4 = v128.load(from, 4 * PLACE);
    const evenA = f32x4.add(u1, u2);
    const oddA = f32x4.sub(u1, u2);
    const evenB = f32x4.add(u3, u4);
    const oddB = f32x4.sub(u3, u4);
    let at = to;
    v128.store(at, tap(v128.load(from), evenA, evenB, P, Q));
    at += stride;
    v128.store(at, middle(oddA, oddB, P * A, Q * B));
    at += stride;
    v128.store(at, middle(evenA, evenB, P * A2, Q * B2));
    at += stride;
    v128.store(at, middle(oddA, oddB, P * A3, Q * B3));
    at += stride;
    v128.store(at, tap(v128.load(from, 5 * PLACE), evenA, evenB, P * A4, Q * B4));
    from += 16;
    to += 16;
  }
}
