/**
 * Transforms for 3 × 3 convolutions of stride 2 by Winograd's method. Along each direction the rows of a picture are of two kinds:
 * those that taps 0 and 2 of the windows see, and those that tap 1 sees. Each kind by itself is a convolution of stride 1, with
 * two taps and with one. With the points of `winogradTransforms.ts`, four outputs of the filter (g0, g2, 0) need the five points
 * 0, ±a, ±b, and of (0, g1, 0) only ±a and ±b: its transform is zero at 0, as both are at ∞. Over both directions the four kinds
 * of pixels take 25 + 20 + 20 + 16 = 81 products for 16 outputs instead of 144. Three outputs need the points 0, ±a and b only, and
 * of (0, g1, 0) ±a and b: see `winogradOrder.ts` for how images are cut into tiles of both lengths.
 *
 * The kinds are numbered such that what a place takes part in lies side by side: 0 has two taps down and one across, 1 two and
 * two, 2 one and two, 3 one and one.
 */
import { madd } from './vector';
import { turn } from './winogradFilters';
import { SQUARE, ZEROS } from './winogradTiles';
import { A, A2, B, B2, LINE, P, PLACE, Q } from './winogradTransforms';

/** Places of a tile: five lines of five. */
export const PLACES: usize = 25;
const S: f32 = A2 + B2;

/** Whether the windows see this kind's rows (columns) with two taps. */
export function twoDown(kind: i32): bool {
  return kind < 2;
}
export function twoAcross(kind: i32): bool {
  return kind === 1 || kind === 2;
}

/** The first five rows of Bᵀ down a column: five addresses of channels, to the same column of five lines. */
function inputColumn(x0: usize, x1: usize, x2: usize, x3: usize, x4: usize, vectors: i32, to: usize): void {
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
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
    x4 += 16;
    to += 16;
  }
}

/**
 * The same for a tile of three outputs, which takes only the points 0, ±a and b: four addresses, to four lines. Filters keep
 * their transform, so the factors that the missing point -b leaves out of theirs are here.
 */
function shortColumn(x0: usize, x1: usize, x2: usize, x3: usize, vectors: i32, to: usize): void {
  const end = to + ((<usize>vectors) << 4);
  while (to < end) {
    const d1 = v128.load(x1);
    const d2 = v128.load(x2);
    const d3 = v128.load(x3);
    v128.store(to, short0(v128.load(x0), d1, d2, d3), 0);
    v128.store(to, shortA(d1, d2, d3), 1 * LINE);
    v128.store(to, shortMinusA(d1, d2, d3), 2 * LINE);
    v128.store(to, shortB(d1, d3), 3 * LINE);
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
    to += 16;
  }
}
function short0(d0: v128, d1: v128, d2: v128, d3: v128): v128 {
  return madd(f32x4.splat(B), d3, madd(f32x4.splat(-A), d1, madd(f32x4.splat(-B2), d2, d0)));
}
function shortA(d1: v128, d2: v128, d3: v128): v128 {
  return f32x4.mul(f32x4.splat(A + B), madd(f32x4.splat(A - B), d2, f32x4.sub(d3, d1)));
}
function shortMinusA(d1: v128, d2: v128, d3: v128): v128 {
  return f32x4.mul(f32x4.splat(B - A), madd(f32x4.splat(-A - B), d2, f32x4.add(d3, d1)));
}
function shortB(d1: v128, d3: v128): v128 {
  return f32x4.mul(f32x4.splat(2.0 * B), madd(f32x4.splat(-A2), d1, d3));
}

/** Bᵀ along a line, to four planes and a fifth at `last`; every 16 channels both advance by `jump` bytes. */
function inputLine(from: usize, vectors: i32, to: usize, last: usize, plane: usize, jump: usize): void {
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
      v128.store(last + (place - to), f32x4.sub(evenB, oddB));
      from += 16;
      place += 16;
    }
    to += jump;
    last += jump;
    vectors -= 4;
  }
}

