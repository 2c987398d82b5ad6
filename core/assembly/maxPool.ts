/**
 * Maximum over sliding windows of images [H,W,C], along rows: channels innermost, so that a vector holds four channels of a pixel. A
 * core reads memory faster as one long stream than as three. So for windows of 3 × 3 at every second pixel the rows that are new are
 * read beforehand, as the one stream that they are; what a column of three pixels has won is kept for the next window, which shares it.
 * Other windows go through their rows of pixels one after another, and what the rows so far have won stays in the cache. Windows 3
 * and 2 pixels wide have their loads written out; others and those at the edges go through a loop. A comparison with NaN is
 * false: NaN never wins.
 */
import { storeFirst, touch } from './vector';

/** Below everything but -∞, which never wins either. */
export const LOWEST: f32 = -3.4028234e38;

/** The larger; `a` where either is NaN. */
export function larger(a: v128, b: v128): v128 {
  return f32x4.pmax(a, b);
}

/** y[n,p,q,c] = max x over window p, q. Units are rows n · P + p. Scratch: a pixel in whole vectors, and 16 bytes. */
export function maxPool(
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
  kernel: i32,
  stride: i32,
  padding: i32,
): void {
  const pixel = (<usize>C) << 2;
  const line = <usize>W * pixel;
  // of windows 3 wide and 2 apart these lie wholly within the image
  const firstQ = (padding + 1) >> 1;
  const pastQ = min((W + padding - 1) >> 1, Q);
  for (let row = start; row < end; row++) {
    const n = row / P;
    const top = (row - n * P) * stride - padding;
    const first = max(top, 0);
    const past = min(top + kernel, H);
    const shared = kernel === 3 && stride === 2 && past - first === 3 && firstQ < pastQ;
    if (shared) {
      // the rows that the windows above did not have
      store<i32>(scratch, touch(x + <usize>(n * H + past - 2) * line, 2 * line));
      const at = x + <usize>(n * H + first) * line + <usize>(2 * firstQ - padding) * pixel;
      maximaSharing(at, line, pixel, pastQ - firstQ, y + <usize>(row * Q + firstQ) * pixel, scratch + 16);
    }
    for (let h = first; h < past; h++) {
      const from = x + <usize>(n * H + h) * line;
      let to = y + <usize>(row * Q) * pixel;
      for (let q = 0; q < Q; q++, to += pixel) {
        if (shared && q === firstQ) {
          to += <usize>(pastQ - firstQ) * pixel;
          q = pastQ;
          if (q === Q) break;
        }
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

/** The largest of three that lie `line` bytes apart, and of a. */
function largest3(a: v128, x: usize, line: usize): v128 {
  return larger(larger(larger(a, v128.load(x)), v128.load(x + line)), v128.load(x + 2 * line));
}

/**
 * Windows of 3 × 3 pixels, `count` of them side by side, every one two pixels further. The last column of a window is the first of
 * the next: what it has won waits in `kept`, a pixel in whole vectors.
 *
 * @param line bytes from a pixel to the one below
 */
export function maximaSharing(x: usize, line: usize, pixel: usize, count: i32, y: usize, kept: usize): void {
  const low = f32x4.splat(LOWEST);
  const pairs = pixel & ~31;
  for (let c: usize = 0; c < pixel; c += 16) v128.store(kept + c, largest3(low, x + c, line));
  let at = x + pixel;
  for (let i = 0; i < count; i++, y += pixel, at += 2 * pixel) {
    for (let c: usize = 0; c < pairs; c += 32) {
      const a = at + c;
      const a1 = a + line;
      const a2 = a1 + line;
      const b = a + pixel;
      const b1 = a1 + pixel;
      const b2 = a2 + pixel;
      const k = kept + c;
      const left = larger(larger(larger(low, v128.load(b)), v128.load(b1)), v128.load(b2));
      const right = larger(larger(larger(low, v128.load(b, 16)), v128.load(b1, 16)), v128.load(b2, 16));
      v128.store(y + c, larger(larger(larger(larger(v128.load(k), v128.load(a)), v128.load(a1)), v128.load(a2)), left));
      v128.store(
        y + c,
        larger(larger(larger(larger(v128.load(k, 16), v128.load(a, 16)), v128.load(a1, 16)), v128.load(a2, 16)), right),
        16,
      );
      v128.store(k, left);
      v128.store(k, right, 16);
    }
    for (let c = pairs; c < pixel; c += 16) {
      const last = largest3(low, at + pixel + c, line);
      storeFirst(y + c, larger(largest3(v128.load(kept + c), at + c, line), last), pixel - c);
      v128.store(kept + c, last);
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
