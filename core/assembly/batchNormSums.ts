/** Batch norm's sums over all pixels, per channel: statistics of the batch and what its gradients need. Chunks first, then all. */
import { addRows, BLOCK, clear, fold, loadFirst, maskRows, repeatRow } from './rows';
import { madd, storeFirst } from './vector';

/** Channels of one unit of work of the second launches: a cache line. */
const FEW: i32 = 16;
/** Bytes of a row of 512 floats in scratch. */
const ROW: usize = 2048;

/** sums[c] += Σ x - shift, squares[c] += Σ (x - shift)² over rows. As `addRows`. */
export function addMoments(x: usize, rows: i32, stride: usize, bytes: usize, shift: usize, sums: usize, squares: usize): void {
  for (; rows >= 4 && bytes < stride; rows -= 4, x += stride << 2) {
    const x1 = x + stride;
    const x2 = x1 + stride;
    const x3 = x2 + stride;
    for (let c: usize = 0; c < bytes; c += 16) {
      const s = v128.load(shift + c);
      const a = f32x4.sub(v128.load(x + c), s);
      const b = f32x4.sub(v128.load(x1 + c), s);
      const d = f32x4.sub(v128.load(x2 + c), s);
      const e = f32x4.sub(v128.load(x3 + c), s);
      v128.store(sums + c, f32x4.add(v128.load(sums + c), f32x4.add(f32x4.add(a, b), f32x4.add(d, e))));
      v128.store(squares + c, madd(a, a, madd(b, b, madd(d, d, madd(e, e, v128.load(squares + c))))));
    }
  }
  for (; rows > 0; rows--, x += stride) {
    for (let c: usize = 0; c < bytes; c += 16) {
      const a = f32x4.sub(v128.load(x + c), v128.load(shift + c));
      v128.store(sums + c, f32x4.add(v128.load(sums + c), a));
      v128.store(squares + c, madd(a, a, v128.load(squares + c)));
    }
  }
}

/** Rows whose mean a chunk's values are measured from. */
const FIRST: i32 = 16;

/**
 * partial[chunk] = two rows of C: the mean of x - shift over the chunk's pixels, and Σ of its squared distances from that mean;
 * the shift is the channel's first value. One look at each value, and yet no digits are lost to cancellation: inside a chunk
 * values are measured from the mean of its first sixteen rows, and chunks are merged as Chan, Golub and LeVeque (1979) do.
 * Units, `length` and `repeat` as in `channelSums`. Scratch: four rows of 512 floats.
 */
export function chunkStatistics(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  partial: usize,
  pixels: i32,
  C: i32,
  length: i32,
  repeat: i32,
): void {
  const blocks = (C + BLOCK - 1) / BLOCK;
  const pixel = (<usize>C) << 2;
  const stride = pixel * <usize>repeat;
  const means = scratch;
  const squares = scratch + ROW;
  const shift = squares + ROW;
  const near = shift + ROW;
  for (let unit = start; unit < end; unit++) {
    const chunk = unit / blocks;
    const channel = (unit - chunk * blocks) * BLOCK;
    const channels = min(BLOCK, C - channel);
    const bytes = (<usize>(channels * repeat)) << 2;
    const count = min(length, pixels - chunk * length);
    const rows = count / repeat;
    const from = x + <usize>(chunk * length) * pixel + ((<usize>channel) << 2);
    memory.copy(shift, x + ((<usize>channel) << 2), (<usize>channels) << 2);
    repeatRow(shift, repeat, channels);
    const some = min(rows, FIRST);
    // some of them the shift itself would do for, but it may lie far from all others
    clear(means, bytes);
    clear(squares, bytes);
    addMoments(from, some, stride, bytes, shift, means, squares);
    const part = f32x4.splat(1 / <f32>max(some, 1));
    for (let c: usize = 0; c < bytes; c += 16) {
      v128.store(near + c, f32x4.add(v128.load(shift + c), f32x4.mul(v128.load(means + c), part)));
    }
    clear(means, bytes);
    clear(squares, bytes);
    addMoments(from, rows, stride, bytes, near, means, squares);
    const whole = f32x4.splat(1 / <f32>max(rows, 1));
    for (let c: usize = 0; c < bytes; c += 16) {
      const sum = v128.load(means + c);
      const mean = f32x4.mul(sum, whole);
      v128.store(means + c, f32x4.add(f32x4.sub(v128.load(near + c), v128.load(shift + c)), mean));
      v128.store(squares + c, f32x4.max(f32x4.sub(v128.load(squares + c), f32x4.mul(sum, mean)), f32x4.splat(0)));
    }
    const rest = <usize>(count - rows * repeat) * pixel;
    const to = partial + <usize>(2 * chunk) * pixel + ((<usize>channel) << 2);
    if (repeat === 1) {
      fold(means, 1, channels, to);
      fold(squares, 1, channels, to + pixel);
    } else foldStatistics(scratch, rows, repeat, channels, from + <usize>rows * stride, rest, shift, to);
  }
}

