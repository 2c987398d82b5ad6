/**
 * The loops of batch norm's sums over rows of channels. What they need of a channel stands in one table, side by side for every four
 * channels, so that one pointer follows it; tables stay in the first-level cache.
 *
 * A store a vector is as much as a core here does in a cycle, so several rows of x share one look at the table. They are no neighbours
 * but a part of the rows apart: each part is then read as one long stream. A core's prefetcher follows several of those at full speed,
 * and at half that and less as many short ones.
 */
import { loadFirst } from './rows';
import { madd, storeFirst } from './vector';

/** Bytes of a table's entry for four channels: shift, factor, base. */
export const FACTORS: usize = 48;
/** Likewise: near, Σ, Σ of squares. */
export const MOMENTS: usize = 48;
/** Likewise: shift, Σ dy, Σ dy · distance. */
export const PRODUCTS: usize = 48;
/** Likewise: shift, factor, base, Σ dy, Σ dy · distance. */
export const GATED: usize = 80;

/** Entry `slot` of every four channels = row[c]. Works in whole vectors. */
export function intoTable(row: usize, bytes: usize, table: usize, slot: usize, pitch: usize): void {
  let to = table + (slot << 4);
  for (let c: usize = 0; c < bytes; c += 16, to += pitch) v128.store(to, v128.load(row + c));
}
/** The first three entries of `GATED` = those of `batchNormFactors`. */
export function copyFactors(factors: usize, bytes: usize, table: usize): void {
  for (let c: usize = 0; c < bytes; c += 16, factors += FACTORS, table += GATED) {
    v128.store(table, v128.load(factors));
    v128.store(table, v128.load(factors, 16), 16);
    v128.store(table, v128.load(factors, 32), 32);
  }
}
/** Entries `slot` and the next = 0. */
export function clearSums(bytes: usize, table: usize, slot: usize, pitch: usize): void {
  let to = table + (slot << 4);
  for (let c: usize = 0; c < bytes; c += 16, to += pitch) {
    v128.store(to, f32x4.splat(0));
    v128.store(to, f32x4.splat(0), 16);
  }
}
/** Where entry `slot` of float c of a row stands. */
function inTable(table: usize, c: usize, slot: usize, pitch: usize): usize {
  return table + (c >> 2) * pitch + (slot << 4) + ((c & 3) << 2);
}

/**
 * y = two rows of `channels`, `apart` bytes from each other: Σ_i of the entries `slot` and the next of floats i · channels + c, i < repeat;
 * from the second the first's product with `offset` is taken away.
 *
 * @param offset address, 0 for none
 */
export function foldSums(table: usize, slot: usize, pitch: usize, repeat: i32, channels: i32, offset: usize, y: usize, apart: usize): void {
  const C = <usize>channels;
  if (repeat === 1) {
    let from = table + (slot << 4);
    for (let c: usize = 0; c < C << 2; c += 16, from += pitch) {
      const sum = v128.load(from);
      let product = v128.load(from, 16);
      if (offset) product = f32x4.sub(product, f32x4.mul(v128.load(offset + c), sum));
      storeFirst(y + c, sum, (C << 2) - c);
      storeFirst(y + apart + c, product, (C << 2) - c);
    }
    return;
  }
  for (let c: usize = 0; c < C; c++) {
    let sum: f32 = 0;
    let product: f32 = 0;
    for (let at = c, past = C * <usize>repeat; at < past; at += C) {
      sum += load<f32>(inTable(table, at, slot, pitch));
      product += load<f32>(inTable(table, at, slot + 1, pitch));
    }
    if (offset) product -= load<f32>(offset + (c << 2)) * sum;
    store<f32>(y + (c << 2), sum);
    store<f32>(y + apart + (c << 2), product);
  }
}

/**
 * A table of moments without any yet: `near` is the mean of four of the rows, which lies half a standard deviation from that of all,
 * on average; one row would do, but it may lie far from all others. Works in whole vectors, as everything here.
 */
export function beginMoments(x: usize, rows: i32, stride: usize, bytes: usize, table: usize): void {
  const part = <usize>(rows >> 2) * stride;
  const quarter = f32x4.splat(0.25);
  let t = table;
  for (const past = x + bytes; x < past; x += 16, t += MOMENTS) {
    const left = f32x4.add(v128.load(x), v128.load(x + part));
    const right = f32x4.add(v128.load(x + 2 * part), v128.load(x + 3 * part));
    v128.store(t, f32x4.mul(f32x4.add(left, right), quarter));
    v128.store(t, f32x4.splat(0), 16);
    v128.store(t, f32x4.splat(0), 32);
  }
}

/**
 * mean = that of all rows as distance from the row `shift`, squares = Σ of squared distances from the mean.
 *
 * @param part 1 / rows: an argument because a loop that is given the rows divides in every round
 */
