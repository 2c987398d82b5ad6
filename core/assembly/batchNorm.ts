/**
 * What batch norm does to every element, along rows of channels (see `rows.ts`), with coefficients that a launch before has
 * computed once per channel. They stand in a table, side by side for every four channels, so that one pointer follows them; rows of
 * them, which lie a power of two apart as those of the tensors do, would drive each other out of the first-level cache.
 *
 * Two rows share one look at the table. They are half of the rows apart, so that both are read as long streams.
 */
import { FACTORS, gated } from './batchNormRows';
import { madd, storeFirst } from './vector';

/** Channels of one unit of work of the coefficients. */
const FEW: i32 = 64;
/** Bytes of a table's entry for four channels: shift, factor, slope, level, base. */
const GRADIENT: usize = 80;

/** The table's entries of the first `channels` floats over and over, `repeat` times. */
function repeatEntries(table: usize, pitch: usize, repeat: i32, channels: i32): void {
  const C = <usize>channels;
  for (let i = C; i < C * <usize>repeat; i++) {
    const from = table + ((i - C) >> 2) * pitch + (((i - C) & 3) << 2);
    const to = table + (i >> 2) * pitch + ((i & 3) << 2);
    for (let slot: usize = 0; slot < pitch; slot += 16) store<f32>(to + slot, load<f32>(from + slot));
  }
}

/**
 * factors = a table of repeat · C floats: shift, factor = weight / √(variance + eps), base = bias - offset · factor, so that
 * y = (x - shift) · factor + base. Units are blocks of 64 channels.
 *
 * @param offset address, 0 for none; likewise weight (1) and bias (0)
 */
export function batchNormFactors(
  start: i32,
  end: i32,
  _scratch: usize,
  shift: usize,
  offset: usize,
  variance: usize,
  weight: usize,
  bias: usize,
  factors: usize,
  C: i32,
  repeat: i32,
  eps: f32,
): void {
  const past = (<usize>min(end * FEW, C)) << 2;
  for (let at = (<usize>(start * FEW)) << 2; at < past; at += 16) {
    const deviation = f32x4.sqrt(f32x4.add(v128.load(variance + at), f32x4.splat(eps)));
    const factor = f32x4.div(weight ? v128.load(weight + at) : f32x4.splat(1), deviation);
    const o = offset ? v128.load(offset + at) : f32x4.splat(0);
    const b = bias ? v128.load(bias + at) : f32x4.splat(0);
    const to = factors + (at >> 4) * FACTORS;
    v128.store(to, v128.load(shift + at));
    v128.store(to, factor, 16);
    v128.store(to, f32x4.sub(b, f32x4.mul(o, factor)), 32);
  }
  if (repeat > 1) repeatEntries(factors, FACTORS, repeat, C);
}

/**
 * factors = a table of repeat · C floats: shift, factor, slope, level, base, so that with d = x - shift
 *   dx = dy · factor + d · slope + level,   and the forward pass's result was d · factor + base.
 * slope = -factor · dweight / (n · √(variance + eps)), level = -factor · dbias / n - offset · slope; sums is dbias, dweight.
 * Units are blocks of 64 channels.
 *
 * @param bias address, 0 for none
 */
export function batchNormGradientFactors(
  start: i32,
  end: i32,
  _scratch: usize,
  statistics: usize,
  weight: usize,
  sums: usize,
  bias: usize,
  factors: usize,
  C: i32,
  repeat: i32,
  eps: f32,
  pixels: f32,
): void {
  const length = (<usize>C) << 2;
  const past = (<usize>min(end * FEW, C)) << 2;
  const n = f32x4.splat(pixels);
  for (let at = (<usize>(start * FEW)) << 2; at < past; at += 16) {
    const offset = v128.load(statistics + length + at);
    const deviation = f32x4.sqrt(f32x4.add(v128.load(statistics + length * 2 + at), f32x4.splat(eps)));
    const factor = f32x4.div(v128.load(weight + at), deviation);
    const dbias = f32x4.div(v128.load(sums + at), n);
    const dweight = f32x4.div(v128.load(sums + length + at), n);
    const slope = f32x4.neg(f32x4.mul(factor, f32x4.div(dweight, deviation)));
    const level = f32x4.neg(f32x4.add(f32x4.mul(factor, dbias), f32x4.mul(offset, slope)));
    const b = bias ? v128.load(bias + at) : f32x4.splat(0);
    const to = factors + (at >> 4) * GRADIENT;
    v128.store(to, v128.load(statistics + at));
    v128.store(to, factor, 16);
    v128.store(to, slope, 32);
    v128.store(to, level, 48);
    v128.store(to, f32x4.sub(b, f32x4.mul(offset, factor)), 64);
  }
  if (repeat > 1) repeatEntries(factors, GRADIENT, repeat, C);
}

