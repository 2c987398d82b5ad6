/**
 * The loops of batch norm's sums over rows of channels. What they need of a channel stands in one table, side by side for every four
 * channels, so that one pointer follows it; tables stay in the first-level cache.
 *
 * Rows that follow one another in memory go one a sweep: a core reads memory fastest as one long stream, which its prefetcher
 * follows, 30 GB/s here, and at half that as several short ones. Two rows together touch the table once, which pays where the
 * rows are short enough to be one stream all the same, and where they are so long that the table fills the cache.
 */
import { loadFirst } from './rows';
import { madd, storeFirst } from './vector';

/** Bytes of a table's entry for four channels: near, Σ, Σ of squares. */
export const MOMENTS: usize = 48;
/** Likewise: shift, offset, factor, base, Σ dy, Σ dy · distance. */
export const PRODUCTS: usize = 96;

/** Entry `slot` of every four channels = row[c]. Works in whole vectors. */
export function intoTable(row: usize, bytes: usize, table: usize, slot: usize, pitch: usize): void {
  let to = table + (slot << 4);
  for (let c: usize = 0; c < bytes; c += 16, to += pitch) v128.store(to, v128.load(row + c));
}
export function clearTable(bytes: usize, table: usize, slot: usize, pitch: usize): void {
  let to = table + (slot << 4);
  for (let c: usize = 0; c < bytes; c += 16, to += pitch) v128.store(to, f32x4.splat(0));
}
/** Where entry `slot` of float c of a row stands. */
export function inTable(table: usize, c: usize, slot: usize, pitch: usize): usize {
  return table + (c >> 2) * pitch + (slot << 4) + ((c & 3) << 2);
}

/** y[c] = Σ_i of entry `slot` of floats i · channels + c, i < repeat. */
export function foldTable(table: usize, slot: usize, pitch: usize, repeat: i32, channels: i32, y: usize): void {
  const C = <usize>channels;
  if (repeat === 1) {
    let from = table + (slot << 4);
    for (let c: usize = 0; c < C << 2; c += 16, from += pitch) storeFirst(y + c, v128.load(from), (C << 2) - c);
    return;
  }
  for (let c: usize = 0; c < C; c++) {
    let sum: f32 = 0;
    for (let at = c, past = C * <usize>repeat; at < past; at += C) sum += load<f32>(inTable(table, at, slot, pitch));
    store<f32>(y + (c << 2), sum);
  }
}

/**
 * Σ += x - near, Σ of squares += (x - near)² over `rows` rows of `bytes`, `stride` apart. Works in whole vectors: reads up to 12 bytes
 * past a row, and what the table says of those is unspecified.
 */
export function addMoments(x: usize, rows: i32, stride: usize, bytes: usize, table: usize, together: i32): void {
  if (together > 1) {
    for (; rows >= 4; rows -= 4, x += stride << 2) {
      const x2 = x + (stride << 1);
      let t = table;
      for (let c: usize = 0; c < bytes; c += 16, t += MOMENTS) {
        const near = v128.load(t);
        const a = f32x4.sub(v128.load(x + c), near);
        const b = f32x4.sub(v128.load(x + stride + c), near);
        const d = f32x4.sub(v128.load(x2 + c), near);
        const e = f32x4.sub(v128.load(x2 + stride + c), near);
        v128.store(t, f32x4.add(v128.load(t, 16), f32x4.add(f32x4.add(a, b), f32x4.add(d, e))), 16);
        v128.store(t, madd(e, e, madd(d, d, madd(b, b, madd(a, a, v128.load(t, 32))))), 32);
      }
    }
  }
  for (; rows > 0; rows--, x += stride) {
    let t = table;
    let c: usize = 0;
    for (; c + 64 <= bytes; c += 64, t += 4 * MOMENTS) {
      const p = x + c;
      const a = f32x4.sub(v128.load(p), v128.load(t));
      const b = f32x4.sub(v128.load(p, 16), v128.load(t, 48));
      const d = f32x4.sub(v128.load(p, 32), v128.load(t, 96));
      const e = f32x4.sub(v128.load(p, 48), v128.load(t, 144));
      v128.store(t, f32x4.add(v128.load(t, 16), a), 16);
      v128.store(t, madd(a, a, v128.load(t, 32)), 32);
      v128.store(t, f32x4.add(v128.load(t, 64), b), 64);
      v128.store(t, madd(b, b, v128.load(t, 80)), 80);
      v128.store(t, f32x4.add(v128.load(t, 112), d), 112);
      v128.store(t, madd(d, d, v128.load(t, 128)), 128);
      v128.store(t, f32x4.add(v128.load(t, 160), e), 160);
      v128.store(t, madd(e, e, v128.load(t, 176)), 176);
    }
    for (; c < bytes; c += 16, t += MOMENTS) {
      const a = f32x4.sub(v128.load(x + c), v128.load(t));
      v128.store(t, f32x4.add(v128.load(t, 16), a), 16);
      v128.store(t, madd(a, a, v128.load(t, 32)), 32);
    }
  }
}

