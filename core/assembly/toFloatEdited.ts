/** Pixels to floats, changed on the way: `core/ops/toFloatEdited.ts` says how. */
import { repeatRow } from './rows';
import { storeFirst } from './vector';

// places in a row of edits, as in core/program/edits.ts
const SHARE: usize = 0;
const REST: usize = 4;
const PARTNER: usize = 8;
const CUT: usize = 12;
const ERASED: usize = 28;
const LIGHT: usize = 44;

/**
 * A unit is a row of an image, W · C values; `edits` has 11 + 2C floats an image. Images are read once and written once: only a row
 * with another light or an erased part is made before, as bytes. Scratch: rows of floats (means, inverses, light) and of bytes (the
 * image's, the partner's), each a vector longer.
 */
export function toFloatEdited(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  normalization: usize,
  edits: usize,
  y: usize,
  H: i32,
  W: i32,
  C: i32,
  unit: f32,
): void {
  const row = <usize>(W * C);
  const stride = ((row << 2) + 31) & ~15;
  const channels = (<usize>C) << 2;
  const inverse = scratch + stride;
  const light = inverse + stride;
  const first = light + stride;
  const second = first + stride;
  memory.copy(scratch, normalization, channels);
  memory.copy(inverse, normalization + channels, channels);
  repeatRow(scratch, W, C);
  repeatRow(inverse, W, C);
  const length = LIGHT + 2 * channels;
  const size = <usize>H * row;
  for (let at = start; at < end; at++) {
    const n = <usize>(at / H);
    const h = at % H;
    const mine = edits + n * length;
    const bytes = <usize>h * row;
    const share = load<f32>(mine, SHARE);
    const rest = load<f32>(mine, REST);
    const cut = holds(mine + CUT, h);
    const to = y + <usize>at * (row << 2);
    const own = editedRow(first, x + n * size + bytes, row, light, mine, h, W, C);
    if (!cut && share === 1 && rest === 0) {
      normalise(to, own, 0, row, scratch, inverse, unit);
      continue;
    }
    const partner = <usize>load<f32>(mine, PARTNER);
    const other = editedRow(second, x + partner * size + bytes, row, light, edits + partner * length, h, W, C);
    if (!cut) {
      blend(to, own, other, 0, row, scratch, inverse, unit, share, rest);
      continue;
    }
    const left = <usize>load<f32>(mine + CUT, 4) * <usize>C;
    const right = max(left, <usize>load<f32>(mine + CUT, 12) * <usize>C);
    blend(to, own, other, 0, left, scratch, inverse, unit, share, rest);
    normalise(to, other, left, right, scratch, inverse, unit);
    blend(to, own, other, right, row, scratch, inverse, unit, share, rest);
  }
}

/** Whether row h is of the rectangle top, left, bottom, right. */
function holds(rectangle: usize, h: i32): bool {
  return <f32>h >= load<f32>(rectangle) && <f32>h < load<f32>(rectangle, 8);
}

/** Four bytes as floats. */
function floats(x: usize): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(x))));
}

/** Where the row's bytes are with the image's own light and erased rectangle: at x, or made at `to`. */
function editedRow(to: usize, x: usize, row: usize, light: usize, edits: usize, h: i32, W: i32, C: i32): usize {
  const channels = (<usize>C) << 2;
  let lit = false;
  for (let c: usize = 0; c < channels; c += 4) if (load<f32>(edits + LIGHT + c) !== 0.5) lit = true;
  const erased = holds(edits + ERASED, h);
  if (!lit && !erased) return x;
  if (lit) {
    memory.copy(light, edits + LIGHT, channels);
    repeatRow(light, W, C);
    for (let c: usize = 0; c < row; c += 8) {
      const a = i32x4.trunc_sat_f32x4_s(f32x4.floor(f32x4.add(floats(x + c), v128.load(light + (c << 2)))));
      const b = i32x4.trunc_sat_f32x4_s(f32x4.floor(f32x4.add(floats(x + c + 4), v128.load(light + (c << 2), 16))));
      const words = i16x8.narrow_i32x4_s(a, b);
      v128.store64_lane(to + c, i8x16.narrow_i16x8_u(words, words), 0);
    }
  } else memory.copy(to, x, row);
  if (erased) {
    const fill = edits + LIGHT + channels;
    const right = <usize>load<f32>(edits + ERASED, 12) * <usize>C;
    for (let at = <usize>load<f32>(edits + ERASED, 4) * <usize>C; at < right; at += <usize>C) {
      for (let c: usize = 0; c < <usize>C; c++) store<u8>(to + at + c, <u8>load<f32>(fill + (c << 2)));
    }
  }
  return to;
}

