/**
 * Matrix products by Strassen's method, in Winograd's form: 7 products of halves where the definition has 8.
 *
 * With A = [A11 A12; A21 A22] (pixels × channels), B likewise (channels × filters) and C = A · B:
 *
 *   S1 = A21 + A22   S2 = S1 − A11   S3 = A11 − A21   S4 = A12 − S2      P1 = A11 B11   P2 = A12 B21   P3 = S4 B22   P4 = A22 T4
 *   T1 = B12 − B11   T2 = B22 − T1   T3 = B22 − B12   T4 = T2 − B21      P5 = S1 T1     P6 = S2 T2     P7 = S3 T3
 *   U = P1 + P6      V = U + P7      C11 = P1 + P2    C12 = U + P5 + P3  C21 = V − P4   C22 = V + P5
 *
 * (Higham, "Accuracy and Stability of Numerical Algorithms", 23.1.) The halves of A are six pixels beside six others, gathered
 * and added in L1; those of B are added when it is packed; those of C are put together before they leave the cache. So one level
 * costs no sweep over memory.
 */
import { AHEAD, beginAhead, linesAhead, listAhead, listNothing, readAhead } from './ahead';
import { COLUMNS, ROWS } from './block';
import { finishRows } from './convolve';
import { align } from './taps';
import { madd } from './vector';

/** How many pixels are gathered at a time: six beside six others. */
const PIXELS: i32 = 2 * ROWS;
/** Bytes of a row of a left operand, 512 floats and some to keep rows out of one another's place in the cache; of an operand. */
const PITCH: usize = 2112;
const LEFT: usize = 6 * PITCH + 64;
/** Lines that are read ahead at a time, at least. */
const LINES: i32 = 2;
/** Bytes of 6 × 8 sums. */
const TILE: usize = 192;

/**
 * y[n, h · up, w · up, o] = bias[o] + Σ_c x[n, h · down, w · down, c] · weight[c, o], the other pixels of y 0. Units are (range of
 * pairs of panels, 12 pixels).
 *
 * @param C a multiple of 8
 * @param packed by `packSeven`
 * @param O a multiple of 16
 * @param height, width of the grid (h, w)
 * @param chunk channels that a call of `rowsProduct` sums up at most, a multiple of 8, at most 1024; as in the packing
 * @param pairs of panels of one unit, at most: a panel of each half of the filters
 * @param finish 1: add the bias; 2: relu
 *
 * Scratch: see `multiplyScratch` in `core/ops/variants/strassen.ts`.
 */