/** dy where the forward pass's result, computed as there, is above 0. */
export function gated(dy: v128, distance: v128, factor: v128, base: v128): v128 {
  return v128.and(dy, f32x4.gt(madd(distance, factor, base), f32x4.splat(0)));
}

/** Σ dy, Σ dy · distance of one vector. */
function addPlain(x: v128, dy: v128, t: usize): void {
  const distance = f32x4.sub(f32x4.sub(x, v128.load(t)), v128.load(t, 16));
  v128.store(t, f32x4.add(v128.load(t, 64), dy), 64);
  v128.store(t, madd(dy, distance, v128.load(t, 80)), 80);
}
function addGated(x: v128, dy: v128, t: usize): void {
  const distance = f32x4.sub(x, v128.load(t));
  const g = gated(dy, distance, v128.load(t, 32), v128.load(t, 48));
  v128.store(t, f32x4.add(v128.load(t, 64), g), 64);
  v128.store(t, madd(g, f32x4.sub(distance, v128.load(t, 16)), v128.load(t, 80)), 80);
}

/** Σ dy, Σ dy · (x - shift - offset) over rows, as `addMoments`; a single row may end inside a vector. */
export function addProducts(x: usize, dy: usize, rows: i32, stride: usize, bytes: usize, table: usize, together: i32): void {
  if (together > 1) {
    for (; rows >= 2; rows -= 2, x += stride << 1, dy += stride << 1) {
      let t = table;
      for (let c: usize = 0; c < bytes; c += 16, t += PRODUCTS) {
        const shift = v128.load(t);
        const offset = v128.load(t, 16);
        const a = v128.load(dy + c);
        const b = v128.load(dy + stride + c);
        const left = f32x4.sub(f32x4.sub(v128.load(x + c), shift), offset);
        const right = f32x4.sub(f32x4.sub(v128.load(x + stride + c), shift), offset);
        v128.store(t, f32x4.add(v128.load(t, 64), f32x4.add(a, b)), 64);
        v128.store(t, madd(b, right, madd(a, left, v128.load(t, 80))), 80);
      }
    }
  }
  for (; rows > 0; rows--, x += stride, dy += stride) {
    let t = table;
    let c: usize = 0;
    for (; c + 32 <= bytes; c += 32, t += 2 * PRODUCTS) {
      const a = v128.load(dy + c);
      const b = v128.load(dy + c, 16);
      const left = f32x4.sub(f32x4.sub(v128.load(x + c), v128.load(t)), v128.load(t, 16));
      const right = f32x4.sub(f32x4.sub(v128.load(x + c, 16), v128.load(t, 96)), v128.load(t, 112));
      v128.store(t, f32x4.add(v128.load(t, 64), a), 64);
      v128.store(t, madd(a, left, v128.load(t, 80)), 80);
      v128.store(t, f32x4.add(v128.load(t, 160), b), 160);
      v128.store(t, madd(b, right, v128.load(t, 176)), 176);
    }
    for (; c < bytes; c += 16, t += PRODUCTS) addPlain(loadFirst(x + c, bytes - c), loadFirst(dy + c, bytes - c), t);
  }
}

