/**
 * Mean over windows of images [H,W,C], and its gradient. Along each axis window i covers the cells
 *
 *   ⌊i · step / parts⌋ ≤ cell < ⌊(i · step + reach) / parts⌋   of the padded image.
 *
 * A sliding window has step = stride, parts = 1, reach = kernel. An adaptive one has step = the image's size, parts = how many
 * windows, reach = step + parts - 1. A window's sum is divided by those of its cells that lie between `counted` and
 * `rowsCounted` or `columnsCounted` of the padded image.
 */
import { addRows, clear } from './rows';
import { storeFirst } from './vector';

function begin(i: i32, step: i32, parts: i32): i32 {
  return (i * step) / parts;
}
function past(i: i32, step: i32, parts: i32, reach: i32): i32 {
  return (i * step + reach) / parts;
}
/** ⌈a / b⌉ of positive b, 0 where a is not positive. */
function above(a: i32, b: i32): i32 {
  return a > 0 ? (a + b - 1) / b : 0;
}
/** How many cells from `first` to `end` lie between two others. */
function within(first: i32, end: i32, low: i32, high: i32): i32 {
  return min(end, high) - max(first, low);
}

/** Pixels of a window, at most, that are added without going through scratch. */
const FEW: i32 = 9;
/** Bytes of a window of whole rows, at most, that is read piece by piece of its channels: larger ones are read faster in order. */
const NEAR: usize = 32768;

/** y[n,p,q,c] = mean of window p, q. Units are (n · P + p) · ⌈C / block⌉ + block of channels. Scratch: a block. */
export function avgPool(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  y: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  block: i32,
  padding: i32,
  rowStep: i32,
  rowParts: i32,
  rowReach: i32,
  columnStep: i32,
  columnParts: i32,
  columnReach: i32,
  counted: i32,
  rowsCounted: i32,
  columnsCounted: i32,
): void {
  const pixel = (<usize>C) << 2;
  const line = <usize>W * pixel;
  const blocks = (C + block - 1) / block;
  for (let unit = start; unit < end; unit++) {
    const row = unit / blocks;
    const channel = (unit - row * blocks) * block;
    const bytes = (<usize>min(block, C - channel)) << 2;
    const n = row / P;
    const p = row - n * P;
    const top = begin(p, rowStep, rowParts);
    const bottom = past(p, rowStep, rowParts, rowReach);
    const rows = within(top, bottom, counted, rowsCounted);
    const firstRow = max(top - padding, 0);
    const pastRow = min(bottom - padding, H);
    const from = x + <usize>(n * H) * line + ((<usize>channel) << 2);
    let to = y + <usize>(row * Q) * pixel + ((<usize>channel) << 2);
    for (let q = 0; q < Q; q++, to += pixel) {
      const left = begin(q, columnStep, columnParts);
      const right = past(q, columnStep, columnParts, columnReach);
      const firstColumn = max(left - padding, 0);
      const columns = min(right - padding, W) - firstColumn;
      const cells = f32x4.splat(<f32>(rows * within(left, right, counted, columnsCounted)));
      const at = from + <usize>firstRow * line + <usize>firstColumn * pixel;
      if (pastRow - firstRow === 2 && columns === 2) mean4(at, line, pixel, bytes, cells, to);
      else if ((pastRow - firstRow) * columns <= FEW) mean(at, pastRow - firstRow, columns, line, pixel, bytes, cells, to);
      else if (columns === W && <usize>((pastRow - firstRow) * W) * pixel <= NEAR) {
        meanOfRun(at, (pastRow - firstRow) * W, pixel, bytes, cells, to);
      } else {
        clear(scratch, bytes);
        for (let h = firstRow; h < pastRow; h++) addRows(at + <usize>(h - firstRow) * line, columns, pixel, bytes, scratch);
        for (let c: usize = 0; c < bytes; c += 16) storeFirst(to + c, f32x4.div(v128.load(scratch + c), cells), bytes - c);
      }
    }
  }
}

function mean(x: usize, rows: i32, columns: i32, line: usize, pixel: usize, bytes: usize, cells: v128, y: usize): void {
  for (let c: usize = 0; c < bytes; c += 16) {
    let sum = f32x4.splat(0);
    for (let r = 0; r < rows; r++) {
      let at = x + <usize>r * line + c;
      for (let s = 0; s < columns; s++, at += pixel) sum = f32x4.add(sum, v128.load(at));
    }
    storeFirst(y + c, f32x4.div(sum, cells), bytes - c);
  }
}

/** Pixels that follow one another: sums of 32 channels in registers, then of four, two pixels at a time. */
function meanOfRun(x: usize, pixels: i32, pixel: usize, bytes: usize, cells: v128, y: usize): void {
  const past = x + <usize>pixels * pixel;
  let c: usize = 0;
  for (; c + 128 <= bytes; c += 128) mean32(x + c, past, pixel, cells, y + c);
  for (; c < bytes; c += 16) {
    let even = f32x4.splat(0);
    let odd = f32x4.splat(0);
    let at = x + c;
    for (; at + pixel < past; at += 2 * pixel) {
      even = f32x4.add(even, v128.load(at));
      odd = f32x4.add(odd, v128.load(at + pixel));
    }
    if (at < past) even = f32x4.add(even, v128.load(at));
    storeFirst(y + c, f32x4.div(f32x4.add(even, odd), cells), bytes - c);
  }
}
/** 32 channels of pixels from x to `past`: their sums, one register for four channels, divided by `cells`. */
export function mean32(x: usize, past: usize, pixel: usize, cells: v128, y: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let s4 = s0;
  let s5 = s0;
  let s6 = s0;
  let s7 = s0;
  for (; x < past; x += pixel) {
    s0 = f32x4.add(s0, v128.load(x));
    s1 = f32x4.add(s1, v128.load(x, 16));
    s2 = f32x4.add(s2, v128.load(x, 32));
    s3 = f32x4.add(s3, v128.load(x, 48));
    s4 = f32x4.add(s4, v128.load(x, 64));
    s5 = f32x4.add(s5, v128.load(x, 80));
    s6 = f32x4.add(s6, v128.load(x, 96));
    s7 = f32x4.add(s7, v128.load(x, 112));
  }
  v128.store(y, f32x4.div(s0, cells));
  v128.store(y, f32x4.div(s1, cells), 16);
  v128.store(y, f32x4.div(s2, cells), 32);
  v128.store(y, f32x4.div(s3, cells), 48);
  v128.store(y, f32x4.div(s4, cells), 64);
  v128.store(y, f32x4.div(s5, cells), 80);
  v128.store(y, f32x4.div(s6, cells), 96);
  v128.store(y, f32x4.div(s7, cells), 112);
}