/**
 * y = (x - shift) · factor + base (+ residual), and not below `low`. Units are `some` pixels, a multiple of `repeat`.
 *
 * @param residual address, 0 for none
 * @param low 0 for a rectifier, -∞ for none
 */
export function batchNorm(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  residual: usize,
  factors: usize,
  y: usize,
  pixels: i32,
  C: i32,
  repeat: i32,
  some: i32,
  low: f32,
): void {
  const pixel = (<usize>C) << 2;
  const row = pixel * <usize>repeat;
  const past = <usize>min(end * some, pixels) * pixel;
  let at = <usize>(start * some) * pixel;
  if (residual) {
    for (; at < past; at += row) {
      const bytes = min(row, past - at);
      const whole = bytes & ~15;
      normaliseAndAdd(x + at, residual + at, y + at, whole, factors, low);
      normalise1(x + at + whole, residual + at + whole, y + at + whole, bytes - whole, factors + 3 * whole, low);
    }
    return;
  }
  const part = half(past - at, row);
  for (const end = at + part; at < end; at += row) normalise2(x + at, y + at, part, row, factors, low);
  at += part;
  for (; at < past; at += row) normalise1(x + at, 0, y + at, min(row, past - at), factors, low);
}

/** Bytes of half of the whole rows in so many; 0 for rows that are no whole vectors. */
function half(bytes: usize, row: usize): usize {
  return row & 15 ? 0 : ((bytes / row) >> 1) * row;
}

/** Of two rows, `part` bytes apart. `bytes` is a multiple of 16. */
export function normalise2(x: usize, y: usize, part: usize, bytes: usize, t: usize, low: f32): void {
  const least = f32x4.splat(low);
  for (const past = x + bytes; x < past; x += 16, y += 16, t += FACTORS) {
    const shift = v128.load(t);
    const factor = v128.load(t, 16);
    const base = v128.load(t, 32);
    const left = madd(f32x4.sub(v128.load(x), shift), factor, base);
    const right = madd(f32x4.sub(v128.load(x + part), shift), factor, base);
    v128.store(y, f32x4.pmax(left, least));
    v128.store(y + part, f32x4.pmax(right, least));
  }
}

/** Of one row. `bytes` is a multiple of 16. */
export function normaliseAndAdd(x: usize, residual: usize, y: usize, bytes: usize, t: usize, low: f32): void {
  const least = f32x4.splat(low);
  for (const past = x + bytes; x < past; x += 16, residual += 16, y += 16, t += FACTORS) {
    const normal = madd(f32x4.sub(v128.load(x), v128.load(t)), v128.load(t, 16), v128.load(t, 32));
    v128.store(y, f32x4.pmax(f32x4.add(normal, v128.load(residual)), least));
  }
}

/** Of one row, whose last vector may be part of one. */
function normalise1(x: usize, residual: usize, y: usize, bytes: usize, t: usize, low: f32): void {
  const least = f32x4.splat(low);
  for (let c: usize = 0; c < bytes; c += 16, t += FACTORS) {
    let v = madd(f32x4.sub(v128.load(x + c), v128.load(t)), v128.load(t, 16), v128.load(t, 32));
    if (residual) v = f32x4.add(v, v128.load(residual + c));
    storeFirst(y + c, f32x4.pmax(v, least), bytes - c);
  }
}

/** dx = dy · factor + (x - shift) · slope + level; with `gate` of dy where the forward pass's result is above 0. Units as above. */
export function batchNormGradient(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  dy: usize,
  factors: usize,
  dx: usize,
  pixels: i32,
  C: i32,
  repeat: i32,
  some: i32,
  gate: i32,
): void {
  const pixel = (<usize>C) << 2;
  const row = pixel * <usize>repeat;
  const past = <usize>min(end * some, pixels) * pixel;
  let at = <usize>(start * some) * pixel;
  const part = half(past - at, row);
  for (const end = at + part; at < end; at += row) {
    if (gate) gradientThroughGate2(x + at, dy + at, dx + at, part, row, factors);
    else gradient2(x + at, dy + at, dx + at, part, row, factors);
  }
  at += part;
  for (; at < past; at += row) gradient1(x + at, dy + at, dx + at, min(row, past - at), factors, gate);
}

