/**
 * Rows of channels: what averages, bias gradients and batch norm are made of. A row is the channels of one pixel, or of `repeat`
 * pixels side by side where there are few channels, so that it is long enough for vectors; its sums are folded in the end.
 */
import { storeFirst } from './vector';

/** Channels of one unit of work of a sum over pixels, at most: whole rows for all nets, since pieces of rows are no long streams. */
export const BLOCK: i32 = 2048;
/** So many rows and more are swept four at a time. */
const MANY: i32 = 16;

/** The lanes of x that lie within `bytes`; the others are 0. */
export function loadFirst(x: usize, bytes: usize): v128 {
  const v = v128.load(x);
  if (bytes >= 16) return v;
  const lanes = i32x4.splat(<i32>(bytes >> 2));
  return v128.and(v, i32x4.gt_u(lanes, i32x4(0, 1, 2, 3)));
}

/** x[0 .. bytes) = 0, and up to 12 bytes more. */
export function clear(x: usize, bytes: usize): void {
  for (let c: usize = 0; c < bytes; c += 16) v128.store(x + c, f32x4.splat(0));
}

/**
 * sums[c] += Σ x over `rows` rows, four a sweep, which are no neighbours but a quarter of the rows apart: each is then read as one
 * long stream, which a core's prefetcher follows, and the sums are stored once for four; a core here stores no more than a vector a
 * cycle. Few whole rows make no four long streams, and go one by one. Works in whole vectors: reads up to 12 bytes past a row's end.
 *
 * @param stride bytes from a row to the next
 * @param bytes of a row that count
 */
export function addRows(x: usize, rows: i32, stride: usize, bytes: usize, sums: usize): void {
  const part = bytes < stride || rows >= MANY ? <usize>(rows >> 2) * stride : 0;
  const pairs = bytes & ~31;
  for (let at: usize = 0; at < part; at += stride) addRows4(x + at, part, pairs, sums);
  // of the rows that were swept the last vector, and the last rows
  for (let at: usize = pairs < bytes ? 0 : part << 2; at < <usize>rows * stride; at += stride) {
    let c = at < part << 2 ? pairs : 0;
    for (; c + 64 <= bytes; c += 64) {
      const p = x + at + c;
      const s = sums + c;
      v128.store(s, f32x4.add(v128.load(s), v128.load(p)));
      v128.store(s, f32x4.add(v128.load(s, 16), v128.load(p, 16)), 16);
      v128.store(s, f32x4.add(v128.load(s, 32), v128.load(p, 32)), 32);
      v128.store(s, f32x4.add(v128.load(s, 48), v128.load(p, 48)), 48);
    }
    for (; c < bytes; c += 16) {
      v128.store(sums + c, f32x4.add(v128.load(sums + c), loadFirst(x + at + c, bytes - c)));
    }
  }
}

/** Of four rows, `part` bytes apart. `bytes` is a multiple of 32. */
export function addRows4(x: usize, part: usize, bytes: usize, sums: usize): void {
  for (let c: usize = 0; c < bytes; c += 32) {
    const p = x + c;
    const p1 = p + part;
    const p2 = p1 + part;
    const p3 = p2 + part;
    const s = sums + c;
    const left = f32x4.add(f32x4.add(v128.load(p), v128.load(p1)), f32x4.add(v128.load(p2), v128.load(p3)));
    const right = f32x4.add(f32x4.add(v128.load(p, 16), v128.load(p1, 16)), f32x4.add(v128.load(p2, 16), v128.load(p3, 16)));
    v128.store(s, f32x4.add(v128.load(s), left));
    v128.store(s, f32x4.add(v128.load(s, 16), right), 16);
  }
}

/** As `addRows`, after dy = 0 where y is not above 0, in place, over rows that lie alike in both; two rows a sweep. */
export function addMaskedRows(dy: usize, y: usize, rows: i32, stride: usize, bytes: usize, sums: usize): void {
  const zero = f32x4.splat(0);
  const part = <usize>(rows >> 1) * stride;
  const pairs = bytes & ~31;
  for (let at: usize = 0; at < part; at += stride) addMaskedRows2(dy + at, y + at, part, pairs, sums);
  for (let at: usize = pairs < bytes ? 0 : part << 1; at < <usize>rows * stride; at += stride) {
    for (let c = at < part << 1 ? pairs : 0; c < bytes; c += 16) {
      const a = v128.and(loadFirst(dy + at + c, bytes - c), f32x4.gt(v128.load(y + at + c), zero));
      storeFirst(dy + at + c, a, bytes - c);
      v128.store(sums + c, f32x4.add(v128.load(sums + c), a));
    }
  }
}

/** Of two rows, `part` bytes apart. `bytes` is a multiple of 32. */
export function addMaskedRows2(dy: usize, y: usize, part: usize, bytes: usize, sums: usize): void {
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 32) {
    const p = dy + i;
    const p1 = p + part;
    const q = y + i;
    const q1 = q + part;
    const a = v128.and(v128.load(p), f32x4.gt(v128.load(q), zero));
    const b = v128.and(v128.load(p, 16), f32x4.gt(v128.load(q, 16), zero));
    const c = v128.and(v128.load(p1), f32x4.gt(v128.load(q1), zero));
    const d = v128.and(v128.load(p1, 16), f32x4.gt(v128.load(q1, 16), zero));
    v128.store(p, a);
    v128.store(p, b, 16);
    v128.store(p1, c);
    v128.store(p1, d, 16);
    v128.store(sums + i, f32x4.add(v128.load(sums + i), f32x4.add(a, c)));
    v128.store(sums + i, f32x4.add(v128.load(sums + i, 16), f32x4.add(b, d)), 16);
  }
}

/** y[c] = Σ_i sums[i · channels + c] for i < repeat. */
export function fold(sums: usize, repeat: i32, channels: i32, y: usize): void {
  const bytes = (<usize>channels) << 2;
  if (repeat === 1) {
    for (let c: usize = 0; c < bytes; c += 16) storeFirst(y + c, v128.load(sums + c), bytes - c);
    return;
  }
  for (let c: usize = 0; c < bytes; c += 4) {
    let sum: f32 = 0;
    for (let i: usize = 0; i < <usize>repeat; i++) sum += load<f32>(sums + c + i * bytes);
    store<f32>(y + c, sum);
  }
}

/** The first `channels` floats of x over and over: `repeat` times, for a row of as many pixels. */
export function repeatRow(x: usize, repeat: i32, channels: i32): void {
  const bytes = (<usize>channels) << 2;
  const past = x + bytes * <usize>repeat;
  for (let at = x + bytes; at < past; at += 4) store<f32>(at, load<f32>(at - bytes));
}