/** The statistics of `repeat` pixels side by side, and of the last pixels that make no whole row, into those of a channel. */
function foldStatistics(scratch: usize, rows: i32, repeat: i32, channels: i32, last: usize, rest: usize, shift: usize, to: usize): void {
  const bytes = (<usize>channels) << 2;
  const past = bytes * <usize>repeat;
  for (let c: usize = 0; c < bytes; c += 4) {
    let n: f32 = 0;
    let mean: f32 = 0;
    let squares: f32 = 0;
    if (rows > 0) {
      for (let at = c; at < past; at += bytes) {
        const k = <f32>rows;
        const delta = load<f32>(scratch + at) - mean;
        squares += load<f32>(scratch + ROW + at) + (delta * delta * n * k) / (n + k);
        mean += (delta * k) / (n + k);
        n += k;
      }
    }
    for (let at = c; at < rest; at += bytes) {
      const delta = load<f32>(last + at) - load<f32>(shift + c) - mean;
      squares += (delta * delta * n) / (n + 1);
      mean += delta / (n + 1);
      n += 1;
    }
    store<f32>(to + c, mean);
    store<f32>(to + bytes + c, squares);
  }
}

/**
 * statistics = three rows of C: shift, mean of x - shift, biased variance, from the chunks' means and squares.
 * Units are blocks of 16 channels.
 */
export function combineStatistics(
  start: i32,
  end: i32,
  _scratch: usize,
  partial: usize,
  x: usize,
  statistics: usize,
  chunks: i32,
  C: i32,
  pixels: i32,
  length: i32,
): void {
  const row = (<usize>C) << 2;
  const whole = f32x4.splat(<f32>length);
  const last = f32x4.splat(<f32>(pixels - (chunks - 1) * length));
  const n = f32x4.splat(<f32>pixels);
  for (let at = (<usize>(start * FEW)) << 2, past = (<usize>min(end * FEW, C)) << 2; at < past; at += 16) {
    const bytes = row - at;
    let sum = f32x4.splat(0);
    let from = partial + at;
    for (let chunk = 1; chunk < chunks; chunk++, from += row << 1) sum = f32x4.add(sum, v128.load(from));
    const mean = f32x4.div(madd(sum, whole, f32x4.mul(v128.load(from), last)), n);
    let squares = f32x4.splat(0);
    let between = f32x4.splat(0);
    from = partial + at;
    for (let chunk = 1; chunk < chunks; chunk++, from += row << 1) {
      const delta = f32x4.sub(v128.load(from), mean);
      between = madd(delta, delta, between);
      squares = f32x4.add(squares, v128.load(from + row));
    }
    const delta = f32x4.sub(v128.load(from), mean);
    squares = madd(f32x4.mul(delta, delta), last, f32x4.add(squares, v128.load(from + row)));
    storeFirst(statistics + at, v128.load(x + at), bytes);
    storeFirst(statistics + row + at, mean, bytes);
    storeFirst(statistics + (row << 1) + at, f32x4.div(madd(between, whole, squares), n), bytes);
  }
}

/** dy where the forward pass's result, computed as there, is above 0. */
export function gated(dy: v128, distance: v128, factor: v128, base: v128): v128 {
  return v128.and(dy, f32x4.gt(madd(distance, factor, base), f32x4.splat(0)));
}

