/**
 * The products of a linear layer. N rows of x, I inputs, O features; x [N,I], weight [I,O], y [N,O].
 *
 * N is often small and the weight is what comes from memory, so in the passes that read it the weight gives the blocks' six rows
 * and the batch their eight columns: the result is computed transposed, a tile at a time in scratch, and turned when it is
 * stored. A batch of 16 fills its two panels, and no part of the weight is read twice.
 */
import { block } from './block';
import { packColumns } from './panels';

/** How much of k is packed at a time: six rows of it are 6 KiB, a panel 8 KiB, so both stay in the first cache. */
const DEPTH: i32 = 256;

/** Addresses of six rows, `pitch` bytes apart, into a table. */
function sixRows(table: usize, first: usize, pitch: usize): void {
  for (let i: usize = 0; i < 6; i++) store<u32>(table + (i << 2), <u32>(first + i * pitch));
}

/**
 * y = x · weight + bias. Units are `strip` features of `width` panels of x, strips first.
 *
 * Scratch: 64 bytes, then ceil(strip / 12) · 2 groups of 256 · 24 + 64 bytes, then strip · width · 32 bytes.
 *
 * @param x panels of x: [ceil(N / 8)][I][8]
 * @param bias 0 if there is none
 * @param strip a multiple of 12
 */
export function linear(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  weight: usize,
  bias: usize,
  y: usize,
  N: i32,
  I: i32,
  O: i32,
  strip: i32,
  width: i32,
  relu: i32,
): void {
  const strips = (O + strip - 1) / strip;
  const panels = (N + 7) >> 3;
  const size: usize = <usize>DEPTH * 24 + 64;
  const packed = scratch + 64;
  const tile = packed + <usize>(strip / 6) * size;
  for (let unit = start; unit < end; unit++) {
    const feature = (unit % strips) * strip;
    const features = min(strip, O - feature);
    const groups = (features + 5) / 6;
    const panel = (unit / strips) * width;
    const count = min(width, panels - panel);
    const pitch = (<usize>count) << 5;
    for (let k = 0; k < I; k += DEPTH) {
      const depth = min(DEPTH, I - k);
      packColumns(weight + ((<usize>k * <usize>O + <usize>feature) << 2), (<usize>O) << 2, depth, groups, packed, size);
      for (let group = 0; group < groups; group++) {
        sixRows(scratch, tile + <usize>(group * 6) * pitch, pitch);
        sweep(depth, packed + <usize>group * size, x + ((<usize>panel * <usize>I + <usize>k) << 5), (<usize>I) << 5, scratch, count, k > 0);
      }
    }
    turn(tile, pitch, y, (<usize>O) << 2, panel * 8, min(panel * 8 + count * 8, N), feature, features, bias, relu);
  }
}

/** Six rows times `count` panels, which lie `size` bytes apart, into six rows of a tile. */
function sweep(depth: i32, packed: usize, panels: usize, size: usize, rows: usize, count: i32, accumulate: bool): void {
  for (let i = 0; i < count; i++) {
    block(depth, packed, 24, panels, rows, (<usize>i) << 5, accumulate);
    panels += size;
  }
}

/**
 * Stores a tile transposed: y[n][column + c] = tile[c][n - first] + bias[column + c] for n from `first` to `past` and c below
 * `columns`; below zero it is zero if `relu`.
 */
function turn(
  tile: usize,
  pitch: usize,
  y: usize,
  yPitch: usize,
  first: i32,
  past: i32,
  column: i32,
  columns: i32,
  bias: usize,
  relu: i32,
): void {
  const zero = f32x4.splat(0);
  // pmax(a, b) is a unless a < b: NaN stays
  const lowest = relu ? zero : f32x4.splat(-Infinity);
  const fours = columns & ~3;
  for (let n = first; n < past; n += 4) {
    const rows = min(4, past - n);
    const from = tile + ((<usize>(n - first)) << 2);
    const to = y + <usize>n * yPitch + ((<usize>column) << 2);
    const b = bias + ((<usize>column) << 2);
    for (let c = 0; c < fours; c += 4) {
      const at = from + <usize>c * pitch;
      const v0 = v128.load(at);
      const v1 = v128.load(at + pitch);
      const v2 = v128.load(at + 2 * pitch);
      const v3 = v128.load(at + 3 * pitch);
      const low01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
      const low23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
      const high23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
      const add = bias ? v128.load(b + ((<usize>c) << 2)) : zero;
      let into = to + ((<usize>c) << 2);
      v128.store(into, f32x4.pmax(f32x4.add(add, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5)), lowest));
      if (rows < 2) continue;
      into += yPitch;
      v128.store(into, f32x4.pmax(f32x4.add(add, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7)), lowest));
      if (rows < 3) continue;
      into += yPitch;
      v128.store(into, f32x4.pmax(f32x4.add(add, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5)), lowest));
      if (rows < 4) continue;
      into += yPitch;
      v128.store(into, f32x4.pmax(f32x4.add(add, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7)), lowest));
    }
    for (let c = fours; c < columns; c++) {
      const add: f32 = bias ? load<f32>(b + ((<usize>c) << 2)) : 0;
      for (let row = 0; row < rows; row++) {
        const value = load<f32>(from + <usize>c * pitch + ((<usize>row) << 2)) + add;
        store<f32>(to + <usize>row * yPitch + ((<usize>c) << 2), relu && value < 0 ? 0 : value);
      }
    }
  }
}
