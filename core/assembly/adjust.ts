/**
 * The ops of `core/ops/toFloatAdjusted.ts` on a row of pixels, in the same 32-bit floats with the same roundings. A row lies in planes:
 * W floats of red, of green and of blue, whole numbers from 0 to 255, each plane `planeBytes` long.
 */
import { contrastOf, OP, OPS, PAST_OPS } from './editRow';

export function planeBytes(W: i32): usize {
  return (((<usize>W) << 2) + 31) & ~15;
}

/** Bytes to planes. Reads up to 12 bytes past the row. */
export function toPlanes(planes: usize, x: usize, W: i32, C: i32): void {
  const stride = planeBytes(W);
  const past = planes + ((<usize>W) << 2);
  const none = i32x4.splat(0);
  if (C === 1) {
    for (let at = planes; at < past; at += 16, x += 4) {
      v128.store(at, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(x)))));
    }
    return;
  }
  for (let at = planes; at < past; at += 16, x += 12) {
    const v = v128.load(x);
    const red = i8x16.shuffle(v, none, 0, 16, 16, 16, 3, 16, 16, 16, 6, 16, 16, 16, 9, 16, 16, 16);
    const green = i8x16.shuffle(v, none, 1, 16, 16, 16, 4, 16, 16, 16, 7, 16, 16, 16, 10, 16, 16, 16);
    const blue = i8x16.shuffle(v, none, 2, 16, 16, 16, 5, 16, 16, 16, 8, 16, 16, 16, 11, 16, 16, 16);
    v128.store(at, f32x4.convert_i32x4_s(red));
    v128.store(at + stride, f32x4.convert_i32x4_s(green));
    v128.store(at + 2 * stride, f32x4.convert_i32x4_s(blue));
  }
}

/** And back. Writes up to 16 bytes past the row. */
export function fromPlanes(x: usize, planes: usize, W: i32, C: i32): void {
  const stride = planeBytes(W);
  const past = planes + ((<usize>W) << 2);
  if (C === 1) {
    for (let at = planes; at < past; at += 16, x += 4) {
      const words = i16x8.narrow_i32x4_s(whole(at), i32x4.splat(0));
      v128.store32_lane(x, i8x16.narrow_i16x8_u(words, words), 0);
    }
    return;
  }
  for (let at = planes; at < past; at += 16, x += 12) {
    const two = v128.or(whole(at), i32x4.shl(whole(at + stride), 8));
    const three = v128.or(two, i32x4.shl(whole(at + 2 * stride), 16));
    v128.store(x, i8x16.shuffle(three, three, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 3, 3, 3));
  }
}

function whole(x: usize): v128 {
  return i32x4.trunc_sat_f32x4_s(v128.load(x));
}

/** The grey of four pixels: whole numbers. */
function grey(red: v128, green: v128, blue: v128): v128 {
  const warm = f32x4.add(f32x4.mul(red, f32x4.splat(0.2989)), f32x4.mul(green, f32x4.splat(0.587)));
  return f32x4.floor(f32x4.add(warm, f32x4.mul(blue, f32x4.splat(0.114))));
}

/** Of the grey of a row. */
export function greySum(planes: usize, W: i32, C: i32): i32 {
  const stride = planeBytes(W);
  let sum = i32x4.splat(0);
  let left = i32x4.sub(i32x4.splat(W), i32x4(0, 1, 2, 3));
  for (let w = 0; w < W; w += 4, planes += 16) {
    let value = v128.load(planes);
    if (C === 3) value = grey(value, v128.load(planes + stride), v128.load(planes + 2 * stride));
    // what lies behind the row counts for nothing
    sum = i32x4.add(sum, v128.and(i32x4.trunc_sat_f32x4_s(value), i32x4.gt_s(left, i32x4.splat(0))));
    left = i32x4.sub(left, i32x4.splat(4));
  }
  return i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3);
}

/** Does the ops before the row's contrast, or with `late` those from it on. */
export function adjust(planes: usize, W: i32, C: i32, edits: usize, late: bool, mean: f32): void {
  const stride = planeBytes(W);
  const all = stride * <usize>C;
  const contrast = contrastOf(edits);
  const from = late ? contrast : edits + OPS;
  const past = late ? edits + PAST_OPS : contrast;
  for (let op = from; op < past; op += OP) {
    const kind = load<f32>(op);
    if (kind === 0) break;
    const a = load<f32>(op, 4);
    const b = load<f32>(op, 8);
    if (kind === 1) blend(planes, all, a, 0);
    else if (kind === 2) saturate(planes, stride, a, b);
    else if (kind === 3) blend(planes, all, a, b * mean);
    else if (kind === 4) turnHue(planes, stride, a);
    else if (kind === 5) posterize(planes, all, a, b);
    else if (kind === 6) solarize(planes, all, a);
    else {
      light(planes, stride, a);
      light(planes + stride, stride, b);
      light(planes + 2 * stride, stride, load<f32>(op, 12));
    }
  }
}

/** The whole number below, from 0 to 255. */
function byte(v: v128): v128 {
  return f32x4.min(f32x4.max(f32x4.floor(v), f32x4.splat(0)), f32x4.splat(255));
}

export function blend(x: usize, bytes: usize, factor: f32, offset: f32): void {
  const own = f32x4.splat(factor);
  const other = f32x4.splat(offset);
  for (const past = x + bytes; x < past; x += 16) v128.store(x, byte(f32x4.add(f32x4.mul(own, v128.load(x)), other)));
}