export function multiplySeven(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  packed: usize,
  bias: usize,
  y: usize,
  N: i32,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  O: i32,
  height: i32,
  width: i32,
  down: i32,
  up: i32,
  chunk: i32,
  pairs: i32,
  finish: i32,
): void {
  const pixels = N * height * width;
  const allPairs = O / (2 * COLUMNS);
  const ranges = (allPairs + pairs - 1) / pairs;
  const halfFilters = (<usize>O) << 1;

  // scratch: addresses of 12 pixels of x and of y; offsets of a tile's rows; what to read ahead; tiles, the first one of zeros;
  // a pixel of zeros, one that nobody reads; seven left operands of each chunk
  const xRows = scratch;
  const yRows = xRows + 64;
  const tileRows = yRows + 64;
  const ahead = tileRows + 64;
  const tiles = ahead + AHEAD;
  const zeros = tiles + TILE + <usize>pairs * TILES;
  const nowhere = align(zeros + ((<usize>C) << 2) + 64);
  const left = align(nowhere + ((<usize>O) << 2));
  for (let i: usize = 0; i < <usize>ROWS; i++) store<u32>(tileRows + (i << 2), <u32>(i << 5));
  memory.fill(tiles, 0, TILE);
  memory.fill(zeros, 0, ((<usize>C) << 2) + 64);

  for (let unit = start; unit < end; unit++) {
    const range = unit % ranges;
    const firstPair = range * pairs;
    const count = min(pairs, allPairs - firstPair);
    const pixel = (unit / ranges) * PIXELS;
    const valid = min(PIXELS, pixels - pixel);
    let w = pixel % width;
    let h = (pixel / width) % height;
    let n = pixel / (width * height);
    for (let i = 0; i < valid; i++) {
      const from = ((n * H + h * down) * W + w * down) * C;
      const to = ((n * P + h * up) * Q + w * up) * O;
      store<u32>(xRows + ((<usize>i) << 2), <u32>(x + ((<usize>from) << 2)));
      store<u32>(yRows + ((<usize>i) << 2), <u32>(y + ((<usize>to) << 2)));
      if (up > 1) clearBeside(y, n, h * up, w * up, up, P, Q, O, firstPair, count);
      if (++w === width) {
        w = 0;
        if (++h === height) {
          h = 0;
          n++;
        }
      }
    }
    for (let i = valid; i < PIXELS; i++) {
      store<u32>(xRows + ((<usize>i) << 2), <u32>zeros);
      store<u32>(yRows + ((<usize>i) << 2), <u32>nowhere);
    }
    let gathered = left;
    for (let c = 0; c < C; c += chunk) {
      gatherSeven(xRows, (<usize>c) << 2, (<usize>min(chunk, C - c)) << 1, gathered);
      gathered += 7 * LEFT;
    }
    // the next pixels, unless they lie in pieces: most likely this thread's
    listNothing(ahead);
    const next = pixel + PIXELS;
    if (down === 1 && range === ranges - 1 && next < pixels) {
      listAhead(ahead, x + ((<usize>(next * C)) << 2), (<usize>(min(PIXELS, pixels - next) * C)) << 2);
    }
    const calls = 7 * count * ((C + chunk - 1) / chunk);
    const every = max(1, min(calls, (calls * LINES) / linesAhead(ahead)));
    const lines = beginAhead(ahead, calls / every);
    let wait = every;
    for (let i = 0; i < 7; i++) {
      for (let c = 0; c < C; c += chunk) {
        const half = min(chunk, C - c) / 2;
        const operand = left + <usize>((c / chunk) * 7 + i) * LEFT;
        let panel = packed + ((<usize>c * <usize>(7 * allPairs)) << 4) + ((<usize>((i * allPairs + firstPair) * half)) << 5);
        // what the product goes on with, and where its sums go to: the first pair's, and how many bytes further on the next one's
        let former = tiles;
        let formerStep: usize = 0;
        if (c > 0 || (i > 0 && i !== 4)) {
          former += TILE + (c > 0 ? P5 : i < 3 ? P1 : i === 6 ? V : U);
          formerStep = TILES;
        }
        const last = c + chunk >= C;
        let rows = tileRows;
        let offset = tiles + TILE + (!last ? P5 : i === 0 ? P1 : i === 2 ? U : i === 3 ? V : P5);
        let step = TILES;
        if (last && (i === 1 || i >= 5)) {
          rows = i === 6 ? yRows + 4 * ROWS : yRows;
          offset = ((<usize>firstPair) << 5) + (i === 5 ? halfFilters : 0);
          step = 32;
        }
        for (let pair = 0; pair < count; pair++) {
          rowsProduct(half, operand, panel, former, rows, offset);
          if (last && i === 4) addFifth(offset - P5, yRows + 4 * ROWS, ((<usize>(firstPair + pair)) << 5) + halfFilters);
          if (--wait === 0) {
            readAhead(ahead, lines);
            wait = every;
          }
          panel += (<usize>half) << 5;
          former += formerStep;
          offset += step;
        }
      }
    }
    if (finish !== 0) {
      const from = firstPair * COLUMNS;
      const past = from + count * COLUMNS;
      finishRows(yRows, valid, bias, from, past, finish);
      finishRows(yRows, valid, bias, from + O / 2, past + O / 2, finish);
    }
  }
}

/**
 * Each of the seven products goes on with the sums of one before wherever the formula adds it:
 *
 *   P1   C11 = P1 + P2   U = P1 + P6   V = U + P7   P5   C22 = V + P5   C12 = (U + P5) + P3   C21 = V − P4
 *
 * Which of a pair's tiles holds what: the second takes U + P5 when nobody wants U any longer, the last the sums of all chunks so far
 * but for the last chunk's.
 */
const P1: usize = 0;
const U: usize = TILE;
const V: usize = 2 * TILE;
const P5: usize = 3 * TILE;
const TILES: usize = 4 * TILE;

/** C22 = V + P5, into six rows of y; U + P5, in place of U. */
function addFifth(tile: usize, rows: usize, offset: usize): void {
  for (let i: usize = 0; i < <usize>ROWS; i++) {
    const to = <usize>load<u32>(rows + (i << 2)) + offset;
    for (let j: usize = 0; j < 32; j += 16) {
      const p5 = v128.load(tile, P5);
      v128.store(to + j, f32x4.add(v128.load(tile, V), p5));
      v128.store(tile, f32x4.add(v128.load(tile, U), p5), U);
      tile += 16;
    }
  }
}

/** Zeros into the pixels beside (h, w) that no window of stride `up` touches, in the columns of both halves. */
function clearBeside(y: usize, n: i32, h: i32, w: i32, up: i32, P: i32, Q: i32, O: i32, firstPair: i32, count: i32): void {
  for (let i = h; i < min(h + up, P); i++) {
    for (let j = w; j < min(w + up, Q); j++) {
      if (i === h && j === w) continue;
      const at = y + ((<usize>(((n * P + i) * Q + j) * O)) << 2) + ((<usize>firstPair) << 5);
      memory.fill(at, 0, (<usize>count) << 5);
      memory.fill(at + ((<usize>O) << 1), 0, (<usize>count) << 5);
    }
  }
}