/** sums[c] += Σ dy, products[c] += Σ dy · (x - shift - offset) over rows; `factors` as `batchNormFactors` writes them. */
export function addProducts(
  x: usize,
  dy: usize,
  rows: i32,
  stride: usize,
  bytes: usize,
  factors: usize,
  sums: usize,
  products: usize,
): void {
  const offset = factors + stride;
  for (; rows >= 4 && bytes < stride; rows -= 4, x += stride << 2, dy += stride << 2) {
    const s1 = stride;
    const s2 = s1 + stride;
    const s3 = s2 + stride;
    for (let c: usize = 0; c < bytes; c += 16) {
      const s = v128.load(factors + c);
      const o = v128.load(offset + c);
      const p = x + c;
      const q = dy + c;
      const a = v128.load(q);
      const b = v128.load(q + s1);
      const d = v128.load(q + s2);
      const e = v128.load(q + s3);
      let product = madd(a, f32x4.sub(f32x4.sub(v128.load(p), s), o), v128.load(products + c));
      product = madd(b, f32x4.sub(f32x4.sub(v128.load(p + s1), s), o), product);
      product = madd(d, f32x4.sub(f32x4.sub(v128.load(p + s2), s), o), product);
      v128.store(products + c, madd(e, f32x4.sub(f32x4.sub(v128.load(p + s3), s), o), product));
      v128.store(sums + c, f32x4.add(v128.load(sums + c), f32x4.add(f32x4.add(a, b), f32x4.add(d, e))));
    }
  }
  const whole = bytes & ~15;
  for (; rows > 0; rows--, x += stride, dy += stride) {
    for (let c: usize = 0; c < whole; c += 16) {
      const a = v128.load(dy + c);
      const distance = f32x4.sub(f32x4.sub(v128.load(x + c), v128.load(factors + c)), v128.load(offset + c));
      v128.store(products + c, madd(a, distance, v128.load(products + c)));
      v128.store(sums + c, f32x4.add(v128.load(sums + c), a));
    }
    if (whole < bytes) {
      const c = whole;
      const a = loadFirst(dy + c, bytes - c);
      const distance = f32x4.sub(f32x4.sub(loadFirst(x + c, bytes - c), v128.load(factors + c)), v128.load(offset + c));
      v128.store(products + c, madd(a, distance, v128.load(products + c)));
      v128.store(sums + c, f32x4.add(v128.load(sums + c), a));
    }
  }
}

/** As `addProducts`, of dy where the forward pass's result is above 0. */
export function addGatedProducts(
  x: usize,
  dy: usize,
  rows: i32,
  stride: usize,
  bytes: usize,
  factors: usize,
  sums: usize,
  products: usize,
): void {
  const offset = factors + stride;
  const factor = offset + stride;
  const base = factor + stride;
  for (; rows >= 4 && bytes < stride; rows -= 4, x += stride << 2, dy += stride << 2) {
    const s1 = stride;
    const s2 = s1 + stride;
    const s3 = s2 + stride;
    for (let c: usize = 0; c < bytes; c += 16) {
      const s = v128.load(factors + c);
      const o = v128.load(offset + c);
      const f = v128.load(factor + c);
      const g = v128.load(base + c);
      const p = x + c;
      const q = dy + c;
      const p0 = f32x4.sub(v128.load(p), s);
      const a = gated(v128.load(q), p0, f, g);
      const p1 = f32x4.sub(v128.load(p + s1), s);
      const b = gated(v128.load(q + s1), p1, f, g);
      let product = madd(b, f32x4.sub(p1, o), madd(a, f32x4.sub(p0, o), v128.load(products + c)));
      const p2 = f32x4.sub(v128.load(p + s2), s);
      const d = gated(v128.load(q + s2), p2, f, g);
      const p3 = f32x4.sub(v128.load(p + s3), s);
      const e = gated(v128.load(q + s3), p3, f, g);
      product = madd(e, f32x4.sub(p3, o), madd(d, f32x4.sub(p2, o), product));
      v128.store(products + c, product);
      v128.store(sums + c, f32x4.add(v128.load(sums + c), f32x4.add(f32x4.add(a, b), f32x4.add(d, e))));
    }
  }
  const whole = bytes & ~15;
  for (; rows > 0; rows--, x += stride, dy += stride) {
    for (let c: usize = 0; c < whole; c += 16) {
      const distance = f32x4.sub(v128.load(x + c), v128.load(factors + c));
      const a = gated(v128.load(dy + c), distance, v128.load(factor + c), v128.load(base + c));
      v128.store(products + c, madd(a, f32x4.sub(distance, v128.load(offset + c)), v128.load(products + c)));
      v128.store(sums + c, f32x4.add(v128.load(sums + c), a));
    }
    if (whole < bytes) {
      const c = whole;
      const distance = f32x4.sub(loadFirst(x + c, bytes - c), v128.load(factors + c));
      const a = gated(loadFirst(dy + c, bytes - c), distance, v128.load(factor + c), v128.load(base + c));
      v128.store(products + c, madd(a, f32x4.sub(distance, v128.load(offset + c)), v128.load(products + c)));
      v128.store(sums + c, f32x4.add(v128.load(sums + c), a));
    }
  }
}