function mean4(x: usize, line: usize, pixel: usize, bytes: usize, cells: v128, y: usize): void {
  const x1 = x + pixel;
  const x2 = x + line;
  const x3 = x2 + pixel;
  let c: usize = 0;
  for (; c + 32 <= bytes; c += 32) {
    const above = f32x4.add(v128.load(x + c), v128.load(x1 + c));
    const other = f32x4.add(v128.load(x + c, 16), v128.load(x1 + c, 16));
    const sum = f32x4.add(above, f32x4.add(v128.load(x2 + c), v128.load(x3 + c)));
    v128.store(y + c, f32x4.div(sum, cells));
    v128.store(y + c, f32x4.div(f32x4.add(other, f32x4.add(v128.load(x2 + c, 16), v128.load(x3 + c, 16))), cells), 16);
  }
  for (; c < bytes; c += 16) {
    const above = f32x4.add(v128.load(x + c), v128.load(x1 + c));
    const sum = f32x4.add(above, f32x4.add(v128.load(x2 + c), v128.load(x3 + c)));
    storeFirst(y + c, f32x4.div(sum, cells), bytes - c);
  }
}

/**
 * dx[n,h,w,c] = Σ dy / cells of the windows that cover (h,w). Units are rows n · H + h. Scratch: the first and last window over
 * each of W columns, and how many columns each of Q windows counts.
 */
export function avgPoolGradient(
  start: i32,
  end: i32,
  scratch: usize,
  dy: usize,
  dx: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  padding: i32,
  rowStep: i32,
  rowParts: i32,
  rowReach: i32,
  columnStep: i32,
  columnParts: i32,
  columnReach: i32,
  counted: i32,
  rowsCounted: i32,
  columnsCounted: i32,
): void {
  const pixel = (<usize>C) << 2;
  const line = <usize>Q * pixel;
  const widths = scratch + ((<usize>W) << 3);
  for (let column = 0; column < W; column++) {
    const w = column + padding;
    // the windows that begin at or before w and end after it
    store<i32>(scratch + ((<usize>column) << 3), above(columnParts * (w + 1) - columnReach, columnStep));
    store<i32>(scratch + ((<usize>column) << 3), min(above(columnParts * (w + 1), columnStep), Q), 4);
  }
  for (let q = 0; q < Q; q++) {
    const columns = within(begin(q, columnStep, columnParts), past(q, columnStep, columnParts, columnReach), counted, columnsCounted);
    store<i32>(widths + ((<usize>q) << 2), columns);
  }
  let to = dx + <usize>(start * W) * pixel;
  for (let row = start; row < end; row++) {
    const n = row / H;
    const h = row - n * H + padding;
    const firstP = above(rowParts * (h + 1) - rowReach, rowStep);
    const pastP = min(above(rowParts * (h + 1), rowStep), P);
    for (let column = 0; column < W; column++, to += pixel) {
      const firstQ = load<i32>(scratch + ((<usize>column) << 3));
      const pastQ = load<i32>(scratch + ((<usize>column) << 3), 4);
      if (pastP <= firstP || pastQ <= firstQ) {
        for (let c: usize = 0; c < pixel; c += 16) storeFirst(to + c, f32x4.splat(0), pixel - c);
        continue;
      }
      for (let p = firstP; p < pastP; p++) {
        const rows = within(begin(p, rowStep, rowParts), past(p, rowStep, rowParts, rowReach), counted, rowsCounted);
        for (let q = firstQ; q < pastQ; q++) {
          const share = f32x4.splat(1 / <f32>(rows * load<i32>(widths + ((<usize>q) << 2))));
          const from = dy + <usize>(n * P + p) * line + <usize>q * pixel;
          if (p === firstP && q === firstQ) putScaled(from, share, pixel, to);
          else addScaled(from, share, pixel, to);
        }
      }
    }
  }
}

function putScaled(x: usize, factor: v128, bytes: usize, y: usize): void {
  let c: usize = 0;
  for (; c + 64 <= bytes; c += 64) {
    v128.store(y + c, f32x4.mul(v128.load(x + c), factor));
    v128.store(y + c, f32x4.mul(v128.load(x + c, 16), factor), 16);
    v128.store(y + c, f32x4.mul(v128.load(x + c, 32), factor), 32);
    v128.store(y + c, f32x4.mul(v128.load(x + c, 48), factor), 48);
  }
  for (; c < bytes; c += 16) storeFirst(y + c, f32x4.mul(v128.load(x + c), factor), bytes - c);
}
function addScaled(x: usize, factor: v128, bytes: usize, y: usize): void {
  for (let c: usize = 0; c < bytes; c += 16) storeFirst(y + c, f32x4.add(v128.load(y + c), f32x4.mul(v128.load(x + c), factor)), bytes - c);
}
