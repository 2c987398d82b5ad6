/**
 * Winograd's minimal filtering (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016) in one dimension:
 *
 *   y = Aᵀ [ (G g) ⊙ (Bᵀ d) ]     six values d, a filter g of 3 (5) taps, 4 (2) results y
 *
 * For the filters' gradient see `winogradGradients.ts`. In two dimensions each transform is a sweep over the columns of a tile
 * and one over its rows. Every function here does one such sweep for a run of vectors: four channels a vector.
 *
 * The method evaluates polynomials at six points: 0, ±a, ±b and ∞, with a = 2/3 and b = 3/2. These err five times less than the
 * usual ±1 and ±2, at the same number of operations; ab = 1 makes some coefficients one. With s = a² + b²:
 *
 *        | 1   0  -s   0  1  0 |          | 1          |                       | 1  1  1  1  1  0 |
 *        | 0 -ab² -b²  a  1  0 |          | p   pa pa² |                       | 0  a -a  b -b  0 |
 *   Bᵀ = | 0  ab² -b² -a  1  0 |      G = | p  -pa pa² |                  Aᵀ = | 0 a²  a² b² b² 0 |
 *        | 0 -ba² -a²  b  1  0 |          | q   qb qb² |                       | 0 a³ -a³ b³ -b³ 1 |
 *        | 0  ba² -a² -b  1  0 |          | q  -qb qb² |
 *        | 0   1   0  -s  0  1 |          |          1 |     p = 1 / (2a²(a² - b²)),  q = 1 / (2b²(b² - a²))
 *
 * A filter of 5 taps continues the rows of G to the fourth power, and Aᵀ has its first two rows, with 1 at the end of the second.
 */
import { madd } from './vector';

/** Floats of a run: what a sweep takes at a time, and the distance of neighbouring places of a tile in between. */
export const SWEEP: i32 = 64;
/** Bytes of a run, and of a row of six. */
export const PLACE: i32 = 256;
export const LINE: i32 = 1536;

export const A: f32 = 2.0 / 3.0;
export const B: f32 = 1.5;
export const A2: f32 = 4.0 / 9.0;
export const B2: f32 = 2.25;
export const A3: f32 = 8.0 / 27.0;
export const B3: f32 = 3.375;
export const A4: f32 = 16.0 / 81.0;
export const B4: f32 = 5.0625;
export const P: f32 = -81.0 / 130.0;
export const Q: f32 = 8.0 / 65.0;
const S: f32 = 97.0 / 36.0;

/** Bᵀ down a column: six addresses of channels, to the same column of six lines. */
export function inputColumn(x0: usize, x1: usize, x2: usize, x3: usize, x4: usize, x5: usize, vectors: i32, to: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  const a2 = f32x4.splat(-A2);
  const b2 = f32x4.splat(-B2);
  const s = f32x4.splat(-S);
  const end = to + ((<usize>vectors) << 4);
  while (to < end) {
    const d1 = v128.load(x1);
    const d2 = v128.load(x2);
    const d3 = v128.load(x3);
    const d4 = v128.load(x4);
    v128.store(to, madd(s, d2, f32x4.add(v128.load(x0), d4)), 0);
    const evenA = madd(b2, d2, d4);
    const oddA = f32x4.mul(a, madd(b2, d1, d3));
    v128.store(to, f32x4.add(evenA, oddA), 1 * LINE);
    v128.store(to, f32x4.sub(evenA, oddA), 2 * LINE);
    const evenB = madd(a2, d2, d4);
    const oddB = f32x4.mul(b, madd(a2, d1, d3));
    v128.store(to, f32x4.add(evenB, oddB), 3 * LINE);
    v128.store(to, f32x4.sub(evenB, oddB), 4 * LINE);
    v128.store(to, madd(s, d3, f32x4.add(d1, v128.load(x5))), 5 * LINE);
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
    x4 += 16;
    x5 += 16;
    to += 16;
  }
}