/**
 * partial[chunk] = two rows of C over the chunk's pixels: Σ dy and Σ dy · (x - mean). With a y, dy = 0 where y is not above 0, in place,
 * comes first; with `gate` dy counts where the forward pass's result is above 0. Units, `length` and `repeat` as in
 * `channelSums`. Scratch: two rows of 512 floats.
 */
export function chunkProducts(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  dy: usize,
  y: usize,
  factors: usize,
  partial: usize,
  pixels: i32,
  C: i32,
  length: i32,
  repeat: i32,
  gate: i32,
): void {
  const blocks = (C + BLOCK - 1) / BLOCK;
  const pixel = (<usize>C) << 2;
  const stride = pixel * <usize>repeat;
  const products = scratch + ROW;
  for (let unit = start; unit < end; unit++) {
    const chunk = unit / blocks;
    const channel = (unit - chunk * blocks) * BLOCK;
    const channels = min(BLOCK, C - channel);
    const bytes = (<usize>(channels * repeat)) << 2;
    const count = min(length, pixels - chunk * length);
    const rows = count / repeat;
    const rest = <usize>(count - rows * repeat) * pixel;
    const at = <usize>(chunk * length) * pixel + ((<usize>channel) << 2);
    const coefficients = factors + ((<usize>channel) << 2);
    clear(scratch, bytes);
    clear(products, bytes);
    for (let row = 0; row < rows; row += 4) {
      const from = at + <usize>row * stride;
      const some = min(4, rows - row);
      if (y) maskRows(dy + from, y + from, some, stride, bytes);
      if (gate) addGatedProducts(x + from, dy + from, some, stride, bytes, coefficients, scratch, products);
      else addProducts(x + from, dy + from, some, stride, bytes, coefficients, scratch, products);
    }
    const last = at + <usize>rows * stride;
    if (y) maskRows(dy + last, y + last, 1, stride, rest);
    if (gate) addGatedProducts(x + last, dy + last, 1, stride, rest, coefficients, scratch, products);
    else addProducts(x + last, dy + last, 1, stride, rest, coefficients, scratch, products);
    const to = partial + <usize>(2 * chunk) * pixel + ((<usize>channel) << 2);
    fold(scratch, repeat, channels, to);
    fold(products, repeat, channels, to + pixel);
  }
}

/** sums = two rows of C: Σ dy, and Σ dy · (x - mean) / √(variance + eps). Units are blocks of 16 channels. */
export function combineProducts(
  start: i32,
  end: i32,
  scratch: usize,
  partial: usize,
  variance: usize,
  sums: usize,
  chunks: i32,
  C: i32,
  eps: f32,
): void {
  const row = (<usize>C) << 2;
  for (let unit = start; unit < end; unit++) {
    const at = (<usize>(unit * FEW)) << 2;
    const bytes = (<usize>min(FEW, C - unit * FEW)) << 2;
    const products = scratch + 64;
    clear(scratch, 128);
    addRows(partial + at, chunks, row << 1, bytes, scratch);
    addRows(partial + row + at, chunks, row << 1, bytes, products);
    for (let c: usize = 0; c < bytes; c += 16) {
      const deviation = f32x4.sqrt(f32x4.add(v128.load(variance + at + c), f32x4.splat(eps)));
      storeFirst(sums + at + c, v128.load(scratch + c), bytes - c);
      storeFirst(sums + row + at + c, f32x4.div(v128.load(products + c), deviation), bytes - c);
    }
  }
}
