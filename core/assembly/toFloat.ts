/** Pixels to floats. */
import { repeatRow } from './rows';
import { storeFirst } from './vector';

/**
 * y = (x · unit - mean[c]) · inverse[c] of bytes x; `normalization` is two rows of C: mean, inverse. Units are `some` pixels, rows are
 * `repeat` pixels, as in `batchNorm`. Scratch: two rows and 32 bytes.
 */
export function toFloat(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  normalization: usize,
  y: usize,
  pixels: i32,
  C: i32,
  repeat: i32,
  some: i32,
  unit: f32,
): void {
  const row = (<usize>(C * repeat)) << 2;
  const channels = (<usize>C) << 2;
  const inverse = scratch + ((row + 31) & ~15);
  memory.copy(scratch, normalization, channels);
  memory.copy(inverse, normalization + channels, channels);
  repeatRow(scratch, repeat, C);
  repeatRow(inverse, repeat, C);
  const scale = f32x4.splat(unit);
  const past = <usize>min(end * some, pixels) * channels;
  for (let at = <usize>(start * some) * channels; at < past; at += row) {
    const bytes = min(row, past - at);
    const from = x + (at >> 2);
    let c: usize = 0;
    for (; c + 64 <= bytes; c += 64) {
      const pixels = v128.load(from + (c >> 2));
      const low = i16x8.extend_low_i8x16_u(pixels);
      const high = i16x8.extend_high_i8x16_u(pixels);
      const m = scratch + c;
      const i = inverse + c;
      const to = y + at + c;
      const v0 = f32x4.sub(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)), scale), v128.load(m));
      const v1 = f32x4.sub(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)), scale), v128.load(m, 16));
      const v2 = f32x4.sub(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)), scale), v128.load(m, 32));
      const v3 = f32x4.sub(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)), scale), v128.load(m, 48));
      v128.store(to, f32x4.mul(v0, v128.load(i)));
      v128.store(to, f32x4.mul(v1, v128.load(i, 16)), 16);
      v128.store(to, f32x4.mul(v2, v128.load(i, 32)), 32);
      v128.store(to, f32x4.mul(v3, v128.load(i, 48)), 48);
    }
    for (; c < bytes; c += 16) {
      const four = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(from + (c >> 2))));
      const v = f32x4.sub(f32x4.mul(f32x4.convert_i32x4_s(four), scale), v128.load(scratch + c));
      storeFirst(y + at + c, f32x4.mul(v, v128.load(inverse + c)), bytes - c);
    }
  }
}
