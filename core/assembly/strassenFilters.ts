/**
 * The gradient of 1 × 1 filters by Strassen's method: see `strassen.ts` for the formula. The left operand are the pixels' channels,
 * transposed, the right one their gradients; halves of what is summed over are pixels beside other pixels. Sums of the seven
 * products stay in a thread's scratch, and are put together after the last pixels.
 */
import { block, block4, COLUMNS, ROWS } from './block';
import { align } from './taps';
import { touch } from './vector';

/** Floats between gathered pixels that nobody uses: else a power of two would map them all to a few sets of the cache. */
const APART: i32 = 16;
/** And bytes between operands. */
const BESIDE: usize = 576;
/** Bytes of 6 × 8 sums. */
const TILE: usize = 192;

/**
 * Gradients [parts][C][O], those of one part of the pixels each; with one part that may be dweight itself. Units are (part, range of
 * rows, range of panels).
 *
 * @param C, O multiples of 16
 * @param chunk pairs of pixels that are gathered at a time
 * @param rows, panels of one unit, at most, of half the channels and half the filters
 *
 * Scratch: see `core/ops/variants/strassenFilters.ts`.
 */
export function multiplySevenFilters(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  dy: usize,
  gradients: usize,
  N: i32,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  O: i32,
  stride: i32,
  chunk: i32,
  rows: i32,
  panels: i32,
  parts: i32,
): void {
  const pixels = N * P * Q;
  const height = C / 2;
  const allPanels = O / (2 * COLUMNS);
  const spans = (height + rows - 1) / rows;
  const ranges = (allPanels + panels - 1) / panels;
  const half = (<usize>height) << 2;
  const line = (<usize>O) << 1;

  // scratch: where the six rows of a tile begin; what was touched; a tile of each quarter of the gradient; zeros for a pixel that is
  // not there; left and right operands; tiles of the seven products
  const table = scratch;
  const touched = scratch + 32;
  const quarters = scratch + 64;
  const zeros = quarters + 4 * TILE;
  const windows = align(zeros + ((<usize>max(C, O)) << 2) + 64);
  const apart = (<usize>(rows + APART)) << 2;
  const windowsBytes = align(<usize>chunk * apart + 64) + BESIDE;
  const gathered = windows + 7 * windowsBytes;
  const gatheredBytes = align((<usize>(panels * chunk)) << 5) + BESIDE;
  const tiles = gathered + 7 * gatheredBytes;
  memory.fill(zeros, 0, ((<usize>max(C, O)) << 2) + 64);
  for (let i: usize = 0; i < <usize>ROWS; i++) store<u32>(table + (i << 2), <u32>(i << 5));

  for (let unit = start; unit < end; unit++) {
    const firstPanel = (unit % ranges) * panels;
    const count = min(panels, allPanels - firstPanel);
    const firstRow = ((unit / ranges) % spans) * rows;
    const many = min(rows, height - firstRow);
    const part = unit / (ranges * spans);
    const firstPixel = <i32>((<i64>pixels * part) / parts);
    const pastPixel = <i32>((<i64>pixels * (part + 1)) / parts);
    const xRows = x + ((<usize>firstRow) << 2);
    const dyPanels = dy + ((<usize>firstPanel) << 5);
    const rowBytes = (<usize>many) << 2;
    const panelBytes = (<usize>count) << 5;
    const gradient = gradients + ((<usize>part * <usize>C * <usize>O) << 2) + ((<usize>(firstRow * O)) << 2) + ((<usize>firstPanel) << 5);
    const product = <usize>(((many + ROWS - 1) / ROWS) * count) * TILE;

    for (let pixel = firstPixel; pixel < pastPixel; pixel += 2 * chunk) {
      const size = min(chunk, (pastPixel - pixel + 1) / 2);
      // at first all of it is only read: while seven streams are written as well, few lines are under way at a time
      let bits = 0;
      for (let i = pixel; i < min(pastPixel, pixel + 2 * size); i++) {
        const xAt = xRows + pixelAt(i, H, W, C, P, Q, stride);
        bits |= touch(xAt, rowBytes) | touch(xAt + half, rowBytes);
        const dyAt = dyPanels + ((<usize>(i * O)) << 2);
        bits |= touch(dyAt, panelBytes) | touch(dyAt + line, panelBytes);
      }
      store<i32>(touched, bits);
      for (let i = 0; i < size; i++) {
        const second = pixel + size + i;
        const there = second < pastPixel;
        const x1 = xRows + pixelAt(pixel + i, H, W, C, P, Q, stride);
        const x2 = there ? xRows + pixelAt(second, H, W, C, P, Q, stride) : zeros;
        gatherLeft(x1, x2, half, windows + <usize>i * apart, windowsBytes, rowBytes);
        const dy1 = dyPanels + ((<usize>((pixel + i) * O)) << 2);
        const dy2 = there ? dyPanels + ((<usize>(second * O)) << 2) : zeros;
        gatherRight(dy1, dy2, line, gathered + ((<usize>i) << 5), gatheredBytes, count, (<usize>size) << 5);
      }
      const panel = (<usize>size) << 5;
      const accumulate = pixel > firstPixel;
      if (pixel + 2 * chunk < pastPixel) {
        // product by product: the right operand of one stays in L1
        let tile = tiles;
        for (let i: usize = 0; i < 7; i++) {
          for (let row = 0, six = 0; row < many; row += six) {
            six = rowsAt(row, many);
            const left = windows + i * windowsBytes + ((<usize>row) << 2);
            let right = gathered + i * gatheredBytes;
            for (let j = 0; j < count; j++) {
              if (six < ROWS) block4(size, left, apart, right, tile, accumulate);
              else block(size, left, apart, right, table, tile, accumulate);
              right += panel;
              tile += TILE;
            }
          }
        }
      } else {
        // tile by tile: the seven tiles that make up one of each quarter are in L1
        let tile = tiles;
        for (let row = 0, six = 0; row < many; row += six) {
          six = rowsAt(row, many);
          const to = gradient + ((<usize>(row * O)) << 2);
          for (let j: usize = 0; j < <usize>count; j++) {
            for (let i: usize = 0; i < 7; i++) {
              const left = windows + i * windowsBytes + ((<usize>row) << 2);
              const right = gathered + i * gatheredBytes + j * panel;
              if (six < ROWS) block4(size, left, apart, right, tile + i * product, accumulate);
              else block(size, left, apart, right, table, tile + i * product, accumulate);
            }
            joinTiles(tile, product, quarters);
            storeQuarters(quarters, to + (j << 5), line << 1, half * <usize>O, line, min(six, many - row));
            tile += TILE;
          }
        }
      }
    }
  }
}