export function saturate(planes: usize, stride: usize, factor: f32, rest: f32): void {
  const own = f32x4.splat(factor);
  const other = f32x4.splat(rest);
  for (const past = planes + stride; planes < past; planes += 16) {
    const red = v128.load(planes);
    const green = v128.load(planes + stride);
    const blue = v128.load(planes + 2 * stride);
    const offset = f32x4.mul(other, grey(red, green, blue));
    v128.store(planes, byte(f32x4.add(f32x4.mul(own, red), offset)));
    v128.store(planes + stride, byte(f32x4.add(f32x4.mul(own, green), offset)));
    v128.store(planes + 2 * stride, byte(f32x4.add(f32x4.mul(own, blue), offset)));
  }
}

export function posterize(x: usize, bytes: usize, step: f32, inverse: f32): void {
  const s = f32x4.splat(step);
  const i = f32x4.splat(inverse);
  for (const past = x + bytes; x < past; x += 16) v128.store(x, f32x4.mul(f32x4.floor(f32x4.mul(v128.load(x), i)), s));
}

export function solarize(x: usize, bytes: usize, threshold: f32): void {
  const from = f32x4.splat(threshold);
  const white = f32x4.splat(255);
  for (const past = x + bytes; x < past; x += 16) {
    const v = v128.load(x);
    v128.store(x, v128.bitselect(f32x4.sub(white, v), v, f32x4.ge(v, from)));
  }
}

export function light(x: usize, bytes: usize, offset: f32): void {
  const more = f32x4.splat(offset);
  for (const past = x + bytes; x < past; x += 16) v128.store(x, byte(f32x4.add(v128.load(x), more)));
}

/** A share of white as a byte. */
function shareByte(v: v128): v128 {
  return f32x4.floor(f32x4.mul(f32x4.min(f32x4.max(v, f32x4.splat(0)), f32x4.splat(1)), f32x4.splat(255)));
}

export function turnHue(planes: usize, stride: usize, turn: f32): void {
  const one = f32x4.splat(1);
  const white = f32x4.splat(255);
  const none = f32x4.splat(0);
  for (const past = planes + stride; planes < past; planes += 16) {
    const r = f32x4.div(v128.load(planes), white);
    const g = f32x4.div(v128.load(planes + stride), white);
    const b = f32x4.div(v128.load(planes + 2 * stride), white);
    const value = f32x4.max(f32x4.max(r, g), b);
    const range = f32x4.sub(value, f32x4.min(f32x4.min(r, g), b));
    const isGrey = f32x4.eq(range, none);
    const divisor = v128.bitselect(one, range, isGrey);
    const fromRed = f32x4.div(f32x4.sub(value, r), divisor);
    const fromGreen = f32x4.div(f32x4.sub(value, g), divisor);
    const fromBlue = f32x4.div(f32x4.sub(value, b), divisor);
    const ofGreen = f32x4.sub(f32x4.add(f32x4.splat(2), fromRed), fromBlue);
    const ofBlue = f32x4.sub(f32x4.add(f32x4.splat(4), fromGreen), fromRed);
    const notRed = v128.bitselect(ofGreen, ofBlue, f32x4.eq(value, g));
    const sextant = v128.bitselect(f32x4.sub(fromBlue, fromGreen), notRed, f32x4.eq(value, r));
    let angle = f32x4.add(f32x4.div(sextant, f32x4.splat(6)), one);
    angle = f32x4.add(f32x4.sub(angle, f32x4.floor(angle)), f32x4.splat(turn));
    angle = f32x4.sub(angle, v128.and(one, f32x4.ge(angle, one)));
    angle = f32x4.add(angle, v128.and(one, f32x4.lt(angle, none)));
    const strength = v128.andnot(f32x4.div(range, value), isGrey);
    const sixths = f32x4.mul(angle, f32x4.splat(6));
    const floor = f32x4.floor(sixths);
    const part = f32x4.sub(sixths, floor);
    // a whole turn is none
    const sector = v128.andnot(floor, f32x4.ge(floor, f32x4.splat(6)));
    const high = shareByte(value);
    const low = shareByte(f32x4.mul(value, f32x4.sub(one, strength)));
    const falling = shareByte(f32x4.mul(value, f32x4.sub(one, f32x4.mul(strength, part))));
    const rising = shareByte(f32x4.mul(value, f32x4.sub(one, f32x4.mul(strength, f32x4.sub(one, part)))));
    const is0 = f32x4.eq(sector, none);
    const is1 = f32x4.eq(sector, one);
    const is2 = f32x4.eq(sector, f32x4.splat(2));
    const is3 = f32x4.eq(sector, f32x4.splat(3));
    const is4 = f32x4.eq(sector, f32x4.splat(4));
    const is5 = f32x4.eq(sector, f32x4.splat(5));
    let red = v128.bitselect(low, high, v128.or(is2, is3));
    red = v128.bitselect(falling, red, is1);
    red = v128.bitselect(rising, red, is4);
    let green = v128.bitselect(high, low, v128.or(is1, is2));
    green = v128.bitselect(rising, green, is0);
    green = v128.bitselect(falling, green, is3);
    let blue = v128.bitselect(high, low, v128.or(is3, is4));
    blue = v128.bitselect(rising, blue, is2);
    blue = v128.bitselect(falling, blue, is5);
    v128.store(planes, red);
    v128.store(planes + stride, green);
    v128.store(planes + 2 * stride, blue);
  }
}