/**
 * The seven left operands of twelve pixels, as six rows `PITCH` bytes apart each, in the order in which `multiplySeven` wants them.
 *
 * @param rows addresses of the pixels; from byte `offset` on lie a chunk's channels, whose second half begins `half` bytes further on
 */
function gatherSeven(rows: usize, offset: usize, half: usize, to: usize): void {
  for (let i: usize = 0; i < <usize>ROWS; i++) {
    let top = <usize>load<u32>(rows + (i << 2)) + offset;
    let bottom = <usize>load<u32>(rows + ((i + <usize>ROWS) << 2)) + offset;
    let at = to + i * PITCH;
    for (const past = top + half; top < past; top += 16) {
      const a11 = v128.load(top);
      const a12 = v128.load(top + half);
      const a21 = v128.load(bottom);
      const a22 = v128.load(bottom + half);
      const s1 = f32x4.add(a21, a22);
      const s2 = f32x4.sub(s1, a11);
      v128.store(at, a11);
      v128.store(at, a12, LEFT);
      v128.store(at, s2, 2 * LEFT);
      v128.store(at, f32x4.sub(a11, a21), 3 * LEFT);
      v128.store(at, s1, 4 * LEFT);
      v128.store(at, f32x4.sub(a12, s2), 5 * LEFT);
      v128.store(at, a22, 6 * LEFT);
      bottom += 16;
      at += 16;
    }
  }
}

/**
 * c[i][0..7] = former[i][0..7] + Σ_k left[i][k] · right[k][0..7]   for i in 0..5: `block` for rows that lie `PITCH` bytes apart, which
 * saves turning them.
 *
 * @param former 6 × 8 floats
 * @param rows six addresses (u32): row i of c begins at `rows[i] + offset` bytes
 */
export function rowsProduct(depth: i32, left: usize, right: usize, former: usize, rows: usize, offset: usize): void {
  let l0 = v128.load(former, 0);
  let r0 = v128.load(former, 16);
  let l1 = v128.load(former, 32);
  let r1 = v128.load(former, 48);
  let l2 = v128.load(former, 64);
  let r2 = v128.load(former, 80);
  let l3 = v128.load(former, 96);
  let r3 = v128.load(former, 112);
  let l4 = v128.load(former, 128);
  let r4 = v128.load(former, 144);
  let l5 = v128.load(former, 160);
  let r5 = v128.load(former, 176);
  while (depth > 0) {
    const bl = v128.load(right);
    const br = v128.load(right, 16);
    const a0 = v128.load_splat<f32>(left, 0);
    l0 = madd(a0, bl, l0);
    r0 = madd(a0, br, r0);
    const a1 = v128.load_splat<f32>(left, PITCH);
    l1 = madd(a1, bl, l1);
    r1 = madd(a1, br, r1);
    const a2 = v128.load_splat<f32>(left, 2 * PITCH);
    l2 = madd(a2, bl, l2);
    r2 = madd(a2, br, r2);
    const a3 = v128.load_splat<f32>(left, 3 * PITCH);
    l3 = madd(a3, bl, l3);
    r3 = madd(a3, br, r3);
    const a4 = v128.load_splat<f32>(left, 4 * PITCH);
    l4 = madd(a4, bl, l4);
    r4 = madd(a4, br, r4);
    const a5 = v128.load_splat<f32>(left, 5 * PITCH);
    l5 = madd(a5, bl, l5);
    r5 = madd(a5, br, r5);
    left += 4;
    right += 32;
    depth--;
  }
  const y0 = <usize>load<u32>(rows, 0) + offset;
  v128.store(y0, l0);
  v128.store(y0, r0, 16);
  const y1 = <usize>load<u32>(rows, 4) + offset;
  v128.store(y1, l1);
  v128.store(y1, r1, 16);
  const y2 = <usize>load<u32>(rows, 8) + offset;
  v128.store(y2, l2);
  v128.store(y2, r2, 16);
  const y3 = <usize>load<u32>(rows, 12) + offset;
  v128.store(y3, l3);
  v128.store(y3, r3, 16);
  const y4 = <usize>load<u32>(rows, 16) + offset;
  v128.store(y4, l4);
  v128.store(y4, r4, 16);
  const y5 = <usize>load<u32>(rows, 20) + offset;
  v128.store(y5, l5);
  v128.store(y5, r5, 16);
}