/** Bᵀ along a line, to five planes, and a sixth at `last` if that is not 0; every 16 channels both advance by `jump` bytes. */
export function inputLine(from: usize, vectors: i32, to: usize, last: usize, plane: usize, jump: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  const a2 = f32x4.splat(-A2);
  const b2 = f32x4.splat(-B2);
  const s = f32x4.splat(-S);
  while (vectors > 0) {
    const end = from + ((<usize>min(vectors, 4)) << 4);
    let place = to;
    while (from < end) {
      const d1 = v128.load(from, 1 * PLACE);
      const d2 = v128.load(from, 2 * PLACE);
      const d3 = v128.load(from, 3 * PLACE);
      const d4 = v128.load(from, 4 * PLACE);
      let at = place;
      v128.store(at, madd(s, d2, f32x4.add(v128.load(from), d4)));
      const evenA = madd(b2, d2, d4);
      const oddA = f32x4.mul(a, madd(b2, d1, d3));
      at += plane;
      v128.store(at, f32x4.add(evenA, oddA));
      at += plane;
      v128.store(at, f32x4.sub(evenA, oddA));
      const evenB = madd(a2, d2, d4);
      const oddB = f32x4.mul(b, madd(a2, d1, d3));
      at += plane;
      v128.store(at, f32x4.add(evenB, oddB));
      at += plane;
      v128.store(at, f32x4.sub(evenB, oddB));
      if (last !== 0) v128.store(last + (place - to), madd(s, d3, f32x4.add(d1, v128.load(from, 5 * PLACE))));
      from += 16;
      place += 16;
    }
    to += jump;
    if (last !== 0) last += jump;
    vectors -= 4;
  }
}

/** G of 3 taps down a column: taps `stride` bytes apart, to the same column of six lines. */
export function filterColumn3(from: usize, stride: usize, vectors: i32, to: usize): void {
  const p = f32x4.splat(P);
  const q = f32x4.splat(Q);
  const pa2 = f32x4.splat(P * A2);
  const qb2 = f32x4.splat(Q * B2);
  const pa = f32x4.splat(P * A);
  const qb = f32x4.splat(Q * B);
  const end = to + ((<usize>vectors) << 4);
  while (to < end) {
    const g0 = v128.load(from);
    const g1 = v128.load(from + stride);
    const g2 = v128.load(from + 2 * stride);
    v128.store(to, g0, 0);
    const evenA = madd(pa2, g2, f32x4.mul(p, g0));
    const oddA = f32x4.mul(pa, g1);
    v128.store(to, f32x4.add(evenA, oddA), 1 * LINE);
    v128.store(to, f32x4.sub(evenA, oddA), 2 * LINE);
    const evenB = madd(qb2, g2, f32x4.mul(q, g0));
    const oddB = f32x4.mul(qb, g1);
    v128.store(to, f32x4.add(evenB, oddB), 3 * LINE);
    v128.store(to, f32x4.sub(evenB, oddB), 4 * LINE);
    v128.store(to, g2, 5 * LINE);
    from += 16;
    to += 16;
  }
}

/** G of 3 taps along a line, to six planes; every 8 filters `to` advances by `panel` bytes. */
export function filterLine3(from: usize, panels: i32, to: usize, plane: usize, panel: usize): void {
  const p = f32x4.splat(P);
  const q = f32x4.splat(Q);
  const pa2 = f32x4.splat(P * A2);
  const qb2 = f32x4.splat(Q * B2);
  const pa = f32x4.splat(P * A);
  const qb = f32x4.splat(Q * B);
  for (; panels > 0; panels--) {
    for (let half: usize = 0; half < 32; half += 16) {
      const g0 = v128.load(from);
      const g1 = v128.load(from, PLACE);
      const g2 = v128.load(from, 2 * PLACE);
      let at = to + half;
      v128.store(at, g0);
      const evenA = madd(pa2, g2, f32x4.mul(p, g0));
      const oddA = f32x4.mul(pa, g1);
      at += plane;
      v128.store(at, f32x4.add(evenA, oddA));
      at += plane;
      v128.store(at, f32x4.sub(evenA, oddA));
      const evenB = madd(qb2, g2, f32x4.mul(q, g0));
      const oddB = f32x4.mul(qb, g1);
      at += plane;
      v128.store(at, f32x4.add(evenB, oddB));
      at += plane;
      v128.store(at, f32x4.sub(evenB, oddB));
      at += plane;
      v128.store(at, g2);
      from += 16;
    }
    to += panel;
  }
}

