/**
 * The forward product of a linear layer, y = x · weight + bias. N rows of x, I inputs, O features; x [N,I], weight [I,O], y [N,O].
 *
 * N is often small and the weight is what comes from memory, so in the passes that read it the weight gives the blocks' six rows
 * and the batch their eight columns: the result is computed transposed, a tile at a time, and turned when it is stored. A batch
 * of 16 fills its two panels, and no part of the weight is read twice.
 *
 * Here the sums run across the weight's rows, which may be pages apart. So strips are wide (each row gives up to 4 KB in one run:
 * narrower ones visit a page of memory more than once, and finding it costs more than reading it), and where that makes too few
 * units the sums are split: `linear` leaves partial ones, `linearSum` adds them.
 */
import { packColumns } from './panels';
import { sixRows, sweep, turn } from './tile';

/**
 * Units are `range` inputs times `width` panels times `strip` features, features first.
 *
 * Scratch: 64 bytes, then strip / 6 groups of 24 · piece + 64 bytes, then, unless there are partial sums, strip · width · 32 bytes.
 *
 * @param x panels of x: [ceil(N / 8)][I][8]
 * @param bias 0 if there is none
 * @param partial 0 if `range` is all of I; else tiles [I / range][O rounded up to strips][ceil(N / 8) * 8], and `width` is all panels
 * @param strip a multiple of 12
 * @param piece how many inputs are packed at a time
 */
export function linear(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  weight: usize,
  bias: usize,
  y: usize,
  partial: usize,
  N: i32,
  I: i32,
  O: i32,
  strip: i32,
  width: i32,
  piece: i32,
  range: i32,
  relu: i32,
): void {
  const strips = (O + strip - 1) / strip;
  const panels = (N + 7) >> 3;
  const widths = (panels + width - 1) / width;
  const size = <usize>piece * 24 + 64;
  const packed = scratch + 64;
  for (let unit = start; unit < end; unit++) {
    const feature = (unit % strips) * strip;
    const features = min(strip, O - feature);
    const groups = (features + 5) / 6;
    const panel = ((unit / strips) % widths) * width;
    const count = min(width, panels - panel);
    const pitch = (<usize>count) << 5;
    const first = (unit / strips / widths) * range;
    const past = min(first + range, I);
    let tile = packed + <usize>(strip / 6) * size;
    if (partial) tile = partial + (<usize>(first / range) * <usize>(strips * strip) + <usize>feature) * pitch;
    for (let k = first; k < past; k += piece) {
      const depth = min(piece, past - k);
      const from = x + ((<usize>panel * <usize>I + <usize>k) << 5);
      packColumns(weight + ((<usize>k * <usize>O + <usize>feature) << 2), (<usize>O) << 2, depth, groups, packed, size);
      for (let group = 0; group < groups; group++) {
        sixRows(scratch, tile + <usize>(group * 6) * pitch, pitch);
        sweep(depth, packed + <usize>group * size, from, (<usize>I) << 5, scratch, count, k > first);
      }
    }
    if (!partial) turn(tile, pitch, y, (<usize>O) << 2, panel * 8, min((panel + count) * 8, N), feature, features, bias, relu);
  }
}

/** Features of a unit. */
const FEATURES: i32 = 48;

/**
 * y from `splits` partial sums of tiles of `rows` features. Units are 48 features.
 *
 * Scratch: 48 · ceil(N / 8) · 32 bytes.
 */
export function linearSum(
  start: i32,
  end: i32,
  scratch: usize,
  partial: usize,
  bias: usize,
  y: usize,
  N: i32,
  O: i32,
  rows: i32,
  splits: i32,
  relu: i32,
): void {
  const pitch = (<usize>((N + 7) >> 3)) << 5;
  const size = <usize>rows * pitch;
  for (let unit = start; unit < end; unit++) {
    const feature = unit * FEATURES;
    const features = min(FEATURES, O - feature);
    const from = partial + <usize>feature * pitch;
    const bytes = <usize>features * pitch;
    for (let at: usize = 0; at < bytes; at += 16) {
      let sum = v128.load(from + at);
      for (let split = 1; split < splits; split++) sum = f32x4.add(sum, v128.load(from + at + <usize>split * size));
      v128.store(scratch + at, sum);
    }
    turn(scratch, pitch, y, (<usize>O) << 2, 0, N, feature, features, bias, relu);
  }
}