/** Of two rows, `part` bytes apart. `bytes` is a multiple of 16. */
export function gradient2(x: usize, dy: usize, dx: usize, part: usize, bytes: usize, t: usize): void {
  for (const past = x + bytes; x < past; x += 16, dy += 16, dx += 16, t += GRADIENT) {
    const shift = v128.load(t);
    const factor = v128.load(t, 16);
    const slope = v128.load(t, 32);
    const level = v128.load(t, 48);
    const left = madd(v128.load(dy), factor, madd(f32x4.sub(v128.load(x), shift), slope, level));
    const right = madd(v128.load(dy + part), factor, madd(f32x4.sub(v128.load(x + part), shift), slope, level));
    v128.store(dx, left);
    v128.store(dx + part, right);
  }
}

/** As `gradient2`, of dy where the forward pass's result is above 0. */
export function gradientThroughGate2(x: usize, dy: usize, dx: usize, part: usize, bytes: usize, t: usize): void {
  for (const past = x + bytes; x < past; x += 16, dy += 16, dx += 16, t += GRADIENT) {
    const shift = v128.load(t);
    const factor = v128.load(t, 16);
    const slope = v128.load(t, 32);
    const level = v128.load(t, 48);
    const base = v128.load(t, 64);
    const u = f32x4.sub(v128.load(x), shift);
    const v = f32x4.sub(v128.load(x + part), shift);
    const left = madd(gated(v128.load(dy), u, factor, base), factor, madd(u, slope, level));
    const right = madd(gated(v128.load(dy + part), v, factor, base), factor, madd(v, slope, level));
    v128.store(dx, left);
    v128.store(dx + part, right);
  }
}

/** Of one row, whose last vector may be part of one. */
function gradient1(x: usize, dy: usize, dx: usize, bytes: usize, t: usize, gate: i32): void {
  for (let c: usize = 0; c < bytes; c += 16, t += GRADIENT) {
    const distance = f32x4.sub(v128.load(x + c), v128.load(t));
    const factor = v128.load(t, 16);
    let g = v128.load(dy + c);
    if (gate) g = gated(g, distance, factor, v128.load(t, 64));
    storeFirst(dx + c, madd(g, factor, madd(distance, v128.load(t, 32), v128.load(t, 48))), bytes - c);
  }
}

/** dx = dy · factor, of the factors of `batchNormFactors`. Units as above. */
export function scaleChannels(
  start: i32,
  end: i32,
  _scratch: usize,
  dy: usize,
  factors: usize,
  dx: usize,
  pixels: i32,
  C: i32,
  repeat: i32,
  some: i32,
): void {
  const pixel = (<usize>C) << 2;
  const row = pixel * <usize>repeat;
  const past = <usize>min(end * some, pixels) * pixel;
  for (let at = <usize>(start * some) * pixel; at < past; at += row) {
    const bytes = min(row, past - at);
    let t = factors + 16;
    for (let c: usize = 0; c < bytes; c += 16, t += FACTORS) {
      storeFirst(dx + at + c, f32x4.mul(v128.load(dy + at + c), v128.load(t)), bytes - c);
    }
  }
}

/** Statistics from here on are not finite. */
const LARGEST: f32 = 3e38;

/**
 * running = keep · running + weight · batch where the batch's statistic is finite; that is shift + offset. In place.
 * Units are blocks of 4096.
 *
 * @param offset address, 0 for none
 */
export function moveRunning(
  start: i32,
  end: i32,
  _scratch: usize,
  running: usize,
  shift: usize,
  offset: usize,
  length: i32,
  keep: f32,
  weight: f32,
): void {
  const past = (<usize>min(end * 4096, length)) << 2;
  for (let at = (<usize>(start * 4096)) << 2; at < past; at += 16) {
    const before = v128.load(running + at);
    let batch = v128.load(shift + at);
    if (offset) batch = f32x4.add(batch, v128.load(offset + at));
    const next = f32x4.add(f32x4.mul(f32x4.splat(keep), before), f32x4.mul(f32x4.splat(weight), batch));
    storeFirst(running + at, v128.bitselect(next, before, f32x4.lt(f32x4.abs(batch), f32x4.splat(LARGEST))), past - at);
  }
}