/** G of 5 taps down a column, as `filterColumn3`. */
export function filterColumn5(from: usize, stride: usize, vectors: i32, to: usize): void {
  const end = to + ((<usize>vectors) << 4);
  while (to < end) {
    const g0 = v128.load(from);
    const g1 = v128.load(from + stride);
    const g2 = v128.load(from + 2 * stride);
    const g3 = v128.load(from + 3 * stride);
    const g4 = v128.load(from + 4 * stride);
    v128.store(to, g0, 0);
    const evenA = even5(g0, g2, g4, P, P * A2, P * A4);
    const oddA = odd5(g1, g3, P * A, P * A3);
    v128.store(to, f32x4.add(evenA, oddA), 1 * LINE);
    v128.store(to, f32x4.sub(evenA, oddA), 2 * LINE);
    const evenB = even5(g0, g2, g4, Q, Q * B2, Q * B4);
    const oddB = odd5(g1, g3, Q * B, Q * B3);
    v128.store(to, f32x4.add(evenB, oddB), 3 * LINE);
    v128.store(to, f32x4.sub(evenB, oddB), 4 * LINE);
    v128.store(to, g4, 5 * LINE);
    from += 16;
    to += 16;
  }
}
function even5(g0: v128, g2: v128, g4: v128, c0: f32, c2: f32, c4: f32): v128 {
  return madd(f32x4.splat(c4), g4, madd(f32x4.splat(c2), g2, f32x4.mul(f32x4.splat(c0), g0)));
}
function odd5(g1: v128, g3: v128, c1: f32, c3: f32): v128 {
  return madd(f32x4.splat(c3), g3, f32x4.mul(f32x4.splat(c1), g1));
}

/** G of 5 taps along a line, as `filterLine3`. */
export function filterLine5(from: usize, panels: i32, to: usize, plane: usize, panel: usize): void {
  for (; panels > 0; panels--) {
    for (let half: usize = 0; half < 32; half += 16) {
      const g0 = v128.load(from);
      const g1 = v128.load(from, PLACE);
      const g2 = v128.load(from, 2 * PLACE);
      const g3 = v128.load(from, 3 * PLACE);
      const g4 = v128.load(from, 4 * PLACE);
      let at = to + half;
      v128.store(at, g0);
      const evenA = even5(g0, g2, g4, P, P * A2, P * A4);
      const oddA = odd5(g1, g3, P * A, P * A3);
      at += plane;
      v128.store(at, f32x4.add(evenA, oddA));
      at += plane;
      v128.store(at, f32x4.sub(evenA, oddA));
      const evenB = even5(g0, g2, g4, Q, Q * B2, Q * B4);
      const oddB = odd5(g1, g3, Q * B, Q * B3);
      at += plane;
      v128.store(at, f32x4.add(evenB, oddB));
      at += plane;
      v128.store(at, f32x4.sub(evenB, oddB));
      at += plane;
      v128.store(at, g4);
      from += 16;
    }
    to += panel;
  }
}

/** Aᵀ of 4 results down a column of sums [8]: `stride` bytes apart, `panel` bytes to the next 8 filters; to four lines. */
export function outputColumn4(from: usize, stride: usize, panels: i32, panel: usize, to: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  const a2 = f32x4.splat(A2);
  const b2 = f32x4.splat(B2);
  const a3 = f32x4.splat(A3);
  const b3 = f32x4.splat(B3);
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
      const oddA = f32x4.sub(m1, m2);
      const evenB = f32x4.add(m3, m4);
      const oddB = f32x4.sub(m3, m4);
      v128.store(to, f32x4.add(f32x4.add(m0, evenA), evenB), 0);
      v128.store(to, madd(a, oddA, f32x4.mul(b, oddB)), 1 * LINE);
      v128.store(to, madd(a2, evenA, f32x4.mul(b2, evenB)), 2 * LINE);
      v128.store(to, madd(a3, oddA, madd(b3, oddB, v128.load(at + stride))), 3 * LINE);
      to += 16;
    }
    from += panel;
  }
}