/** Values `from` to `past` of a row. */
function normalise(y: usize, x: usize, from: usize, past: usize, mean: usize, inverse: usize, unit: f32): void {
  const scale = f32x4.splat(unit);
  let c = from;
  for (; c + 16 <= past; c += 16) {
    const bytes = v128.load(x + c);
    const low = i16x8.extend_low_i8x16_u(bytes);
    const high = i16x8.extend_high_i8x16_u(bytes);
    const at = c << 2;
    put(y + at, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)), scale, mean + at, inverse + at);
    put(y + at + 16, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)), scale, mean + at + 16, inverse + at + 16);
    put(y + at + 32, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)), scale, mean + at + 32, inverse + at + 32);
    put(y + at + 48, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)), scale, mean + at + 48, inverse + at + 48);
  }
  for (; c < past; c += 4) putFirst(y, floats(x + c), scale, c, past, mean, inverse);
}

/** The same of share · a + rest · b. */
function blend(
  y: usize,
  a: usize,
  b: usize,
  from: usize,
  past: usize,
  mean: usize,
  inverse: usize,
  unit: f32,
  share: f32,
  rest: f32,
): void {
  const scale = f32x4.splat(unit);
  const s = f32x4.splat(share);
  const r = f32x4.splat(rest);
  let c = from;
  for (; c + 16 <= past; c += 16) {
    const own = v128.load(a + c);
    const other = v128.load(b + c);
    const low = i16x8.extend_low_i8x16_u(own);
    const high = i16x8.extend_high_i8x16_u(own);
    const lower = i16x8.extend_low_i8x16_u(other);
    const higher = i16x8.extend_high_i8x16_u(other);
    const at = c << 2;
    const v0 = both(i32x4.extend_low_i16x8_u(low), i32x4.extend_low_i16x8_u(lower), s, r);
    const v1 = both(i32x4.extend_high_i16x8_u(low), i32x4.extend_high_i16x8_u(lower), s, r);
    const v2 = both(i32x4.extend_low_i16x8_u(high), i32x4.extend_low_i16x8_u(higher), s, r);
    const v3 = both(i32x4.extend_high_i16x8_u(high), i32x4.extend_high_i16x8_u(higher), s, r);
    put(y + at, v0, scale, mean + at, inverse + at);
    put(y + at + 16, v1, scale, mean + at + 16, inverse + at + 16);
    put(y + at + 32, v2, scale, mean + at + 32, inverse + at + 32);
    put(y + at + 48, v3, scale, mean + at + 48, inverse + at + 48);
  }
  for (; c < past; c += 4) {
    putFirst(y, f32x4.add(f32x4.mul(floats(a + c), s), f32x4.mul(floats(b + c), r)), scale, c, past, mean, inverse);
  }
}

function both(a: v128, b: v128, share: v128, rest: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(a), share), f32x4.mul(f32x4.convert_i32x4_s(b), rest));
}

function put(y: usize, v: v128, scale: v128, mean: usize, inverse: usize): void {
  v128.store(y, f32x4.mul(f32x4.sub(f32x4.mul(v, scale), v128.load(mean)), v128.load(inverse)));
}

function putFirst(y: usize, v: v128, scale: v128, c: usize, past: usize, mean: usize, inverse: usize): void {
  const at = c << 2;
  const normal = f32x4.mul(f32x4.sub(f32x4.mul(v, scale), v128.load(mean + at)), v128.load(inverse + at));
  storeFirst(y + at, normal, (past - c) << 2);
}
