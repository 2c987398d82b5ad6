/**
 * F(3×3,4×4): one-dimensional transforms of Winograd's method for filters of 4 taps and tiles of 3 results, from the same six points
 * as those of 3 and 5 taps, with the same Bᵀ: see `winogradTransforms.ts` and `winogradGradients.ts`, whose functions these resemble
 * argument by argument.
 */
import { madd } from './vector';
import { A, A2, A3, B, B2, B3, LINE, P, PLACE, Q } from './winogradTransforms';

/** The even part (of taps 0 and 2) or the odd one (of taps 1 and 3) at a point. */
function part(g0: v128, g2: v128, c0: f32, c2: f32): v128 {
  return madd(f32x4.splat(c2), g2, f32x4.mul(f32x4.splat(c0), g0));
}

/** G of 4 taps down a column. */
export function filterColumn4(from: usize, stride: usize, vectors: i32, to: usize): void {
  const end = to + ((<usize>vectors) << 4);
  while (to < end) {
    const g0 = v128.load(from);
    const g1 = v128.load(from + stride);
    const g2 = v128.load(from + 2 * stride);
    const g3 = v128.load(from + 3 * stride);
    v128.store(to, g0, 0);
    const evenA = part(g0, g2, P, P * A2);
    const oddA = part(g1, g3, P * A, P * A3);
    v128.store(to, f32x4.add(evenA, oddA), 1 * LINE);
    v128.store(to, f32x4.sub(evenA, oddA), 2 * LINE);
    const evenB = part(g0, g2, Q, Q * B2);
    const oddB = part(g1, g3, Q * B, Q * B3);
    v128.store(to, f32x4.add(evenB, oddB), 3 * LINE);
    v128.store(to, f32x4.sub(evenB, oddB), 4 * LINE);
    v128.store(to, g3, 5 * LINE);
    from += 16;
    to += 16;
  }
}

/** G of 4 taps along a line. */
export function filterLine4(from: usize, panels: i32, to: usize, plane: usize, panel: usize): void {
  for (; panels > 0; panels--) {
    for (let half: usize = 0; half < 32; half += 16) {
      const g0 = v128.load(from);
      const g1 = v128.load(from, PLACE);
      const g2 = v128.load(from, 2 * PLACE);
      const g3 = v128.load(from, 3 * PLACE);
      let at = to + half;
      v128.store(at, g0);
      const evenA = part(g0, g2, P, P * A2);
      const oddA = part(g1, g3, P * A, P * A3);
      at += plane;
      v128.store(at, f32x4.add(evenA, oddA));
      at += plane;
      v128.store(at, f32x4.sub(evenA, oddA));
      const evenB = part(g0, g2, Q, Q * B2);
      const oddB = part(g1, g3, Q * B, Q * B3);
      at += plane;
      v128.store(at, f32x4.add(evenB, oddB));
      at += plane;
      v128.store(at, f32x4.sub(evenB, oddB));
      at += plane;
      v128.store(at, g3);
      from += 16;
    }
    to += panel;
  }
}

/** Aᵀ of 3 results down a column of sums. */
export function outputColumn3(from: usize, stride: usize, panels: i32, panel: usize, to: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  const a2 = f32x4.splat(A2);
  const b2 = f32x4.splat(B2);
  for (; panels > 0; panels--) {
    for (let half: usize = 0; half < 32; half += 16) {
      let at = from + half;
      const m0 = v128.load(at);
      at += stride;
      const m1 = v128.load(at);
      at += stride;
      const m2 = v128.load(at);
      at += stride;
      const m3 = v128.load(at);
      at += stride;
      const m4 = v128.load(at);
      const evenA = f32x4.add(m1, m2);
      const evenB = f32x4.add(m3, m4);
      v128.store(to, f32x4.add(f32x4.add(m0, evenA), evenB), 0);
      v128.store(to, madd(a, f32x4.sub(m1, m2), f32x4.mul(b, f32x4.sub(m3, m4))), 1 * LINE);
      v128.store(to, madd(a2, evenA, madd(b2, evenB, v128.load(at + stride))), 2 * LINE);
      to += 16;
    }
    from += panel;
  }
}

