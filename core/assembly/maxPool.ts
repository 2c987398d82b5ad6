/**
 * Maximum over sliding windows of images [H,W,C], and its gradient, along rows: channels innermost, so that a vector holds four
 * channels of a pixel. The windows of nets, 3 × 3 and 2 × 2, have their loads written out; others and those at the edges go
 * through a loop. A comparison with NaN is false: NaN never wins.
 */
import { storeFirst } from './vector';

/** Below everything but -∞, which never wins either. */
const LOWEST: f32 = -3.4028234e38;

/** The larger; `a` where either is NaN. */
function larger(a: v128, b: v128): v128 {
  return f32x4.pmax(a, b);
}

/** y[n,p,q,c] = max x over window p, q. Units are rows n · P + p. */
export function maxPool(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  y: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  kernel: i32,
  stride: i32,
  padding: i32,
): void {
  const pixel = (<usize>C) << 2;
  const line = <usize>W * pixel;
  let to = y + <usize>(start * Q) * pixel;
  for (let row = start; row < end; row++) {
    const n = row / P;
    const top = (row - n * P) * stride - padding;
    const first = max(top, 0);
    const rows = min(top + kernel, H) - first;
    const from = x + <usize>(n * H + first) * line;
    for (let q = 0; q < Q; q++, to += pixel) {
      const left = q * stride - padding;
      const column = max(left, 0);
      const columns = min(left + kernel, W) - column;
      const at = from + <usize>column * pixel;
      if (rows === 3 && columns === 3) maximum9(at, line, pixel, to);
      else if (rows === 2 && columns === 2) maximum4(at, line, pixel, to);
      else maximum(at, rows, columns, line, pixel, to);
    }
  }
}

function maximum(x: usize, rows: i32, columns: i32, line: usize, pixel: usize, y: usize): void {
  for (let c: usize = 0; c < pixel; c += 16) {
    let best = f32x4.splat(LOWEST);
    for (let r = 0; r < rows; r++) {
      let at = x + <usize>r * line + c;
      for (let s = 0; s < columns; s++, at += pixel) best = larger(best, v128.load(at));
    }
    storeFirst(y + c, best, pixel - c);
  }
}

function maximum4(x: usize, line: usize, pixel: usize, y: usize): void {
  for (let c: usize = 0; c < pixel; c += 16) {
    const at = x + c;
    let best = larger(f32x4.splat(LOWEST), v128.load(at));
    best = larger(best, v128.load(at + pixel));
    best = larger(best, v128.load(at + line));
    best = larger(best, v128.load(at + line + pixel));
    storeFirst(y + c, best, pixel - c);
  }
}

function maximum9(x: usize, line: usize, pixel: usize, y: usize): void {
  const low = f32x4.splat(LOWEST);
  for (let c: usize = 0; c < pixel; c += 16) {
    const a = x + c;
    const b = a + pixel;
    const d = b + pixel;
    const e = line << 1;
    // three chains, so that one maximum need not wait for the last
    const left = larger(larger(larger(low, v128.load(a)), v128.load(a + line)), v128.load(a + e));
    const middle = larger(larger(larger(low, v128.load(b)), v128.load(b + line)), v128.load(b + e));
    const right = larger(larger(larger(low, v128.load(d)), v128.load(d + line)), v128.load(d + e));
    storeFirst(y + c, larger(larger(left, middle), right), pixel - c);
  }
}

/** indices[n,p,q,c] = the place r · kernel + s of the first maximum of the window, -1 where nothing wins. Units as above. */
export function maxPoolIndices(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  indices: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  kernel: i32,
  stride: i32,
  padding: i32,
): void {
  const pixel = (<usize>C) << 2;
  const line = <usize>W * pixel;
  let to = indices + <usize>(start * Q) * pixel;
  for (let row = start; row < end; row++) {
    const n = row / P;
    const top = (row - n * P) * stride - padding;
    const first = max(top, 0);
    const rows = min(top + kernel, H) - first;
    const from = x + <usize>(n * H + first) * line;
    for (let q = 0; q < Q; q++, to += pixel) {
      const left = q * stride - padding;
      const column = max(left, 0);
      const columns = min(left + kernel, W) - column;
      const at = from + <usize>column * pixel;
      if (kernel === 3 && rows === 3 && columns === 3) winner9(at, line, pixel, to);
      else winner(at, rows, columns, line, pixel, (first - top) * kernel + column - left, kernel, to);
    }
  }
}

/** `place` is that of the first cell; a row down is `kernel` further. */
function winner(x: usize, rows: i32, columns: i32, line: usize, pixel: usize, place: i32, kernel: i32, indices: usize): void {
  const one = f32x4.splat(1);
  for (let c: usize = 0; c < pixel; c += 16) {
    let best = f32x4.splat(LOWEST);
    let found = f32x4.splat(-1);
    for (let r = 0; r < rows; r++) {
      let at = x + <usize>r * line + c;
      let here = f32x4.splat(<f32>(place + r * kernel));
      for (let s = 0; s < columns; s++, at += pixel) {
        const value = v128.load(at);
        found = v128.bitselect(here, found, f32x4.gt(value, best));
        best = larger(best, value);
        here = f32x4.add(here, one);
      }
    }
    storeFirst(indices + c, found, pixel - c);
  }
}