/** The same for a tile of three outputs: to four planes. */
function shortLine(from: usize, vectors: i32, to: usize, plane: usize, jump: usize): void {
  while (vectors > 0) {
    const end = from + ((<usize>min(vectors, 4)) << 4);
    let place = to;
    while (from < end) {
      const d1 = v128.load(from, 1 * PLACE);
      const d2 = v128.load(from, 2 * PLACE);
      const d3 = v128.load(from, 3 * PLACE);
      let at = place;
      v128.store(at, short0(v128.load(from), d1, d2, d3));
      at += plane;
      v128.store(at, shortA(d1, d2, d3));
      at += plane;
      v128.store(at, shortMinusA(d1, d2, d3));
      v128.store(at + plane, shortB(d1, d3));
      from += 16;
      place += 16;
    }
    to += jump;
    vectors -= 4;
  }
}

/**
 * Bᵀ d B of the 5 × 5 pixels whose first is (top, left), `step` pixels from one to the next, zero beside the image; of 4 rows or
 * columns where the tile is short. Lines of places that this kind has no part in are left as they are, columns of places get anything.
 *
 * @param image address of pixel (0, 0)
 * @param to where the first plane gets channel 0: its channels lie in runs of 16, `jump` bytes apart, `sweep` of them (64 or less) in
 *   a row, and `leap` bytes from these to the next
 * @param right the same for places in the last column, as if the first plane had one; 0 if the tile is short across
 * @param below the same for places in the last line, 0 if the tile is short down
 * @param corner for the place in both, 0 if the tile is short at all
 * @param plane bytes from one plane to the next
 */
export function transformKind(
  kind: i32,
  image: usize,
  height: i32,
  width: i32,
  channels: i32,
  top: i32,
  left: i32,
  step: i32,
  to: usize,
  right: usize,
  below: usize,
  corner: usize,
  plane: usize,
  sweep: i32,
  jump: usize,
  leap: usize,
  work: usize,
): void {
  const zeros = work + ZEROS;
  const square = work + SQUARE;
  const pixel = (<usize>channels) << 2;
  const line = pixel * (step * width);
  const one = twoDown(kind) ? 0 : 1;
  let done: usize = 0;
  for (let c = 0; c < channels; c += sweep) {
    const vectors = (min(sweep, channels - c) + 3) >> 2;
    const places = right !== 0 ? 5 : 4;
    for (let j = 0; j < places; j++) {
      const column = left + step * j;
      const inside = <u32>column < <u32>width;
      // may lie before the image: used only where the line is inside
      let at = image + <usize>(top * width + column) * pixel + ((<usize>c) << 2);
      const x0 = inside && <u32>top < <u32>height ? at : zeros;
      at += line;
      const x1 = inside && <u32>(top + step) < <u32>height ? at : zeros;
      at += line;
      const x2 = inside && <u32>(top + 2 * step) < <u32>height ? at : zeros;
      at += line;
      const x3 = inside && <u32>(top + 3 * step) < <u32>height ? at : zeros;
      at += line;
      const x4 = inside && <u32>(top + 4 * step) < <u32>height ? at : zeros;
      const into = square + <usize>(j * PLACE);
      if (below !== 0) inputColumn(x0, x1, x2, x3, x4, vectors, into);
      else shortColumn(x0, x1, x2, x3, vectors, into);
    }
    for (let i: usize = one; i < 5; i++) {
      const first = i < 4 ? to : below;
      const last = i < 4 ? right : corner;
      if (first === 0) break;
      const start = i * 5 * plane + done;
      if (last !== 0) inputLine(square + i * LINE, vectors, first + start, last + start + 4 * plane, plane, jump);
      else shortLine(square + i * LINE, vectors, first + start, plane, jump);
    }
    done += leap;
  }
}