/** How many of `many` rows make up the block that begins at `row`: six, except that the last ones are four where that leaves no rest. */
function rowsAt(row: i32, many: i32): i32 {
  const left = many - row;
  return left === 4 || left === 8 ? 4 : ROWS;
}

/** Where the pixel of x that belongs to a pixel of y begins, in bytes. */
function pixelAt(pixel: i32, H: i32, W: i32, C: i32, P: i32, Q: i32, stride: i32): usize {
  if (stride === 1) return (<usize>(pixel * C)) << 2;
  const row = pixel / Q;
  const q = pixel - row * Q;
  const n = row / P;
  const p = row - n * P;
  return (<usize>(((n * H + p * stride) * W + q * stride) * C)) << 2;
}

/** The seven left operands of two pixels, `place` bytes apart; the second half of the channels is `half` bytes from the first. */
function gatherLeft(x1: usize, x2: usize, half: usize, to: usize, place: usize, bytes: usize): void {
  for (const past = to + bytes; to < past; to += 16) {
    const a11 = v128.load(x1);
    const a12 = v128.load(x2);
    const a21 = v128.load(x1 + half);
    const a22 = v128.load(x2 + half);
    const s1 = f32x4.add(a21, a22);
    const s2 = f32x4.sub(s1, a11);
    let at = to;
    v128.store(at, a11);
    at += place;
    v128.store(at, a12);
    at += place;
    v128.store(at, f32x4.sub(a12, s2));
    at += place;
    v128.store(at, a22);
    at += place;
    v128.store(at, s1);
    at += place;
    v128.store(at, s2);
    at += place;
    v128.store(at, f32x4.sub(a11, a21));
    x1 += 16;
    x2 += 16;
  }
}

/** The seven right operands of two pixels, `place` bytes apart: eight filters at a time, `panel` bytes apart. */
function gatherRight(dy1: usize, dy2: usize, half: usize, to: usize, place: usize, panels: i32, panel: usize): void {
  for (; panels > 0; panels--) {
    for (let vector: usize = 0; vector < 32; vector += 16) {
      const b11 = v128.load(dy1);
      const b12 = v128.load(dy1 + half);
      const b21 = v128.load(dy2);
      const b22 = v128.load(dy2 + half);
      const t1 = f32x4.sub(b12, b11);
      const t2 = f32x4.sub(b22, t1);
      let at = to + vector;
      v128.store(at, b11);
      at += place;
      v128.store(at, b21);
      at += place;
      v128.store(at, b22);
      at += place;
      v128.store(at, f32x4.sub(t2, b21));
      at += place;
      v128.store(at, t1);
      at += place;
      v128.store(at, t2);
      at += place;
      v128.store(at, f32x4.sub(b22, b12));
      dy1 += 16;
      dy2 += 16;
    }
    to += panel;
  }
}

/** A tile of each quarter of the gradient from those of the seven products, `place` bytes apart. */
function joinTiles(tile: usize, place: usize, quarters: usize): void {
  for (const past = tile + TILE; tile < past; tile += 16) {
    let at = tile;
    const p1 = v128.load(at);
    at += place;
    const p2 = v128.load(at);
    at += place;
    const p3 = v128.load(at);
    at += place;
    const p4 = v128.load(at);
    at += place;
    const p5 = v128.load(at);
    at += place;
    const u = f32x4.add(p1, v128.load(at));
    at += place;
    const v = f32x4.add(u, v128.load(at));
    v128.store(quarters, f32x4.add(p1, p2));
    v128.store(quarters, f32x4.add(f32x4.add(u, p5), p3), TILE);
    v128.store(quarters, f32x4.sub(v, p4), 2 * TILE);
    v128.store(quarters, f32x4.add(v, p5), 3 * TILE);
    quarters += 16;
  }
}

/** Rows of four tiles into the gradient: `below` and `beside` are the bytes to its lower and to its right half. */
function storeQuarters(quarters: usize, to: usize, pitch: usize, below: usize, beside: usize, rows: i32): void {
  for (let quarter: usize = 0; quarter < 4; quarter++) {
    let from = quarters + quarter * TILE;
    let at = to + (quarter & 1) * beside + (quarter >> 1) * below;
    for (let i = 0; i < rows; i++) {
      v128.store(at, v128.load(from));
      v128.store(at, v128.load(from, 16), 16);
      from += 32;
      at += pitch;
    }
  }
}
