/**
 * Maximum over sliding windows of images [H,W,C], along rows: channels innermost, so that a vector holds four channels of a pixel. A
 * row of windows goes through its rows of pixels one after another, because a core reads memory faster as one long stream than as
 * three; what the rows so far have won stays in the cache. The windows of nets, 3 and 2 pixels wide, have their loads written out;
 * others and those at the edges go through a loop. A comparison with NaN is false: NaN never wins.
 */
import { storeFirst } from './vector';

/** Below everything but -∞, which never wins either. */
export const LOWEST: f32 = -3.4028234e38;

/** The larger; `a` where either is NaN. */
export function larger(a: v128, b: v128): v128 {
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
  for (let row = start; row < end; row++) {
    const n = row / P;
    const top = (row - n * P) * stride - padding;
    const first = max(top, 0);
    const past = min(top + kernel, H);
    for (let h = first; h < past; h++) {
      const from = x + <usize>(n * H + h) * line;
      let to = y + <usize>(row * Q) * pixel;
      for (let q = 0; q < Q; q++, to += pixel) {
        const left = q * stride - padding;
        const column = max(left, 0);
        const columns = min(left + kernel, W) - column;
        const at = from + <usize>column * pixel;
        if (columns === 3) maximum3(at, pixel, h === first, to);
        else if (columns === 2) maximum2(at, pixel, h === first, to);
        else maximum(at, columns, pixel, h === first, to);
      }
    }
  }
}

/** y = max of y, or of what never wins at first, and of pixels side by side. */
function maximum(x: usize, columns: i32, pixel: usize, first: bool, y: usize): void {
  for (let c: usize = 0; c < pixel; c += 16) {
    let best = first ? f32x4.splat(LOWEST) : v128.load(y + c);
    let at = x + c;
    for (let s = 0; s < columns; s++, at += pixel) best = larger(best, v128.load(at));
    storeFirst(y + c, best, pixel - c);
  }
}

function maximum2(x: usize, pixel: usize, first: bool, y: usize): void {
  const low = f32x4.splat(LOWEST);
  const other = x + pixel;
  let c: usize = 0;
  for (; c + 32 <= pixel; c += 32) {
    const left = larger(first ? low : v128.load(y + c), v128.load(x + c));
    const right = larger(first ? low : v128.load(y + c, 16), v128.load(x + c, 16));
    v128.store(y + c, larger(left, v128.load(other + c)));
    v128.store(y + c, larger(right, v128.load(other + c, 16)), 16);
  }
  for (; c < pixel; c += 16) {
    const best = larger(first ? low : v128.load(y + c), v128.load(x + c));
    storeFirst(y + c, larger(best, v128.load(other + c)), pixel - c);
  }
}

function maximum3(x: usize, pixel: usize, first: bool, y: usize): void {
  const low = f32x4.splat(LOWEST);
  const second = x + pixel;
  const third = second + pixel;
  let c: usize = 0;
  for (; c + 32 <= pixel; c += 32) {
    const left = larger(first ? low : v128.load(y + c), v128.load(x + c));
    const right = larger(first ? low : v128.load(y + c, 16), v128.load(x + c, 16));
    v128.store(y + c, larger(larger(left, v128.load(second + c)), v128.load(third + c)));
    v128.store(y + c, larger(larger(right, v128.load(second + c, 16)), v128.load(third + c, 16)), 16);
  }
  for (; c < pixel; c += 16) {
    const best = larger(first ? low : v128.load(y + c), v128.load(x + c));
    storeFirst(y + c, larger(larger(best, v128.load(second + c)), v128.load(third + c)), pixel - c);
  }
}
