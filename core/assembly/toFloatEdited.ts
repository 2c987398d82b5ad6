/** Pixels to floats, changed on the way: `core/ops/toFloatEdited.ts` and `core/ops/toFloatAdjusted.ts` say how. */
import { adjust, fromPlanes, greySum, planeBytes, toPlanes } from './adjust';
import { noiseAt } from './dropout';
import { CUT, contrastOf, ERASED, FILL, NOISE, OPS, PARTNER, PAST_OPS, REST, SHARE } from './editRow';
import { repeatRow } from './rows';
import { storeFirst } from './vector';

/**
 * For the contrast of images: `bytes` becomes their pixels with the ops before it done, `sums` [N,H] the sums of their grey. Images without
 * one are left out. A unit is a row of an image. Scratch: planes and a row of bytes, a vector longer.
 */
export function adjustBefore(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  edits: usize,
  bytes: usize,
  sums: usize,
  H: i32,
  W: i32,
  C: i32,
): void {
  const row = <usize>(W * C);
  const length = FILL + ((<usize>C) << 3);
  const line = scratch + planeBytes(W) * <usize>C;
  for (let at = start; at < end; at++) {
    const mine = edits + <usize>(at / H) * length;
    if (contrastOf(mine) === mine + PAST_OPS) continue;
    const from = <usize>at * row;
    toPlanes(scratch, x + from, W, C);
    adjust(scratch, W, C, mine, false, 0);
    fromPlanes(line, scratch, W, C);
    memory.copy(bytes + from, line, row);
    store<f32>(sums + ((<usize>at) << 2), <f32>greySum(scratch, W, C));
  }
}

/** means[n] = Σ_h sums[n,h] / pixels. A unit is an image. */
export function adjustMeans(start: i32, end: i32, _scratch: usize, sums: usize, means: usize, H: i32, pixels: f32): void {
  for (let n = start; n < end; n++) {
    let sum: u64 = 0;
    for (let at = n * H; at < (n + 1) * H; at++) sum += <u64>load<f32>(sums + ((<usize>at) << 2));
    store<f32>(means + ((<usize>n) << 2), <f32>sum / pixels);
  }
}

/**
 * A unit is a row of an image, W · C values; `edits` has 47 + 2C floats an image. Images are read once and written once: only a row
 * with ops or an erased part is made before, as bytes. Ops and noise are done where there are `bytes` and `means` (of `adjustBefore` and
 * `adjustMeans`) and `quantiles`, not where these are 0. Scratch: rows of floats (means, inverses, planes) and of bytes (the image's, the
 * partner's), each a vector longer.
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
  bytes: usize,
  means: usize,
  quantiles: usize,
): void {
  const row = <usize>(W * C);
  const stride = ((row << 2) + 31) & ~15;
  const channels = (<usize>C) << 2;
  const inverse = scratch + stride;
  const planes = inverse + stride;
  const first = planes + planeBytes(W) * <usize>C;
  const second = first + stride;
  memory.copy(scratch, normalization, channels);
  memory.copy(inverse, normalization + channels, channels);
  repeatRow(scratch, W, C);
  repeatRow(inverse, W, C);
  const length = FILL + 2 * channels;
  const size = <usize>H * row;
  for (let at = start; at < end; at++) {
    const n = at / H;
    const h = at % H;
    const mine = edits + <usize>n * length;
    const share = load<f32>(mine, SHARE);
    const rest = load<f32>(mine, REST);
    const cut = holds(mine + CUT, h);
    const to = y + <usize>at * (row << 2);
    const own = editedRow(first, x, planes, mine, n, h, size, W, C, bytes, means, quantiles);
    if (!cut && share === 1 && rest === 0) {
      normalise(to, own, 0, row, scratch, inverse, unit);
      continue;
    }
    const partner = <i32>load<f32>(mine, PARTNER);
    const other = editedRow(second, x, planes, edits + <usize>partner * length, partner, h, size, W, C, bytes, means, quantiles);
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

/** Where the bytes of row h of image n are with the image's own ops and erased rectangle: among the pixels, or made at `to`. */
function editedRow(
  to: usize,
  x: usize,
  planes: usize,
  edits: usize,
  n: i32,
  h: i32,
  size: usize,
  W: i32,
  C: i32,
  bytes: usize,
  means: usize,
  quantiles: usize,
): usize {
  const row = <usize>(W * C);
  const at = <usize>n * size + <usize>h * row;
  const adjusted = bytes !== 0 && load<f32>(edits, OPS) !== 0;
  const erased = holds(edits + ERASED, h);
  if (!adjusted && !erased) return x + at;
  if (adjusted) {
    const late = contrastOf(edits) !== edits + PAST_OPS;
    toPlanes(planes, (late ? bytes : x) + at, W, C);
    adjust(planes, W, C, edits, late, load<f32>(means + ((<usize>n) << 2)));
    fromPlanes(to, planes, W, C);
  } else memory.copy(to, x + at, row);
  if (erased) erase(to, edits, h, W, C, quantiles);
  return to;
}

function erase(to: usize, edits: usize, h: i32, W: i32, C: i32, quantiles: usize): void {
  const fill = edits + FILL;
  const deviation = fill + ((<usize>C) << 2);
  const from = <i32>load<f32>(edits + ERASED, 4);
  const past = <i32>load<f32>(edits + ERASED, 12);
  const first = word(edits + NOISE);
  const second = word(edits + NOISE + 8);
  for (let w = from; w < past; w++) {
    for (let c = 0; c < C; c++) {
      const place = w * C + c;
      let value = load<f32>(fill + ((<usize>c) << 2));
      const spread = load<f32>(deviation + ((<usize>c) << 2));
      if (quantiles !== 0 && spread > 0) {
        const bits = noiseAt(h * W * C + place, first, second);
        value = spread * load<f32>(quantiles + ((<usize>(bits >> 4)) << 2)) + value;
      }
      store<u8>(to + <usize>place, <u8>min<f32>(max<f32>(floor<f32>(value), 0), 255));
    }
  }
}

/** A key from its upper and lower half. */
function word(x: usize): u32 {
  return ((<u32>load<f32>(x)) << 16) | <u32>load<f32>(x, 4);
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
