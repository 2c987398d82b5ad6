/**
 * Mean over windows of images [H,W,C], and its gradient. Along each axis window i covers the cells
 *
 *   ⌊i · step / parts⌋ ≤ cell < ⌊(i · step + reach) / parts⌋   of the padded image.
 *
 * A sliding window has step = stride, parts = 1, reach = kernel. An adaptive one has step = the image's size, parts = how many
 * windows, reach = step + parts - 1. A window's sum is divided by those of its cells that lie between `counted` and
 * `rowsCounted` or `columnsCounted` of the padded image.
 */
import { addRows } from './rows';
import { storeFirst } from './vector';

/** Channels of one unit of work of the forward pass: an image that becomes one pixel still makes several units. */
const BLOCK: i32 = 256;

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

/** y[n,p,q,c] = mean of window p, q. Units are (n · P + p) · ⌈C / 256⌉ + block of channels. Scratch: 1 KiB. */
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
  const blocks = (C + BLOCK - 1) / BLOCK;
  for (let unit = start; unit < end; unit++) {
    const row = unit / blocks;
    const channel = (unit - row * blocks) * BLOCK;
    const bytes = (<usize>min(BLOCK, C - channel)) << 2;
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
      for (let c: usize = 0; c < bytes; c += 16) v128.store(scratch + c, f32x4.splat(0));
      for (let h = firstRow; h < pastRow; h++) addRows(from + <usize>h * line + <usize>firstColumn * pixel, columns, pixel, bytes, scratch);
      const cells = f32x4.splat(<f32>(rows * within(left, right, counted, columnsCounted)));
      for (let c: usize = 0; c < bytes; c += 16) storeFirst(to + c, f32x4.div(v128.load(scratch + c), cells), bytes - c);
    }
  }
}

/** dx[n,h,w,c] = Σ dy / cells of the windows that cover (h,w). Units are rows n · H + h. */
export function avgPoolGradient(
  start: i32,
  end: i32,
  _scratch: usize,
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
  let to = dx + <usize>(start * W) * pixel;
  for (let row = start; row < end; row++) {
    const n = row / H;
    const h = row - n * H + padding;
    // the windows that begin at or before h and end after it
    const firstP = above(rowParts * (h + 1) - rowReach, rowStep);
    const pastP = min(above(rowParts * (h + 1), rowStep), P);
    for (let column = 0; column < W; column++, to += pixel) {
      const w = column + padding;
      const firstQ = above(columnParts * (w + 1) - columnReach, columnStep);
      const pastQ = min(above(columnParts * (w + 1), columnStep), Q);
      if (pastP <= firstP || pastQ <= firstQ) {
        for (let c: usize = 0; c < pixel; c += 16) storeFirst(to + c, f32x4.splat(0), pixel - c);
        continue;
      }
      for (let p = firstP; p < pastP; p++) {
        const rows = within(begin(p, rowStep, rowParts), past(p, rowStep, rowParts, rowReach), counted, rowsCounted);
        for (let q = firstQ; q < pastQ; q++) {
          const columns = within(begin(q, columnStep, columnParts), past(q, columnStep, columnParts, columnReach), counted, columnsCounted);
          const share = f32x4.splat(1 / <f32>(rows * columns));
          const from = dy + <usize>(n * P + p) * line + <usize>q * pixel;
          if (p === firstP && q === firstQ) putScaled(from, share, pixel, to);
          else addScaled(from, share, pixel, to);
        }
      }
    }
  }
}

function putScaled(x: usize, factor: v128, bytes: usize, y: usize): void {
  for (let c: usize = 0; c < bytes; c += 16) storeFirst(y + c, f32x4.mul(v128.load(x + c), factor), bytes - c);
}
function addScaled(x: usize, factor: v128, bytes: usize, y: usize): void {
  for (let c: usize = 0; c < bytes; c += 16) storeFirst(y + c, f32x4.add(v128.load(y + c), f32x4.mul(v128.load(x + c), factor)), bytes - c);
}
