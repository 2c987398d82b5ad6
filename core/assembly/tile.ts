/** Tiles: results that are computed transposed, six rows at a time, and turned when they are stored. */
import { block } from './block';

/** Addresses of six rows, `pitch` bytes apart, into a table. */
export function sixRows(table: usize, first: usize, pitch: usize): void {
  for (let i: usize = 0; i < 6; i++) store<u32>(table + (i << 2), <u32>(first + i * pitch));
}

/** Six rows times `count` panels, which lie `size` bytes apart, into six rows side by side. */
export function sweep(depth: i32, packed: usize, panels: usize, size: usize, rows: usize, count: i32, accumulate: bool): void {
  for (let i = 0; i < count; i++) {
    block(depth, packed, 24, panels, rows, (<usize>i) << 5, accumulate);
    panels += size;
  }
}

/**
 * Stores a tile transposed: y[n][column + c] = tile[c][n - first] + bias[column + c] for n from `first` to `past` and c below
 * `columns`; below zero it is zero if `relu`.
 */
export function turn(
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