/** As `addProducts`, of dy where the forward pass's result is above 0. */
export function addGatedProducts(x: usize, dy: usize, rows: i32, stride: usize, bytes: usize, table: usize, together: i32): void {
  if (together > 1) {
    for (; rows >= 2; rows -= 2, x += stride << 1, dy += stride << 1) {
      let t = table;
      for (let c: usize = 0; c < bytes; c += 16, t += PRODUCTS) {
        const shift = v128.load(t);
        const offset = v128.load(t, 16);
        const factor = v128.load(t, 32);
        const base = v128.load(t, 48);
        const left = f32x4.sub(v128.load(x + c), shift);
        const right = f32x4.sub(v128.load(x + stride + c), shift);
        const a = gated(v128.load(dy + c), left, factor, base);
        const b = gated(v128.load(dy + stride + c), right, factor, base);
        v128.store(t, f32x4.add(v128.load(t, 64), f32x4.add(a, b)), 64);
        v128.store(t, madd(b, f32x4.sub(right, offset), madd(a, f32x4.sub(left, offset), v128.load(t, 80))), 80);
      }
    }
  }
  for (; rows > 0; rows--, x += stride, dy += stride) {
    let t = table;
    let c: usize = 0;
    for (; c + 32 <= bytes; c += 32, t += 2 * PRODUCTS) {
      const left = f32x4.sub(v128.load(x + c), v128.load(t));
      const right = f32x4.sub(v128.load(x + c, 16), v128.load(t, 96));
      const a = gated(v128.load(dy + c), left, v128.load(t, 32), v128.load(t, 48));
      const b = gated(v128.load(dy + c, 16), right, v128.load(t, 128), v128.load(t, 144));
      v128.store(t, f32x4.add(v128.load(t, 64), a), 64);
      v128.store(t, madd(a, f32x4.sub(left, v128.load(t, 16)), v128.load(t, 80)), 80);
      v128.store(t, f32x4.add(v128.load(t, 160), b), 160);
      v128.store(t, madd(b, f32x4.sub(right, v128.load(t, 112)), v128.load(t, 176)), 176);
    }
    for (; c < bytes; c += 16, t += PRODUCTS) addGated(loadFirst(x + c, bytes - c), loadFirst(dy + c, bytes - c), t);
  }
}

/** As `addProducts`, one row a sweep, after dy = 0 where y is not above 0, in place. */
export function addMaskedProducts(x: usize, dy: usize, y: usize, rows: i32, stride: usize, bytes: usize, table: usize): void {
  const zero = f32x4.splat(0);
  for (; rows > 0; rows--, x += stride, dy += stride, y += stride) {
    let t = table;
    let c: usize = 0;
    for (; c + 32 <= bytes; c += 32, t += 2 * PRODUCTS) {
      const q = dy + c;
      const a = v128.and(v128.load(q), f32x4.gt(v128.load(y + c), zero));
      const b = v128.and(v128.load(q, 16), f32x4.gt(v128.load(y + c, 16), zero));
      v128.store(q, a);
      v128.store(q, b, 16);
      const left = f32x4.sub(f32x4.sub(v128.load(x + c), v128.load(t)), v128.load(t, 16));
      const right = f32x4.sub(f32x4.sub(v128.load(x + c, 16), v128.load(t, 96)), v128.load(t, 112));
      v128.store(t, f32x4.add(v128.load(t, 64), a), 64);
      v128.store(t, madd(a, left, v128.load(t, 80)), 80);
      v128.store(t, f32x4.add(v128.load(t, 160), b), 160);
      v128.store(t, madd(b, right, v128.load(t, 176)), 176);
    }
    for (; c < bytes; c += 16, t += PRODUCTS) {
      const a = v128.and(loadFirst(dy + c, bytes - c), f32x4.gt(v128.load(y + c), zero));
      storeFirst(dy + c, a, bytes - c);
      addPlain(loadFirst(x + c, bytes - c), a, t);
    }
  }
}
