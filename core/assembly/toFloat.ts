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
    for (let c: usize = 0; c < bytes; c += 16) {
      const four = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(from + (c >> 2))));
      const v = f32x4.sub(f32x4.mul(f32x4.convert_i32x4_u(four), scale), v128.load(scratch + c));
      storeFirst(y + at + c, f32x4.mul(v, v128.load(inverse + c)), bytes - c);
    }
  }
}
