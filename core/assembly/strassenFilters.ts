/**
 * The gradient of 1 × 1 filters by Strassen's method: see `strassen.ts` for the formula. The left operand are the pixels' channels,
 * transposed, the right one their gradients; halves of what is summed over are pixels beside other pixels. The seven products are
 * summed up over all pixels, and put together once at the end.
 */
import { beginAhead, listAhead, listNothing, readAhead } from './ahead';
import { block, COLUMNS, ROWS } from './block';
import { align } from './taps';

/** Floats between gathered pixels that nobody uses: else a power of two would map them all to a few sets of the cache. */
const APART: i32 = 16;
/** And bytes between operands. */
const BESIDE: usize = 576;

/**
 * Sums of the seven products [parts][7][C / 2][O / 2], those of one part of the pixels each. Units are (part, range of rows, range
 * of panels).
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
  sums: usize,
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
  const line = (<usize>O) << 1;

  // scratch: addresses of six rows; zeros for a pixel that is not there; a row that nobody reads; left and right operands;
  // what to read ahead
  const addresses = scratch;
  const zeros = addresses + 64;
  const nowhere = align(zeros + ((<usize>max(C, O)) << 2) + 64);
  const windows = align(nowhere + line);
  const apart = (<usize>(rows + APART)) << 2;
  const windowsBytes = align(<usize>chunk * apart + 64) + BESIDE;
  const gathered = windows + 7 * windowsBytes;
  const gatheredBytes = align((<usize>(panels * chunk)) << 5) + BESIDE;
  const ahead = gathered + 7 * gatheredBytes;
  memory.fill(zeros, 0, ((<usize>max(C, O)) << 2) + 64);

  for (let unit = start; unit < end; unit++) {
    const firstPanel = (unit % ranges) * panels;
    const count = min(panels, allPanels - firstPanel);
    const firstRow = ((unit / ranges) % spans) * rows;
    const pastRow = min(height, firstRow + rows);
    const part = unit / (ranges * spans);
    const firstPixel = <i32>((<i64>pixels * part) / parts);
    const pastPixel = <i32>((<i64>pixels * (part + 1)) / parts);
    const xRows = x + ((<usize>firstRow) << 2);
    const dyPanels = dy + ((<usize>firstPanel) << 5);

    for (let pixel = firstPixel; pixel < pastPixel; pixel += 2 * chunk) {
      const size = min(chunk, (pastPixel - pixel + 1) / 2);
      for (let i = 0; i < size; i++) {
        const second = pixel + size + i;
        const there = second < pastPixel;
        const x1 = xRows + pixelAt(pixel + i, H, W, C, P, Q, stride);
        const x2 = there ? xRows + pixelAt(second, H, W, C, P, Q, stride) : zeros;
        gatherLeft(x1, x2, (<usize>height) << 2, windows + <usize>i * apart, windowsBytes, (<usize>(pastRow - firstRow)) << 2);
        const dy1 = dyPanels + ((<usize>((pixel + i) * O)) << 2);
        const dy2 = there ? dyPanels + ((<usize>(second * O)) << 2) : zeros;
        gatherRight(dy1, dy2, line, gathered + ((<usize>i) << 5), gatheredBytes, count, (<usize>size) << 5);
      }
      // what the next pixels are read from, unless it lies in pieces
      listNothing(ahead);
      const next = pixel + 2 * chunk;
      const following = min(pastPixel - next, 2 * chunk);
      if (following > 0) {
        if (stride === 1 && rows >= height) listAhead(ahead, x + ((<usize>(next * C)) << 2), (<usize>(following * C)) << 2);
        if (panels >= allPanels) listAhead(ahead, dy + ((<usize>(next * O)) << 2), (<usize>(following * O)) << 2);
      }
      const lines = beginAhead(ahead, 7 * count * ((pastRow - firstRow + ROWS - 1) / ROWS));
      for (let i: usize = 0; i < 7; i++) {
        const target = sums + (<usize>(part * 7) + i) * <usize>height * line;
        const left = windows + i * windowsBytes;
        const right = gathered + i * gatheredBytes;
        for (let row = firstRow; row < pastRow; row += ROWS) {
          for (let j = 0; j < ROWS; j++) {
            const address = row + j < pastRow ? target + <usize>(row + j) * line : nowhere;
            store<u32>(addresses + ((<usize>j) << 2), <u32>address);
          }
          const a = left + ((<usize>(row - firstRow)) << 2);
          for (let panel = 0; panel < count; panel++) {
            const offset = (<usize>(firstPanel + panel)) << 5;
            block(size, a, apart, right + ((<usize>(panel * size)) << 5), addresses, offset, pixel > firstPixel);
            readAhead(ahead, lines);
          }
        }
      }
    }
  }
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

/** dweight [C, O] from the sums of the seven products of all parts, in their order. Units are rows of half the channels. */
export function joinSevenFilters(start: i32, end: i32, _scratch: usize, sums: usize, dweight: usize, C: i32, O: i32, parts: i32): void {
  const height = C / 2;
  const line = (<usize>O) << 1;
  const place = line * height;
  for (let row = start; row < end; row++) {
    const top = dweight + ((<usize>(row * O)) << 2);
    const bottom = top + ((<usize>(height * O)) << 2);
    for (let column: usize = 0; column < line; column += 16) {
      const at = sums + <usize>row * line + column;
      const p1 = sumOfParts(at, place, parts);
      const p5 = sumOfParts(at + 4 * place, place, parts);
      const u = f32x4.add(p1, sumOfParts(at + 5 * place, place, parts));
      const v = f32x4.add(u, sumOfParts(at + 6 * place, place, parts));
      v128.store(top + column, f32x4.add(p1, sumOfParts(at + place, place, parts)));
      v128.store(top + column + line, f32x4.add(f32x4.add(u, p5), sumOfParts(at + 2 * place, place, parts)));
      v128.store(bottom + column, f32x4.sub(v, sumOfParts(at + 3 * place, place, parts)));
      v128.store(bottom + column + line, f32x4.add(v, p5));
    }
  }
}

function sumOfParts(at: usize, place: usize, parts: i32): v128 {
  let sum = v128.load(at);
  for (; parts > 1; parts--) {
    at += 7 * place;
    sum = f32x4.add(sum, v128.load(at));
  }
  return sum;
}
