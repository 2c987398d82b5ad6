/**
 * What batch norm does to every element, along rows of channels (see `rows.ts`), with coefficients that a launch before has
 * computed once per channel, as rows of the same length.
 */
import { gated } from './batchNormRows';
import { repeatRow } from './rows';
import { madd, storeFirst } from './vector';

/** Channels of one unit of work of the coefficients. */
const FEW: i32 = 64;

/**
 * factors = four rows of repeat · C: shift, offset, factor = weight / √(variance + eps), base = bias - offset · factor, so that
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
  const row = (<usize>(C * repeat)) << 2;
  const past = (<usize>min(end * FEW, C)) << 2;
  for (let at = (<usize>(start * FEW)) << 2; at < past; at += 16) {
    const bytes = past - at;
    const deviation = f32x4.sqrt(f32x4.add(v128.load(variance + at), f32x4.splat(eps)));
    const factor = f32x4.div(weight ? v128.load(weight + at) : f32x4.splat(1), deviation);
    const o = offset ? v128.load(offset + at) : f32x4.splat(0);
    const b = bias ? v128.load(bias + at) : f32x4.splat(0);
    const to = factors + at;
    storeFirst(to, v128.load(shift + at), bytes);
    storeFirst(to + row, o, bytes);
    storeFirst(to + row * 2, factor, bytes);
    storeFirst(to + row * 3, f32x4.sub(b, f32x4.mul(o, factor)), bytes);
  }
  if (repeat > 1) for (let i: usize = 0; i < 4; i++) repeatRow(factors + i * row, repeat, C);
}

/**
 * factors = five rows of repeat · C: shift, factor, slope, level, base, so that with d = x - shift
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
  const row = length * <usize>repeat;
  const past = (<usize>min(end * FEW, C)) << 2;
  const n = f32x4.splat(pixels);
  for (let at = (<usize>(start * FEW)) << 2; at < past; at += 16) {
    const bytes = past - at;
    const offset = v128.load(statistics + length + at);
    const deviation = f32x4.sqrt(f32x4.add(v128.load(statistics + length * 2 + at), f32x4.splat(eps)));
    const factor = f32x4.div(v128.load(weight + at), deviation);
    const dbias = f32x4.div(v128.load(sums + at), n);
    const dweight = f32x4.div(v128.load(sums + length + at), n);
    const slope = f32x4.neg(f32x4.mul(factor, f32x4.div(dweight, deviation)));
    const level = f32x4.neg(f32x4.add(f32x4.mul(factor, dbias), f32x4.mul(offset, slope)));
    const b = bias ? v128.load(bias + at) : f32x4.splat(0);
    const to = factors + at;
    storeFirst(to, v128.load(statistics + at), bytes);
    storeFirst(to + row, factor, bytes);
    storeFirst(to + row * 2, slope, bytes);
    storeFirst(to + row * 3, level, bytes);
    storeFirst(to + row * 4, f32x4.sub(b, f32x4.mul(offset, factor)), bytes);
  }
  if (repeat > 1) for (let i: usize = 0; i < 5; i++) repeatRow(factors + i * row, repeat, C);
}

/**
 * y = (x - shift) · factor + base (+ residual), and not below `low`. Units are `some` pixels, a multiple of `repeat`.
 *
 * @param residual address, 0 for none
 * @param low 0 for a rectifier, -∞ for none
 * @param cached whether x lies in a cache
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
  cached: i32,
): void {
  const pixel = (<usize>C) << 2;
  const row = pixel * <usize>repeat;
  const past = <usize>min(end * some, pixels) * pixel;
  let at = <usize>(start * some) * pixel;
  if (cached && !residual && !(row & 15)) for (; at + (row << 2) <= past; at += row << 2) normalise4(x + at, y + at, row, factors, low);
  for (; at < past; at += row) {
    const bytes = min(row, past - at);
    if (residual) normaliseAndAdd(x + at, residual + at, y + at, bytes, factors, row, low);
    else normalise(x + at, y + at, bytes, factors, row, low);
  }
}

/** (x - shift) · factor + base of the vector at c of a row; `f` is its shift. */
function normal(x: v128, f: usize, row: usize): v128 {
  return madd(f32x4.sub(x, v128.load(f)), v128.load(f + row * 2), v128.load(f + row * 3));
}