/** A whole 3 × 3 window: the winner of each row, then of the rows. */
function winner9(x: usize, line: usize, pixel: usize, indices: usize): void {
  const one = f32x4.splat(1);
  const two = f32x4.splat(2);
  const three = f32x4.splat(3);
  for (let c: usize = 0; c < pixel; c += 16) {
    let at = x + c;
    let best = f32x4.splat(LOWEST);
    let found = f32x4.splat(-1);
    let base = f32x4.splat(0);
    for (let r = 0; r < 3; r++, at += line) {
      const a = v128.load(at);
      const b = v128.load(at + pixel);
      const d = v128.load(at + pixel + pixel);
      let most = best;
      let column = found;
      column = v128.bitselect(base, column, f32x4.gt(a, most));
      most = larger(most, a);
      column = v128.bitselect(f32x4.add(base, one), column, f32x4.gt(b, most));
      most = larger(most, b);
      column = v128.bitselect(f32x4.add(base, two), column, f32x4.gt(d, most));
      best = larger(most, d);
      found = column;
      base = f32x4.add(base, three);
    }
    storeFirst(indices + c, found, pixel - c);
  }
}

/**
 * dx[n,h,w,c] = Σ dy of the windows that cover (h,w) and whose index names it, the last window first, as the definition adds.
 * Units are rows n · H + h.
 */
export function maxPoolGradient(
  start: i32,
  end: i32,
  _scratch: usize,
  dy: usize,
  indices: usize,
  dx: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  kernel: i32,
  stride: i32,
  padding: i32,
): void {
  const pixel = (<usize>C) << 2;
  const line = <usize>Q * pixel;
  // from dy to indices
  const other = indices - dy;
  let to = dx + <usize>(start * W) * pixel;
  for (let row = start; row < end; row++) {
    const n = row / H;
    const h = row - n * H + padding;
    const p = min(h / stride, P - 1);
    const rows = p - firstOver(h, kernel, stride) + 1;
    const r = h - p * stride;
    const from = dy + <usize>(n * P + p) * line;
    for (let column = 0; column < W; column++, to += pixel) {
      const w = column + padding;
      const q = min(w / stride, Q - 1);
      const columns = q - firstOver(w, kernel, stride) + 1;
      const place = r * kernel + w - q * stride;
      const at = from + <usize>q * pixel;
      if (rows === 1 && columns === 1) won1(at, other, pixel, place, to);
      else if (rows === 1 && columns === 2) won2(at, pixel, other, pixel, place, stride, to);
      else if (rows === 2 && columns === 1) won2(at, line, other, pixel, place, stride * kernel, to);
      else if (rows === 2 && columns === 2) won4(at, line, other, pixel, place, stride, stride * kernel, to);
      else won(at, rows, columns, line, other, pixel, place, stride, stride * kernel, to);
    }
  }
}

/** The first window that reaches cell h of the padded image. */
function firstOver(h: i32, kernel: i32, stride: i32): i32 {
  return h < kernel ? 0 : (h - kernel) / stride + 1;
}

/** dy where the index is `place`. */
function ifWon(dy: usize, other: usize, place: v128): v128 {
  return v128.and(v128.load(dy), f32x4.eq(v128.load(dy + other), place));
}

function won1(dy: usize, other: usize, pixel: usize, place: i32, dx: usize): void {
  const here = f32x4.splat(<f32>place);
  for (let c: usize = 0; c < pixel; c += 16) storeFirst(dx + c, ifWon(dy + c, other, here), pixel - c);
}

/** Two windows: the second begins `back` bytes before, and there the cell's place is `further`. */
function won2(dy: usize, back: usize, other: usize, pixel: usize, place: i32, further: i32, dx: usize): void {
  const here = f32x4.splat(<f32>place);
  const there = f32x4.splat(<f32>(place + further));
  for (let c: usize = 0; c < pixel; c += 16) {
    const at = dy + c;
    storeFirst(dx + c, f32x4.add(ifWon(at, other, here), ifWon(at - back, other, there)), pixel - c);
  }
}

function won4(dy: usize, line: usize, other: usize, pixel: usize, place: i32, right: i32, down: i32, dx: usize): void {
  const a = f32x4.splat(<f32>place);
  const b = f32x4.splat(<f32>(place + right));
  const d = f32x4.splat(<f32>(place + down));
  const e = f32x4.splat(<f32>(place + down + right));
  for (let c: usize = 0; c < pixel; c += 16) {
    const at = dy + c;
    const above = at - line;
    const sum = f32x4.add(ifWon(at, other, a), ifWon(at - pixel, other, b));
    storeFirst(dx + c, f32x4.add(f32x4.add(sum, ifWon(above, other, d)), ifWon(above - pixel, other, e)), pixel - c);
  }
}

function won(
  dy: usize,
  rows: i32,
  columns: i32,
  line: usize,
  other: usize,
  pixel: usize,
  place: i32,
  right: i32,
  down: i32,
  dx: usize,
): void {
  for (let c: usize = 0; c < pixel; c += 16) {
    let sum = f32x4.splat(0);
    for (let i = 0; i < rows; i++) {
      let at = dy + c - <usize>i * line;
      for (let j = 0; j < columns; j++, at -= pixel)
        sum = f32x4.add(sum, ifWon(at, other, f32x4.splat(<f32>(place + i * down + j * right))));
    }
    storeFirst(dx + c, sum, pixel - c);
  }
}
