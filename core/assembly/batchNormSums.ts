/** Batch norm's sums over all pixels, per channel: statistics of the batch and what its gradients need. Chunks first, then all. */
import {
  addGatedProducts,
  addMaskedProducts,
  addMoments,
  addProducts,
  clearTable,
  foldTable,
  inTable,
  intoTable,
  MOMENTS,
  PRODUCTS,
} from './batchNormRows';
import { addRows, BLOCK, clear, repeatRow } from './rows';
import { madd, storeFirst } from './vector';

/** Channels of one unit of work of the second launches: a cache line. */
const FEW: i32 = 16;
/** Bytes of a row of as many channels as a unit has. */
const ROW: usize = (<usize>BLOCK) << 2;

/** Rows whose mean a chunk's values are measured from: of four it lies half a standard deviation from the chunk's, on average. */
const FIRST: i32 = 4;

/**
 * partial[chunk] = two rows of C: the mean of x - shift over the chunk's pixels, and Σ of its squared distances from that mean;
 * the shift is the channel's first value. One look at each value, and yet no digits are lost to cancellation: inside a chunk
 * values are measured from the mean of its first four rows, and chunks are merged as Chan, Golub and LeVeque (1979) do.
 * Units, `length` and `repeat` as in `channelSums`. Scratch: four rows of a unit's channels.
 *
 * @param together more than 1 for several rows a sweep
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
  together: i32,
): void {
  const blocks = (C + BLOCK - 1) / BLOCK;
  const pixel = (<usize>C) << 2;
  const stride = pixel * <usize>repeat;
  const table = scratch + ROW;
  for (let unit = start; unit < end; unit++) {
    const chunk = unit / blocks;
    const channel = (unit - chunk * blocks) * BLOCK;
    const channels = min(BLOCK, C - channel);
    const bytes = (<usize>(channels * repeat)) << 2;
    const count = min(length, pixels - chunk * length);
    const rows = count / repeat;
    const from = x + <usize>(chunk * length) * pixel + ((<usize>channel) << 2);
    // the scratch's first row is the shift
    memory.copy(scratch, x + ((<usize>channel) << 2), (<usize>channels) << 2);
    repeatRow(scratch, repeat, channels);
    intoTable(scratch, bytes, table, 0, MOMENTS);
    clearTable(bytes, table, 1, MOMENTS);
    clearTable(bytes, table, 2, MOMENTS);
    const some = min(rows, FIRST);
    // some of them the shift itself would do for, but it may lie far from all others
    addMoments(from, some, stride, bytes, table, together);
    const part = f32x4.splat(1 / <f32>max(some, 1));
    let t = table;
    for (let c: usize = 0; c < bytes; c += 16, t += MOMENTS) v128.store(t, f32x4.add(v128.load(t), f32x4.mul(v128.load(t, 16), part)));
    clearTable(bytes, table, 1, MOMENTS);
    clearTable(bytes, table, 2, MOMENTS);
    addMoments(from, rows, stride, bytes, table, together);
    const whole = f32x4.splat(1 / <f32>max(rows, 1));
    t = table;
    for (let c: usize = 0; c < bytes; c += 16, t += MOMENTS) {
      const sum = v128.load(t, 16);
      const mean = f32x4.mul(sum, whole);
      v128.store(t, f32x4.add(f32x4.sub(v128.load(t), v128.load(scratch + c)), mean), 16);
      v128.store(t, f32x4.max(f32x4.sub(v128.load(t, 32), f32x4.mul(sum, mean)), f32x4.splat(0)), 32);
    }
    const rest = <usize>(count - rows * repeat) * pixel;
    const to = partial + <usize>(2 * chunk) * pixel + ((<usize>channel) << 2);
    if (repeat === 1) {
      foldTable(table, 1, MOMENTS, 1, channels, to);
      foldTable(table, 2, MOMENTS, 1, channels, to + pixel);
    } else foldStatistics(table, rows, repeat, channels, from + <usize>rows * stride, rest, scratch, to);
  }
}

/** The statistics of `repeat` pixels side by side, and of the last pixels that make no whole row, into those of a channel. */
function foldStatistics(table: usize, rows: i32, repeat: i32, channels: i32, last: usize, rest: usize, shift: usize, to: usize): void {
  const C = <usize>channels;
  const bytes = C << 2;
  for (let channel: usize = 0; channel < C; channel++) {
    const c = channel << 2;
    let n: f32 = 0;
    let mean: f32 = 0;
    let squares: f32 = 0;
    if (rows > 0) {
      for (let at = channel, past = C * <usize>repeat; at < past; at += C) {
        const k = <f32>rows;
        const delta = load<f32>(inTable(table, at, 1, MOMENTS)) - mean;
        squares += load<f32>(inTable(table, at, 2, MOMENTS)) + (delta * delta * n * k) / (n + k);
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

/**
 * partial[chunk] = two rows of C over the chunk's pixels: Σ dy and Σ dy · (x - mean). With a y, dy = 0 where y is not above 0, in place,
 * comes first; with a factor dy counts where the forward pass's result, (x - shift) · factor + base, is above 0. Units, `length` and
 * `repeat` as in `channelSums`, `together` as in `chunkStatistics`. Scratch: seven rows of a unit's channels.
 *
 * @param shift address of C floats, as the next three; the mean is shift + offset
 * @param offset 0 for none
 * @param factor 0 for none
 */
export function chunkProducts(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  dy: usize,
  y: usize,
  shift: usize,
  offset: usize,
  factor: usize,
  base: usize,
  partial: usize,
  pixels: i32,
  C: i32,
  length: i32,
  repeat: i32,
  together: i32,
): void {
  const blocks = (C + BLOCK - 1) / BLOCK;
  const pixel = (<usize>C) << 2;
  const stride = pixel * <usize>repeat;
  const room = scratch + 6 * ROW;
  for (let unit = start; unit < end; unit++) {
    const chunk = unit / blocks;
    const channel = (unit - chunk * blocks) * BLOCK;
    const channels = min(BLOCK, C - channel);
    const bytes = (<usize>(channels * repeat)) << 2;
    const count = min(length, pixels - chunk * length);
    const rows = count / repeat;
    const rest = <usize>(count - rows * repeat) * pixel;
    const at = <usize>(chunk * length) * pixel + ((<usize>channel) << 2);
    const last = at + <usize>rows * stride;
    const first = (<usize>channel) << 2;
    fill(scratch, 0, shift + first, repeat, channels, room);
    if (offset) fill(scratch, 1, offset + first, repeat, channels, room);
    else clearTable(bytes, scratch, 1, PRODUCTS);
    if (factor) {
      fill(scratch, 2, factor + first, repeat, channels, room);
      fill(scratch, 3, base + first, repeat, channels, room);
    }
    clearTable(bytes, scratch, 4, PRODUCTS);
    clearTable(bytes, scratch, 5, PRODUCTS);
    if (y) {
      addMaskedProducts(x + at, dy + at, y + at, rows, stride, bytes, scratch);
      if (rest) addMaskedProducts(x + last, dy + last, y + last, 1, stride, rest, scratch);
    } else if (factor) {
      addGatedProducts(x + at, dy + at, rows, stride, bytes, scratch, together);
      if (rest) addGatedProducts(x + last, dy + last, 1, stride, rest, scratch, 1);
    } else {
      addProducts(x + at, dy + at, rows, stride, bytes, scratch, together);
      if (rest) addProducts(x + last, dy + last, 1, stride, rest, scratch, 1);
    }
    const to = partial + <usize>(2 * chunk) * pixel + ((<usize>channel) << 2);
    foldTable(scratch, 4, PRODUCTS, repeat, channels, to);
    foldTable(scratch, 5, PRODUCTS, repeat, channels, to + pixel);
  }
}

/** Entry `slot` of the table = row[c], `repeat` times over; `room` is for the row that this makes. */
function fill(table: usize, slot: usize, row: usize, repeat: i32, channels: i32, room: usize): void {
  if (repeat > 1) {
    memory.copy(room, row, (<usize>channels) << 2);
    repeatRow(room, repeat, channels);
    row = room;
  }
  intoTable(row, (<usize>(channels * repeat)) << 2, table, slot, PRODUCTS);
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