/** Four rows of whole vectors side by side: coefficients are loaded once for all. From memory, four streams would be slower than one. */
export function normalise4(x: usize, y: usize, row: usize, factors: usize, low: f32): void {
  const least = f32x4.splat(low);
  const factor = factors + row * 2;
  const base = factor + row;
  const row2 = row << 1;
  const row3 = row2 + row;
  for (let c: usize = 0; c < row; c += 16) {
    const s = v128.load(factors + c);
    const f = v128.load(factor + c);
    const b = v128.load(base + c);
    const p = x + c;
    const to = y + c;
    v128.store(to, f32x4.pmax(madd(f32x4.sub(v128.load(p), s), f, b), least));
    v128.store(to + row, f32x4.pmax(madd(f32x4.sub(v128.load(p + row), s), f, b), least));
    v128.store(to + row2, f32x4.pmax(madd(f32x4.sub(v128.load(p + row2), s), f, b), least));
    v128.store(to + row3, f32x4.pmax(madd(f32x4.sub(v128.load(p + row3), s), f, b), least));
  }
}

function normalise(x: usize, y: usize, bytes: usize, factors: usize, row: usize, low: f32): void {
  const least = f32x4.splat(low);
  const factor = factors + row * 2;
  const base = factor + row;
  let c: usize = 0;
  for (; c + 32 <= bytes; c += 32) {
    const s = factors + c;
    const f = factor + c;
    const b = base + c;
    const left = madd(f32x4.sub(v128.load(x + c), v128.load(s)), v128.load(f), v128.load(b));
    const right = madd(f32x4.sub(v128.load(x + c, 16), v128.load(s, 16)), v128.load(f, 16), v128.load(b, 16));
    v128.store(y + c, f32x4.pmax(left, least));
    v128.store(y + c, f32x4.pmax(right, least), 16);
  }
  for (; c < bytes; c += 16) storeFirst(y + c, f32x4.pmax(normal(v128.load(x + c), factors + c, row), least), bytes - c);
}

