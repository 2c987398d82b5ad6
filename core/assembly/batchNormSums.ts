/** Batch norm's sums over all pixels, per channel: statistics of the batch and what its gradients need. Chunks first, then all. */
import {
  addGatedProducts,
  addMaskedProducts,
  addMaskedSums,
  addMoments,
  addProducts,
  beginMoments,
  clearSums,
  copyFactors,
  endMoments,
  FACTORS,
  foldSums,
  GATED,
  intoTable,
  PRODUCTS,
} from './batchNormRows';
import { addRows, BLOCK, clear, repeatRow } from './rows';
import { madd, storeFirst } from './vector';

/** Channels of one unit of work of the second launches: a cache line. */
const FEW: i32 = 16;
/** Bytes of a row of as many channels as a unit has. */
const ROW: usize = (<usize>BLOCK) << 2;

/**
 * partial[chunk] = two rows of C: the mean of x - shift over the chunk's pixels, and Σ of its squared distances from that mean;
 * the shift is the channel's first value. One look at each value, and yet no digits are lost to cancellation: inside a chunk
 * values are measured from the mean of four of its rows, and chunks are merged as Chan, Golub and LeVeque (1979) do.
 * Units, `length` and `repeat` as in `channelSums`. Scratch: six rows of a unit's channels.
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
  const shift = scratch + 3 * ROW;
  const mean = shift + ROW;
  const squares = mean + ROW;
  for (let unit = start; unit < end; unit++) {
    const chunk = unit / blocks;
    const channel = (unit - chunk * blocks) * BLOCK;
    const channels = min(BLOCK, C - channel);
    const bytes = (<usize>(channels * repeat)) << 2;
    const count = min(length, pixels - chunk * length);
    const rows = count / repeat;
    const first = x + ((<usize>channel) << 2);
    const from = first + <usize>(chunk * length) * pixel;
    const to = partial + <usize>(2 * chunk) * pixel + ((<usize>channel) << 2);
    if (rows > 0) {
      beginMoments(from, rows, stride, bytes, scratch);
      addMoments(from, rows, stride, bytes, scratch);
    }
    if (repeat === 1) {
      endMoments(scratch, 1 / <f32>rows, bytes, first, to, to + pixel);
      continue;
    }
    memory.copy(shift, first, (<usize>channels) << 2);
    repeatRow(shift, repeat, channels);
    if (rows > 0) endMoments(scratch, 1 / <f32>rows, bytes, shift, mean, squares);
    const rest = <usize>(count - rows * repeat) * pixel;
    foldStatistics(mean, squares, rows, repeat, channels, from + <usize>rows * stride, rest, shift, to);
  }
}

/** The statistics of `repeat` pixels side by side, and of the last pixels that make no whole row, into those of a channel. */
function foldStatistics(
  means: usize,
  others: usize,
  rows: i32,
  repeat: i32,
  channels: i32,
  last: usize,
  rest: usize,
  shift: usize,
  to: usize,
): void {
  const C = <usize>channels;
  const bytes = C << 2;
  for (let channel: usize = 0; channel < C; channel++) {
    const c = channel << 2;
    let n: f32 = 0;
    let mean: f32 = 0;
    let squares: f32 = 0;
    if (rows > 0) {
      for (let at = c, past = bytes * <usize>repeat; at < past; at += bytes) {
        const k = <f32>rows;
        const delta = load<f32>(means + at) - mean;
        squares += load<f32>(others + at) + (delta * delta * n * k) / (n + k);
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
 * Units are blocks of 16 channels. Scratch: 192 bytes.
 */
export function combineStatistics(
  start: i32,
  end: i32,
  scratch: usize,
  partial: usize,
  x: usize,
  statistics: usize,
  chunks: i32,
  C: i32,
  pixels: i32,
  length: i32,
): void {
  const row = (<usize>C) << 2;
  const whole = <f32>length;
  const last = <f32>(pixels - (chunks - 1) * length);
  const others = chunks - 1;
  const past = min(end * FEW, C);
  for (let channel = start * FEW; channel < past; channel += FEW) {
    const at = (<usize>channel) << 2;
    const from = partial + at;
    // a cache line of each row at once: rows of a power of two would drive each other out of the cache before the next vector
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    let p = from;
    for (let chunk = 0; chunk < others; chunk++, p += row << 1) {
      a = f32x4.add(a, v128.load(p));
      b = f32x4.add(b, v128.load(p, 16));
      c = f32x4.add(c, v128.load(p, 32));
      d = f32x4.add(d, v128.load(p, 48));
    }
    v128.store(scratch, meanOf(a, v128.load(p), whole, last, <f32>pixels));
    v128.store(scratch, meanOf(b, v128.load(p, 16), whole, last, <f32>pixels), 16);
    v128.store(scratch, meanOf(c, v128.load(p, 32), whole, last, <f32>pixels), 32);
    v128.store(scratch, meanOf(d, v128.load(p, 48), whole, last, <f32>pixels), 48);
    clear(scratch + 64, 128);
    addDistances(from, others, row, scratch);
    for (let i: usize = 0; i < 64 && at + i < row; i += 16) {
      const bytes = row - at - i;
      const t = scratch + i;
      const delta = f32x4.sub(v128.load(p + i), v128.load(t));
      let squares = f32x4.add(v128.load(t, 128), v128.load(p + row + i));
      squares = madd(f32x4.mul(delta, delta), f32x4.splat(last), squares);
      squares = madd(v128.load(t, 64), f32x4.splat(whole), squares);
      const to = statistics + at + i;
      storeFirst(to, v128.load(x + at + i), bytes);
      storeFirst(to + row, v128.load(t), bytes);
      storeFirst(to + (row << 1), f32x4.div(squares, f32x4.splat(<f32>pixels)), bytes);
    }
  }
}

/** The mean of all pixels from the sum of the means of whole chunks, and that of the last chunk. */
function meanOf(sum: v128, other: v128, whole: f32, last: f32, pixels: f32): v128 {
  return f32x4.div(madd(sum, f32x4.splat(whole), f32x4.mul(other, f32x4.splat(last))), f32x4.splat(pixels));
}

/** Of 16 channels: Σ (mean of a chunk - mean)² and Σ of the chunks' squares, into 64 bytes each behind the means. */
function addDistances(p: usize, chunks: i32, row: usize, means: usize): void {
  for (; chunks > 0; chunks--, p += row << 1) {
    const q = p + row;
    for (let i: usize = 0; i < 64; i += 16) {
      const t = means + i;
      const delta = f32x4.sub(v128.load(p + i), v128.load(t));
      v128.store(t, madd(delta, delta, v128.load(t, 64)), 64);
      v128.store(t, f32x4.add(v128.load(t, 128), v128.load(q + i)), 128);
    }
  }
}

/**
 * partial[chunk] = two rows of C over the chunk's pixels: Σ dy and Σ dy · (x - mean). With a y, dy = 0 where y is not above 0, in place,
 * comes first, and before that with an other dy += other; with factors dy counts where the forward pass's result, (x - shift) · factor + base, is above 0. Inside a chunk x is
 * measured from the shift. Units, `length` and `repeat` as in `channelSums`. Scratch: six rows of a unit's channels.
 *
 * @param shift address of C floats, as the next; the mean is shift + offset
 * @param offset 0 for none
 * @param factors table of `batchNormFactors`, 0 for none
 */
export function chunkProducts(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  dy: usize,
  y: usize,
  other: usize,
  shift: usize,
  offset: usize,
  factors: usize,
  partial: usize,
  pixels: i32,
  C: i32,
  length: i32,
  repeat: i32,
): void {
  const blocks = (C + BLOCK - 1) / BLOCK;
  const pixel = (<usize>C) << 2;
  const stride = pixel * <usize>repeat;
  const pitch = factors ? GATED : PRODUCTS;
  const slot: usize = factors ? 3 : 1;
  if (repeat > 1 && !factors) {
    const row = scratch + 5 * ROW;
    memory.copy(row, shift, pixel);
    repeatRow(row, repeat, C);
    shift = row;
  }
  for (let unit = start; unit < end; unit++) {
    const chunk = unit / blocks;
    const channel = (unit - chunk * blocks) * BLOCK;
    const channels = min(BLOCK, C - channel);
    const bytes = (<usize>(channels * repeat)) << 2;
    const count = min(length, pixels - chunk * length);
    const rows = count / repeat;
    const rest = <usize>(count - rows * repeat) * pixel;
    const first = (<usize>channel) << 2;
    const at = <usize>(chunk * length) * pixel + first;
    const last = at + <usize>rows * stride;
    if (factors) copyFactors(factors + (first >> 4) * FACTORS, bytes, scratch);
    else intoTable(shift + first, bytes, scratch, 0, pitch);
    clearSums(bytes, scratch, slot, pitch);
    if (other) {
      addMaskedSums(x + at, dy + at, other + at, y + at, rows, stride, bytes, scratch);
      if (rest) addMaskedSums(x + last, dy + last, other + last, y + last, 1, stride, rest, scratch);
    } else if (y) {
      addMaskedProducts(x + at, dy + at, y + at, rows, stride, bytes, scratch);
      if (rest) addMaskedProducts(x + last, dy + last, y + last, 1, stride, rest, scratch);
    } else if (factors) {
      addGatedProducts(x + at, dy + at, rows, stride, bytes, scratch);
      if (rest) addGatedProducts(x + last, dy + last, 1, stride, rest, scratch);
    } else {
      addProducts(x + at, dy + at, rows, stride, bytes, scratch);
      if (rest) addProducts(x + last, dy + last, 1, stride, rest, scratch);
    }
    const to = partial + <usize>(2 * chunk) * pixel + first;
    foldSums(scratch, slot, pitch, repeat, channels, offset ? offset + first : 0, to, pixel);
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