export function endMoments(table: usize, part: f32, bytes: usize, shift: usize, mean: usize, squares: usize): void {
  let t = table;
  for (let c: usize = 0; c < bytes; c += 16, t += MOMENTS) {
    const sum = v128.load(t, 16);
    const apart = f32x4.mul(sum, f32x4.splat(part));
    storeFirst(mean + c, f32x4.add(f32x4.sub(v128.load(t), v128.load(shift + c)), apart), bytes - c);
    const rest = f32x4.sub(v128.load(t, 32), f32x4.mul(sum, apart));
    storeFirst(squares + c, f32x4.max(rest, f32x4.splat(0)), bytes - c);
  }
}

/**
 * Σ += x - near, Σ of squares += (x - near)² over `rows` rows of `bytes`, `stride` apart. Works in whole vectors: reads up to 12 bytes
 * past a row, and what the table says of those is unspecified.
 */
export function addMoments(x: usize, rows: i32, stride: usize, bytes: usize, table: usize): void {
  const part = <usize>(rows >> 2) * stride;
  const pairs = bytes & ~31;
  for (let at: usize = 0; at < part; at += stride) moments4(x + at, part, pairs, table);
  // of the rows that were swept the last vector, and the last rows
  if (pairs < bytes) for (let at: usize = 0; at < part << 2; at += stride) moments1(x + at + pairs, bytes - pairs, table + 3 * pairs);
  for (let at = part << 2; at < <usize>rows * stride; at += stride) moments1(x + at, bytes, table);
}

/** Of four rows, `part` bytes apart. `bytes` is a multiple of 32. */
export function moments4(x: usize, part: usize, bytes: usize, t: usize): void {
  for (const past = x + bytes; x < past; x += 32, t += 2 * MOMENTS) {
    const left = v128.load(t);
    const right = v128.load(t, MOMENTS);
    const x1 = x + part;
    const x2 = x1 + part;
    const x3 = x2 + part;
    const a0 = f32x4.sub(v128.load(x), left);
    const b0 = f32x4.sub(v128.load(x, 16), right);
    const a1 = f32x4.sub(v128.load(x1), left);
    const b1 = f32x4.sub(v128.load(x1, 16), right);
    const a2 = f32x4.sub(v128.load(x2), left);
    const b2 = f32x4.sub(v128.load(x2, 16), right);
    const a3 = f32x4.sub(v128.load(x3), left);
    const b3 = f32x4.sub(v128.load(x3, 16), right);
    v128.store(t, f32x4.add(v128.load(t, 16), f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3))), 16);
    v128.store(t, madd(a3, a3, madd(a2, a2, madd(a1, a1, madd(a0, a0, v128.load(t, 32))))), 32);
    v128.store(t, f32x4.add(v128.load(t, 64), f32x4.add(f32x4.add(b0, b1), f32x4.add(b2, b3))), 64);
    v128.store(t, madd(b3, b3, madd(b2, b2, madd(b1, b1, madd(b0, b0, v128.load(t, 80))))), 80);
  }
}
function moments1(x: usize, bytes: usize, t: usize): void {
  for (const past = x + bytes; x < past; x += 16, t += MOMENTS) {
    const a = f32x4.sub(v128.load(x), v128.load(t));
    v128.store(t, f32x4.add(v128.load(t, 16), a), 16);
    v128.store(t, madd(a, a, v128.load(t, 32)), 32);
  }
}

/** dy where the forward pass's result, computed as there, is above 0. */
export function gated(dy: v128, distance: v128, factor: v128, base: v128): v128 {
  return v128.and(dy, f32x4.gt(madd(distance, factor, base), f32x4.splat(0)));
}

/**
 * Σ dy, Σ dy · (x - shift) over rows, as `addMoments`; a single row may end inside a vector. Two rows a sweep: of four, with one of dy
 * each, all lie in one set of the first-level cache where rows are a power of two long, and drive each other out.
 */
export function addProducts(x: usize, dy: usize, rows: i32, stride: usize, bytes: usize, table: usize): void {
  const part = <usize>(rows >> 1) * stride;
  for (let at: usize = 0; at < part; at += stride) products2(x + at, dy + at, part, bytes, table);
  for (let at = part << 1; at < <usize>rows * stride; at += stride) products1(x + at, dy + at, bytes, table);
}

/** Of two rows, `part` bytes apart. */
export function products2(x: usize, dy: usize, part: usize, bytes: usize, t: usize): void {
  for (const past = x + bytes; x < past; x += 16, dy += 16, t += PRODUCTS) {
    const shift = v128.load(t);
    const a = v128.load(dy);
    const b = v128.load(dy + part);
    const first = madd(a, f32x4.sub(v128.load(x), shift), v128.load(t, 32));
    v128.store(t, f32x4.add(v128.load(t, 16), f32x4.add(a, b)), 16);
    v128.store(t, madd(b, f32x4.sub(v128.load(x + part), shift), first), 32);
  }
}
function products1(x: usize, dy: usize, bytes: usize, t: usize): void {
  for (let c: usize = 0; c < bytes; c += 16, t += PRODUCTS) addPlain(loadFirst(x + c, bytes - c), loadFirst(dy + c, bytes - c), t);
}
/** Of one vector. */
function addPlain(x: v128, dy: v128, t: usize): void {
  v128.store(t, f32x4.add(v128.load(t, 16), dy), 16);
  v128.store(t, madd(dy, f32x4.sub(x, v128.load(t)), v128.load(t, 32)), 32);
}