/** Aᵀ of 4 results along a line, plus bias, at least `floor`, to four addresses. */
export function outputLine4(from: usize, vectors: i32, bias: usize, floor: f32, y0: usize, y1: usize, y2: usize, y3: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  const a2 = f32x4.splat(A2);
  const b2 = f32x4.splat(B2);
  const a3 = f32x4.splat(A3);
  const b3 = f32x4.splat(B3);
  const least = f32x4.splat(floor);
  const end = from + ((<usize>vectors) << 4);
  while (from < end) {
    const m1 = v128.load(from, 1 * PLACE);
    const m2 = v128.load(from, 2 * PLACE);
    const m3 = v128.load(from, 3 * PLACE);
    const m4 = v128.load(from, 4 * PLACE);
    const add = v128.load(bias);
    const evenA = f32x4.add(m1, m2);
    const oddA = f32x4.sub(m1, m2);
    const evenB = f32x4.add(m3, m4);
    const oddB = f32x4.sub(m3, m4);
    // pmax(x, y) is x where y is not larger: a NaN stays
    v128.store(y0, f32x4.pmax(f32x4.add(f32x4.add(f32x4.add(v128.load(from), evenA), evenB), add), least));
    v128.store(y1, f32x4.pmax(madd(a, oddA, madd(b, oddB, add)), least));
    v128.store(y2, f32x4.pmax(madd(a2, evenA, madd(b2, evenB, add)), least));
    v128.store(y3, f32x4.pmax(madd(a3, oddA, madd(b3, oddB, f32x4.add(v128.load(from, 5 * PLACE), add))), least));
    from += 16;
    bias += 16;
    y0 += 16;
    y1 += 16;
    y2 += 16;
    y3 += 16;
  }
}

/** Aᵀ of 2 results down a column of sums, as `outputColumn4`. */
export function outputColumn2(from: usize, stride: usize, panels: i32, panel: usize, to: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
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
      v128.store(to, f32x4.add(f32x4.add(m0, f32x4.add(m1, m2)), f32x4.add(m3, m4)), 0);
      const odd = madd(b, f32x4.sub(m3, m4), v128.load(at + stride));
      v128.store(to, madd(a, f32x4.sub(m1, m2), odd), LINE);
      to += 16;
    }
    from += panel;
  }
}

/** Aᵀ of 2 results along a line, as `outputLine4`. */
export function outputLine2(from: usize, vectors: i32, bias: usize, floor: f32, y0: usize, y1: usize): void {
  const a = f32x4.splat(A);
  const b = f32x4.splat(B);
  const least = f32x4.splat(floor);
  const end = from + ((<usize>vectors) << 4);
  while (from < end) {
    const m1 = v128.load(from, 1 * PLACE);
    const m2 = v128.load(from, 2 * PLACE);
    const m3 = v128.load(from, 3 * PLACE);
    const m4 = v128.load(from, 4 * PLACE);
    const add = v128.load(bias);
    const even = f32x4.add(f32x4.add(v128.load(from), f32x4.add(m1, m2)), f32x4.add(m3, m4));
    v128.store(y0, f32x4.pmax(f32x4.add(even, add), least));
    const odd = madd(b, f32x4.sub(m3, m4), f32x4.add(v128.load(from, 5 * PLACE), add));
    v128.store(y1, f32x4.pmax(madd(a, f32x4.sub(m1, m2), odd), least));
    from += 16;
    bias += 16;
    y0 += 16;
    y1 += 16;
  }
}
