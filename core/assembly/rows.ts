/**
 * Rows of channels: what averages, bias gradients and batch norm are made of. A row is the channels of one pixel, or of `repeat`
 * pixels side by side where there are few channels, so that it is long enough for vectors; its sums are folded in the end.
 */
import { storeFirst } from './vector';

/** Channels of one unit of work of a sum over pixels, at most: whole rows for all nets, since pieces of rows are no long streams. */
export const BLOCK: i32 = 2048;

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
 * sums[c] += Σ x over `rows` rows, in order. Rows that follow one another go one a sweep: a core reads memory fastest as one
 * long stream, which its prefetcher follows, and at half that as four short ones side by side; the sums stay in the first-level
 * cache. Pieces of wider rows are short streams anyway: four a sweep, and the sums are touched once in four. Works in whole
 * vectors: reads up to 12 bytes past the last row's end, and of four pieces or more up to three sums past `bytes` become
 * something unspecified.
 *
 * @param stride bytes from a row to the next
 * @param bytes of a row that count
 */
export function addRows(x: usize, rows: i32, stride: usize, bytes: usize, sums: usize): void {
  for (; rows >= 4 && bytes < stride; rows -= 4, x += stride << 2) {
    const x1 = x + stride;
    const x2 = x1 + stride;
    const x3 = x2 + stride;
    for (let c: usize = 0; c < bytes; c += 16) {
      const left = f32x4.add(v128.load(x + c), v128.load(x1 + c));
      const right = f32x4.add(v128.load(x2 + c), v128.load(x3 + c));
      v128.store(sums + c, f32x4.add(v128.load(sums + c), f32x4.add(left, right)));
    }
  }
  for (; rows > 0; rows--, x += stride) {
    let c: usize = 0;
    for (; c + 64 <= bytes; c += 64) {
      const p = x + c;
      const s = sums + c;
      v128.store(s, f32x4.add(v128.load(s), v128.load(p)));
      v128.store(s, f32x4.add(v128.load(s, 16), v128.load(p, 16)), 16);
      v128.store(s, f32x4.add(v128.load(s, 32), v128.load(p, 32)), 32);
      v128.store(s, f32x4.add(v128.load(s, 48), v128.load(p, 48)), 48);
    }
    for (; c < bytes; c += 16) v128.store(sums + c, f32x4.add(v128.load(sums + c), loadFirst(x + c, bytes - c)));
  }
}

/** As `addRows`, after dy = 0 where y is not above 0, in place, over rows that lie alike in both. */
export function addMaskedRows(dy: usize, y: usize, rows: i32, stride: usize, bytes: usize, sums: usize): void {
  const zero = f32x4.splat(0);
  for (; rows > 0; rows--, dy += stride, y += stride) {
    let c: usize = 0;
    for (; c + 32 <= bytes; c += 32) {
      const a = v128.and(v128.load(dy + c), f32x4.gt(v128.load(y + c), zero));
      const b = v128.and(v128.load(dy + c, 16), f32x4.gt(v128.load(y + c, 16), zero));
      v128.store(dy + c, a);
      v128.store(dy + c, b, 16);
      v128.store(sums + c, f32x4.add(v128.load(sums + c), a));
      v128.store(sums + c, f32x4.add(v128.load(sums + c, 16), b), 16);
    }
    for (; c < bytes; c += 16) {
      const a = v128.and(loadFirst(dy + c, bytes - c), f32x4.gt(v128.load(y + c), zero));
      storeFirst(dy + c, a, bytes - c);
      v128.store(sums + c, f32x4.add(v128.load(sums + c), a));
    }
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