/** As `addProducts`, of dy where the forward pass's result is above 0. Four rows a sweep, since it takes longer to compute than to read. */
export function addGatedProducts(x: usize, dy: usize, rows: i32, stride: usize, bytes: usize, table: usize): void {
  const part = <usize>(rows >> 2) * stride;
  for (let at: usize = 0; at < part; at += stride) gatedProducts4(x + at, dy + at, part, bytes, table);
  for (let at = part << 2; at < <usize>rows * stride; at += stride) gatedProducts1(x + at, dy + at, bytes, table);
}

export function gatedProducts4(x: usize, dy: usize, part: usize, bytes: usize, t: usize): void {
  for (let i: usize = 0; i < bytes; i += 16, t += GATED) {
    const shift = v128.load(t);
    const factor = v128.load(t, 16);
    const base = v128.load(t, 32);
    let p = x + i;
    let q = dy + i;
    const d0 = f32x4.sub(v128.load(p), shift);
    const a = gated(v128.load(q), d0, factor, base);
    p += part;
    q += part;
    const d1 = f32x4.sub(v128.load(p), shift);
    const b = gated(v128.load(q), d1, factor, base);
    p += part;
    q += part;
    const d2 = f32x4.sub(v128.load(p), shift);
    const c = gated(v128.load(q), d2, factor, base);
    p += part;
    q += part;
    const d3 = f32x4.sub(v128.load(p), shift);
    const d = gated(v128.load(q), d3, factor, base);
    v128.store(t, f32x4.add(v128.load(t, 48), f32x4.add(f32x4.add(a, b), f32x4.add(c, d))), 48);
    v128.store(t, madd(d, d3, madd(c, d2, madd(b, d1, madd(a, d0, v128.load(t, 64))))), 64);
  }
}
function gatedProducts1(x: usize, dy: usize, bytes: usize, t: usize): void {
  for (let c: usize = 0; c < bytes; c += 16, t += GATED) {
    const distance = f32x4.sub(loadFirst(x + c, bytes - c), v128.load(t));
    const g = gated(loadFirst(dy + c, bytes - c), distance, v128.load(t, 16), v128.load(t, 32));
    v128.store(t, f32x4.add(v128.load(t, 48), g), 48);
    v128.store(t, madd(g, distance, v128.load(t, 64)), 64);
  }
}

/** As `addProducts`, after dy = 0 where y is not above 0, in place. Row by row: three or four long streams are enough. */
export function addMaskedProducts(x: usize, dy: usize, y: usize, rows: i32, stride: usize, bytes: usize, table: usize): void {
  const whole = bytes & ~15;
  const past = <usize>rows * stride;
  for (let at: usize = 0; at < past; at += stride) maskedProducts(x + at, dy + at, y + at, whole, table);
  if (whole === bytes) return;
  const t = table + 3 * whole;
  for (let at = whole; at < past; at += stride) {
    const a = v128.and(loadFirst(dy + at, bytes - whole), f32x4.gt(v128.load(y + at), f32x4.splat(0)));
    storeFirst(dy + at, a, bytes - whole);
    addPlain(loadFirst(x + at, bytes - whole), a, t);
  }
}

/** Of one row. `bytes` is a multiple of 16. */
export function maskedProducts(x: usize, dy: usize, y: usize, bytes: usize, t: usize): void {
  const zero = f32x4.splat(0);
  for (const past = x + bytes; x < past; x += 16, dy += 16, y += 16, t += PRODUCTS) {
    const a = v128.and(v128.load(dy), f32x4.gt(v128.load(y), zero));
    v128.store(dy, a);
    addPlain(v128.load(x), a, t);
  }
}

/** As `addMaskedProducts`, of dy + other. */
export function addMaskedSums(x: usize, dy: usize, other: usize, y: usize, rows: i32, stride: usize, bytes: usize, table: usize): void {
  const whole = bytes & ~15;
  const past = <usize>rows * stride;
  for (let at: usize = 0; at < past; at += stride) maskedSums(x + at, dy + at, other + at, y + at, whole, table);
  if (whole === bytes) return;
  const t = table + 3 * whole;
  for (let at = whole; at < past; at += stride) {
    const sum = f32x4.add(loadFirst(dy + at, bytes - whole), loadFirst(other + at, bytes - whole));
    const a = v128.and(sum, f32x4.gt(v128.load(y + at), f32x4.splat(0)));
    storeFirst(dy + at, a, bytes - whole);
    addPlain(loadFirst(x + at, bytes - whole), a, t);
  }
}

/** Of one row. `bytes` is a multiple of 16. */
export function maskedSums(x: usize, dy: usize, other: usize, y: usize, bytes: usize, t: usize): void {
  const zero = f32x4.splat(0);
  for (const past = x + bytes; x < past; x += 16, dy += 16, other += 16, y += 16, t += PRODUCTS) {
    const a = v128.and(f32x4.add(v128.load(dy), v128.load(other)), f32x4.gt(v128.load(y), zero));
    v128.store(dy, a);
    addPlain(v128.load(x), a, t);
  }
}
