/** Which pixel of each window is the largest, as `maxPool.ts` goes through them: what the gradient is handed to. */
import { LOWEST, larger } from './maxPool';
import { storeFirst, touch } from './vector';

/** Bytes of the vectors of places. */
const PLACES: usize = 176;

/**
 * indices[n,p,q,c] = the place r · kernel + s of the first maximum of the window, -1 where nothing wins. Units are rows n · P + p.
 * Scratch: 176 bytes, and a row of windows, the largest so far.
 */
export function maxPoolIndices(
  start: i32,
  end: i32,
  scratch: usize,
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
  // vectors of the places in a window and of what stands before them, then a row of windows, which are whole vectors
  const places = scratch;
  for (let i: usize = 0; i < 9; i++) v128.store(places + (i << 4), f32x4.splat(<f32>i));
  v128.store(places, f32x4.splat(LOWEST), 144);
  v128.store(places, f32x4.splat(-1), 160);
  const room = (pixel + 15) & ~15;
  for (let row = start; row < end; row++) {
    const n = row / P;
    const top = (row - n * P) * stride - padding;
    const first = max(top, 0);
    const past = min(top + kernel, H);
    const whole = kernel === 3 && past - first === 3 && (C & 3) === 0;
    // the rows that the windows before did not have
    if (whole) store<i32>(scratch + PLACES, touch(x + <usize>(n * H + past - min(stride, 3)) * line, <usize>min(stride, 3) * line));
    for (let h = first; h < past; h++) {
      const from = x + <usize>(n * H + h) * line;
      let to = indices + <usize>(row * Q) * pixel;
      let best = scratch + PLACES;
      for (let q = 0; q < Q; q++, to += pixel, best += room) {
        const left = q * stride - padding;
        const column = max(left, 0);
        const columns = min(left + kernel, W) - column;
        const at = from + <usize>column * pixel;
        const place = (h - top) * kernel + column - left;
        if (whole && columns === 3) {
          if (h === first) winner9(at, at + line, at + 2 * line, pixel, places, to);
        } else if (columns === 3) winner3(at, pixel, place, h === first, best, to);
        else winner(at, columns, pixel, place, h === first, best, to);
      }
    }
  }
}

/** a where the mask is set, b elsewhere. */
function select(a: v128, b: v128, mask: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_laneselect(a, b, mask);
  return v128.bitselect(a, b, mask);
}

/** Whole windows of nine, read once, of whole vectors of channels: four instructions for each of the nine. */
export function winner9(x: usize, x1: usize, x2: usize, pixel: usize, places: usize, indices: usize): void {
  const low = v128.load(places, 144);
  const none = v128.load(places, 160);
  const p0 = v128.load(places);
  const p1 = v128.load(places, 16);
  const p2 = v128.load(places, 32);
  const p3 = v128.load(places, 48);
  const p4 = v128.load(places, 64);
  const p5 = v128.load(places, 80);
  const p6 = v128.load(places, 96);
  const p7 = v128.load(places, 112);
  const p8 = v128.load(places, 128);
  const third = pixel << 1;
  for (let c: usize = 0; c < pixel; c += 16) {
    const at = x + c;
    const at1 = x1 + c;
    const at2 = x2 + c;
    let v = v128.load(at);
    let found = select(p0, none, f32x4.gt(v, low));
    let best = larger(low, v);
    v = v128.load(at + pixel);
    found = select(p1, found, f32x4.gt(v, best));
    best = larger(best, v);
    v = v128.load(at + third);
    found = select(p2, found, f32x4.gt(v, best));
    best = larger(best, v);
    v = v128.load(at1);
    found = select(p3, found, f32x4.gt(v, best));
    best = larger(best, v);
    v = v128.load(at1 + pixel);
    found = select(p4, found, f32x4.gt(v, best));
    best = larger(best, v);
    v = v128.load(at1 + third);
    found = select(p5, found, f32x4.gt(v, best));
    best = larger(best, v);
    v = v128.load(at2);
    found = select(p6, found, f32x4.gt(v, best));
    best = larger(best, v);
    v = v128.load(at2 + pixel);
    found = select(p7, found, f32x4.gt(v, best));
    best = larger(best, v);
    v128.store(indices + c, select(p8, found, f32x4.gt(v128.load(at2 + third), best)));
  }
}

/** `place` is that of the first of the pixels side by side. */
function winner(x: usize, columns: i32, pixel: usize, place: i32, first: bool, most: usize, indices: usize): void {
  const one = f32x4.splat(1);
  for (let c: usize = 0; c < pixel; c += 16) {
    let best = first ? f32x4.splat(LOWEST) : v128.load(most + c);
    let found = first ? f32x4.splat(-1) : v128.load(indices + c);
    let at = x + c;
    let here = f32x4.splat(<f32>place);
    for (let s = 0; s < columns; s++, at += pixel) {
      const value = v128.load(at);
      found = v128.bitselect(here, found, f32x4.gt(value, best));
      best = larger(best, value);
      here = f32x4.add(here, one);
    }
    v128.store(most + c, best);
    storeFirst(indices + c, found, pixel - c);
  }
}

function winner3(x: usize, pixel: usize, place: i32, first: bool, most: usize, indices: usize): void {
  const one = f32x4.splat(1);
  const here = f32x4.splat(<f32>place);
  const second = x + pixel;
  const third = second + pixel;
  for (let c: usize = 0; c < pixel; c += 16) {
    const before = first ? f32x4.splat(LOWEST) : v128.load(most + c);
    const found = first ? f32x4.splat(-1) : v128.load(indices + c);
    const a = v128.load(x + c);
    const b = v128.load(second + c);
    const best = larger(larger(larger(before, a), b), v128.load(third + c));
    // one further for each that is not the largest, as long as none was
    const notA = f32x4.ne(best, a);
    const notB = v128.and(notA, f32x4.ne(best, b));
    const where = f32x4.add(f32x4.add(here, v128.and(notA, one)), v128.and(notB, one));
    v128.store(most + c, best);
    storeFirst(indices + c, v128.bitselect(where, found, f32x4.gt(best, before)), pixel - c);
  }
}