/** Aᵀ of 3 results along a line, plus bias, at least `floor`, to three addresses. */
export function outputLine3(from: usize, vectors: i32, bias: usize, floor: f32, y0: usize, y1: usize, y2: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  const a2 = f32x4.splat(A2);
  const b2 = f32x4.splat(B2);
  const least = f32x4.splat(floor);
  const end = from + ((<usize>vectors) << 4);
  while (from < end) {
    const m1 = v128.load(from, 1 * PLACE);
    const m2 = v128.load(from, 2 * PLACE);
    const m3 = v128.load(from, 3 * PLACE);
    const m4 = v128.load(from, 4 * PLACE);
    const add = v128.load(bias);
    const evenA = f32x4.add(m1, m2);
    const evenB = f32x4.add(m3, m4);
    // pmax(x, y) is x where y is not larger: a NaN stays
    v128.store(y0, f32x4.pmax(f32x4.add(f32x4.add(f32x4.add(v128.load(from), evenA), evenB), add), least));
    v128.store(y1, f32x4.pmax(madd(a, f32x4.sub(m1, m2), madd(b, f32x4.sub(m3, m4), add)), least));
    v128.store(y2, f32x4.pmax(madd(a2, evenA, madd(b2, evenB, f32x4.add(v128.load(from, 5 * PLACE), add))), least));
    from += 16;
    bias += 16;
    y0 += 16;
    y1 += 16;
    y2 += 16;
  }
}

/** A of 3 gradients down a column. */
export function gradientColumn3(y0: usize, y1: usize, y2: usize, vectors: i32, to: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  const a2 = f32x4.splat(A2);
  const b2 = f32x4.splat(B2);
  const end = to + ((<usize>vectors) << 4);
  while (to < end) {
    const d0 = v128.load(y0);
    const d1 = v128.load(y1);
    const d2 = v128.load(y2);
    v128.store(to, d0, 0);
    const evenA = madd(a2, d2, d0);
    const oddA = f32x4.mul(a, d1);
    v128.store(to, f32x4.add(evenA, oddA), 1 * LINE);
    v128.store(to, f32x4.sub(evenA, oddA), 2 * LINE);
    const evenB = madd(b2, d2, d0);
    const oddB = f32x4.mul(b, d1);
    v128.store(to, f32x4.add(evenB, oddB), 3 * LINE);
    v128.store(to, f32x4.sub(evenB, oddB), 4 * LINE);
    v128.store(to, d2, 5 * LINE);
    y0 += 16;
    y1 += 16;
    y2 += 16;
    to += 16;
  }
}

/** A of 3 gradients along a line. */
export function gradientLine3(from: usize, panels: i32, to: usize, plane: usize, panel: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  const a2 = f32x4.splat(A2);
  const b2 = f32x4.splat(B2);
  for (; panels > 0; panels--) {
    for (let half: usize = 0; half < 32; half += 16) {
      const d0 = v128.load(from);
      const d1 = v128.load(from, 1 * PLACE);
      const d2 = v128.load(from, 2 * PLACE);
      let at = to + half;
      v128.store(at, d0);
      const evenA = madd(a2, d2, d0);
      const oddA = f32x4.mul(a, d1);
      at += plane;
      v128.store(at, f32x4.add(evenA, oddA));
      at += plane;
      v128.store(at, f32x4.sub(evenA, oddA));
      const evenB = madd(b2, d2, d0);
      const oddB = f32x4.mul(b, d1);
      at += plane;
      v128.store(at, f32x4.add(evenB, oddB));
      at += plane;
      v128.store(at, f32x4.sub(evenB, oddB));
      at += plane;
      v128.store(at, d2);
      from += 16;
    }
    to += panel;
  }
}

/** Gᵀ of 4 taps down a column of sums, to four lines. */
export function tapColumn4(from: usize, stride: usize, panels: i32, panel: usize, to: usize): void {
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
      v128.store(to, f32x4.add(part(evenA, evenB, P, Q), u0), 0);
      v128.store(to, part(oddA, oddB, P * A, Q * B), 1 * LINE);
      v128.store(to, part(evenA, evenB, P * A2, Q * B2), 2 * LINE);
      v128.store(to, f32x4.add(part(oddA, oddB, P * A3, Q * B3), u5), 3 * LINE);
      to += 16;
    }
    from += panel;
  }
}

/** Gᵀ of 4 taps along a line. */
export function tapLine4(from: usize, vectors: i32, to: usize, stride: usize): void {
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
    v128.store(at, f32x4.add(part(evenA, evenB, P, Q), v128.load(from)));
    at += stride;
    v128.store(at, part(oddA, oddB, P * A, Q * B));
    at += stride;
    v128.store(at, part(evenA, evenB, P * A2, Q * B2));
    at += stride;
    v128.store(at, f32x4.add(part(oddA, oddB, P * A3, Q * B3), v128.load(from, 5 * PLACE)));
    from += 16;
    to += 16;
  }
}