function normaliseAndAdd(x: usize, residual: usize, y: usize, bytes: usize, factors: usize, row: usize, low: f32): void {
  const least = f32x4.splat(low);
  const factor = factors + row * 2;
  const base = factor + row;
  let c: usize = 0;
  for (; c + 32 <= bytes; c += 32) {
    const s = factors + c;
    const f = factor + c;
    const b = base + c;
    const left = madd(f32x4.sub(v128.load(x + c), v128.load(s)), v128.load(f), v128.load(b));
    const right = madd(f32x4.sub(v128.load(x + c, 16), v128.load(s, 16)), v128.load(f, 16), v128.load(b, 16));
    const r = residual + c;
    v128.store(y + c, f32x4.pmax(f32x4.add(left, v128.load(r)), least));
    v128.store(y + c, f32x4.pmax(f32x4.add(right, v128.load(r, 16)), least), 16);
  }
  for (; c < bytes; c += 16) {
    const sum = f32x4.add(normal(v128.load(x + c), factors + c, row), v128.load(residual + c));
    storeFirst(y + c, f32x4.pmax(sum, least), bytes - c);
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
  const whole = !(row & 15);
  // half of the rows apart, so that both are read as long streams
  const part = whole ? (((past - at) / row) >> 1) * row : 0;
  for (const end = at + part; at < end; at += row) {
    if (gate) gradientThroughGate2(x + at, dy + at, dx + at, row, part, factors);
    else gradient2(x + at, dy + at, dx + at, row, part, factors);
  }
  at += part;
  for (; at < past; at += row) {
    const bytes = min(row, past - at);
    if (gate) gradientThroughGate(x + at, dy + at, dx + at, bytes, factors, row);
    else gradient(x + at, dy + at, dx + at, bytes, factors, row);
  }
}

/** Two rows of whole vectors, `part` bytes apart: coefficients are loaded once for both. */
export function gradient2(x: usize, dy: usize, dx: usize, row: usize, part: usize, factors: usize): void {
  const slope = factors + row * 2;
  const level = slope + row;
  for (let c: usize = 0; c < row; c += 16) {
    const shift = v128.load(factors + c);
    const factor = v128.load(factors + row + c);
    const s = v128.load(slope + c);
    const l = v128.load(level + c);
    const p = x + c;
    const q = dy + c;
    const to = dx + c;
    const left = madd(v128.load(q), factor, madd(f32x4.sub(v128.load(p), shift), s, l));
    const right = madd(v128.load(q + part), factor, madd(f32x4.sub(v128.load(p + part), shift), s, l));
    v128.store(to, left);
    v128.store(to + part, right);
  }
}

/** As `gradient2`, of dy where the forward pass's result is above 0. */
export function gradientThroughGate2(x: usize, dy: usize, dx: usize, row: usize, part: usize, factors: usize): void {
  const slope = factors + row * 2;
  const level = slope + row;
  const base = level + row;
  for (let c: usize = 0; c < row; c += 16) {
    const shift = v128.load(factors + c);
    const factor = v128.load(factors + row + c);
    const s = v128.load(slope + c);
    const l = v128.load(level + c);
    const b = v128.load(base + c);
    const p = x + c;
    const q = dy + c;
    const to = dx + c;
    const u = f32x4.sub(v128.load(p), shift);
    const v = f32x4.sub(v128.load(p + part), shift);
    const left = madd(gated(v128.load(q), u, factor, b), factor, madd(u, s, l));
    const right = madd(gated(v128.load(q + part), v, factor, b), factor, madd(v, s, l));
    v128.store(to, left);
    v128.store(to + part, right);
  }
}

function gradient(x: usize, dy: usize, dx: usize, bytes: usize, factors: usize, row: usize): void {
  const slope = factors + row * 2;
  const level = slope + row;
  let c: usize = 0;
  for (; c + 32 <= bytes; c += 32) {
    const s = factors + c;
    const f = s + row;
    const left = madd(f32x4.sub(v128.load(x + c), v128.load(s)), v128.load(slope + c), v128.load(level + c));
    const right = madd(f32x4.sub(v128.load(x + c, 16), v128.load(s, 16)), v128.load(slope + c, 16), v128.load(level + c, 16));
    v128.store(dx + c, madd(v128.load(dy + c), v128.load(f), left));
    v128.store(dx + c, madd(v128.load(dy + c, 16), v128.load(f, 16), right), 16);
  }
  for (; c < bytes; c += 16) {
    const distance = f32x4.sub(v128.load(x + c), v128.load(factors + c));
    const v = madd(distance, v128.load(slope + c), v128.load(level + c));
    storeFirst(dx + c, madd(v128.load(dy + c), v128.load(factors + row + c), v), bytes - c);
  }
}

function gradientThroughGate(x: usize, dy: usize, dx: usize, bytes: usize, factors: usize, row: usize): void {
  const slope = factors + row * 2;
  const level = slope + row;
  const base = level + row;
  let c: usize = 0;
  for (; c + 32 <= bytes; c += 32) {
    const s = factors + c;
    const f = s + row;
    const left = f32x4.sub(v128.load(x + c), v128.load(s));
    const right = f32x4.sub(v128.load(x + c, 16), v128.load(s, 16));
    const factor = v128.load(f);
    const other = v128.load(f, 16);
    const a = gated(v128.load(dy + c), left, factor, v128.load(base + c));
    const b = gated(v128.load(dy + c, 16), right, other, v128.load(base + c, 16));
    v128.store(dx + c, madd(a, factor, madd(left, v128.load(slope + c), v128.load(level + c))));
    v128.store(dx + c, madd(b, other, madd(right, v128.load(slope + c, 16), v128.load(level + c, 16))), 16);
  }
  for (; c < bytes; c += 16) {
    const distance = f32x4.sub(v128.load(x + c), v128.load(factors + c));
    const factor = v128.load(factors + row + c);
    const g = gated(v128.load(dy + c), distance, factor, v128.load(base + c));
    storeFirst(dx + c, madd(g, factor, madd(distance, v128.load(slope + c), v128.load(level + c))), bytes - c);
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
  const factor = factors + row * 2;
  const past = <usize>min(end * some, pixels) * pixel;
  for (let at = <usize>(start * some) * pixel; at < past; at += row) {
    const bytes = min(row, past - at);
    for (let c: usize = 0; c < bytes; c += 16) {
      storeFirst(dx + at + c, f32x4.mul(v128.load(dy + at + c), v128.load(factor + c)), bytes - c);
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