/** The first five rows of G of the taps (g0, g1, 0) down a column, to the same column of five lines. */
function filterColumn(g0: usize, g1: usize, vectors: i32, to: usize): void {
  const p = f32x4.splat(P);
  const q = f32x4.splat(Q);
  const pa = f32x4.splat(P * A);
  const qb = f32x4.splat(Q * B);
  const end = to + ((<usize>vectors) << 4);
  while (to < end) {
    const even = v128.load(g0);
    const odd = v128.load(g1);
    v128.store(to, even, 0);
    const evenA = f32x4.mul(p, even);
    const oddA = f32x4.mul(pa, odd);
    v128.store(to, f32x4.add(evenA, oddA), 1 * LINE);
    v128.store(to, f32x4.sub(evenA, oddA), 2 * LINE);
    const evenB = f32x4.mul(q, even);
    const oddB = f32x4.mul(qb, odd);
    v128.store(to, f32x4.add(evenB, oddB), 3 * LINE);
    v128.store(to, f32x4.sub(evenB, oddB), 4 * LINE);
    g0 += 16;
    g1 += 16;
    to += 16;
  }
}

/** The same along a line, to five planes; every 8 filters `to` advances by `panel` bytes. */
function filterLine(from: usize, panels: i32, to: usize, plane: usize, panel: usize): void {
  const p = f32x4.splat(P);
  const q = f32x4.splat(Q);
  const pa = f32x4.splat(P * A);
  const qb = f32x4.splat(Q * B);
  for (; panels > 0; panels--) {
    for (let half: usize = 0; half < 32; half += 16) {
      const even = v128.load(from);
      const odd = v128.load(from, PLACE);
      let at = to + half;
      v128.store(at, even);
      const evenA = f32x4.mul(p, even);
      const oddA = f32x4.mul(pa, odd);
      at += plane;
      v128.store(at, f32x4.add(evenA, oddA));
      at += plane;
      v128.store(at, f32x4.sub(evenA, oddA));
      const evenB = f32x4.mul(q, even);
      const oddB = f32x4.mul(qb, odd);
      at += plane;
      v128.store(at, f32x4.add(evenB, oddB));
      at += plane;
      v128.store(at, f32x4.sub(evenB, oddB));
      from += 16;
    }
    to += panel;
  }
}

/**
 * What one kind of pixels takes of the filters [9,depths,filters] (turned: of [9,filters,depths], from the last tap to the first),
 * transformed for `depth` of the depths and `panels` panels of 8 filters, eight panels at most. Filters beyond the last get
 * anything; lines of places that the kind has no part in are left as they are, columns get zeros.
 *
 * @param to where plane 0 gets the first depth of the first panel; `plane` and `panel` bytes to the next ones
 * @param turned where 9 · (depth + 3) · 8 panels floats may be kept; 0 if the filters are not turned
 */
export function transformFiltersOf(
  kind: i32,
  weight: usize,
  depths: i32,
  filters: i32,
  firstDepth: i32,
  depth: i32,
  firstFilter: i32,
  panels: i32,
  to: usize,
  plane: usize,
  panel: usize,
  work: usize,
  turned: usize,
): void {
  let from: usize;
  let row: usize;
  let tap: usize;
  if (turned !== 0) {
    turn(weight, 9, firstDepth, depth, depths, firstFilter, 8 * panels, filters, turned);
    from = turned;
    row = (<usize>panels) << 5;
    tap = row * (<usize>(depth + 3) & ~3);
  } else {
    row = (<usize>filters) << 2;
    tap = row * depths;
    from = weight + <usize>firstDepth * row + ((<usize>firstFilter) << 2);
  }
  const square = work + SQUARE;
  const zeros = work + ZEROS;
  const down = twoDown(kind);
  const across = twoAcross(kind);
  if (!across) for (let i = 0; i < 5; i++) memory.fill(square + <usize>(i * LINE), 0, PLACE);
  for (let d = 0; d < depth; d++) {
    for (let j: usize = across ? 0 : 1; j < 2; j++) {
      const column = from + (across ? 2 * j : 1) * tap;
      if (down) filterColumn(column, column + 6 * tap, panels << 1, square + j * PLACE);
      else filterColumn(zeros, column + 3 * tap, panels << 1, square + j * PLACE);
    }
    for (let i = down ? 0 : 1; i < 5; i++) filterLine(square + <usize>(i * LINE), panels, to + <usize>(5 * i) * plane, plane, panel);
    from += row;
    to += 32;
  }
}
