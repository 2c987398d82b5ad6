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
 * A unit is a row of an image, W · C floats; `edits` has 11 + 2C floats an image. Scratch: five rows and 32 bytes each: means, inverses,
 * what is added for light, the row, the partner's row.
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
  const row = (<usize>(W * C)) << 2;
  const stride = (row + 31) & ~15;
  const channels = (<usize>C) << 2;
  const inverse = scratch + stride;
  const light = inverse + stride;
  const own = light + stride;
  const other = own + stride;
  memory.copy(scratch, normalization, channels);
  memory.copy(inverse, normalization + channels, channels);
  repeatRow(scratch, W, C);
  repeatRow(inverse, W, C);
  const length = LIGHT + 2 * channels;
  const size = <usize>(H * W * C);
  for (let at = start; at < end; at++) {
    const n = <usize>(at / H);
    const h = at % H;
    const mine = edits + n * length;
    const bytes = <usize>h * <usize>(W * C);
    const share = load<f32>(mine, SHARE);
    const rest = load<f32>(mine, REST);
    const cut = holds(mine + CUT, h);
    readRow(own, x + n * size + bytes, row, light, mine, h, W, C);
    if (cut || share !== 1 || rest !== 0) {
      const partner = <usize>load<f32>(mine, PARTNER);
      readRow(other, x + partner * size + bytes, row, light, edits + partner * length, h, W, C);
      if (share !== 1 || rest !== 0) blend(own, other, row, share, rest);
      if (cut) {
        const left = <usize>load<f32>(mine + CUT, 4) * channels;
        const right = <usize>load<f32>(mine + CUT, 12) * channels;
        if (right > left) memory.copy(own + left, other + left, right - left);
      }
    }
    normalise(y + <usize>at * row, own, row, scratch, inverse, unit);
  }
}

/** Whether row h is of the rectangle top, left, bottom, right. */
function holds(rectangle: usize, h: i32): bool {
  return <f32>h >= load<f32>(rectangle) && <f32>h < load<f32>(rectangle, 8);
}

/** The bytes at x as floats, with the image's own light and erased rectangle. */
function readRow(to: usize, x: usize, row: usize, light: usize, edits: usize, h: i32, W: i32, C: i32): void {
  const channels = (<usize>C) << 2;
  let lit = false;
  for (let c: usize = 0; c < channels; c += 4) if (load<f32>(edits + LIGHT + c) !== 0.5) lit = true;
  if (lit) {
    memory.copy(light, edits + LIGHT, channels);
    repeatRow(light, W, C);
  }
  const zero = f32x4.splat(0);
  const white = f32x4.splat(255);
  for (let c: usize = 0; c < row; c += 16) {
    let v = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(x + (c >> 2)))));
    if (lit) v = f32x4.min(f32x4.max(f32x4.floor(f32x4.add(v, v128.load(light + c))), zero), white);
    v128.store(to + c, v);
  }
  if (!holds(edits + ERASED, h)) return;
  const fill = edits + LIGHT + channels;
  const right = <usize>load<f32>(edits + ERASED, 12) * channels;
  for (let at = <usize>load<f32>(edits + ERASED, 4) * channels; at < right; at += channels) memory.copy(to + at, fill, channels);
}

/** own = share · own + rest · other. */
function blend(own: usize, other: usize, row: usize, share: f32, rest: f32): void {
  const s = f32x4.splat(share);
  const r = f32x4.splat(rest);
  for (let c: usize = 0; c < row; c += 16) {
    v128.store(own + c, f32x4.add(f32x4.mul(v128.load(own + c), s), f32x4.mul(v128.load(other + c), r)));
  }
}

function normalise(y: usize, x: usize, row: usize, mean: usize, inverse: usize, unit: f32): void {
  const scale = f32x4.splat(unit);
  let c: usize = 0;
  for (; c + 16 <= row; c += 16) {
    v128.store(y + c, f32x4.mul(f32x4.sub(f32x4.mul(v128.load(x + c), scale), v128.load(mean + c)), v128.load(inverse + c)));
  }
  if (c < row) {
    const v = f32x4.sub(f32x4.mul(v128.load(x + c), scale), v128.load(mean + c));
    storeFirst(y + c, f32x4.mul(v, v128.load(inverse + c)), row - c);
  }
}
