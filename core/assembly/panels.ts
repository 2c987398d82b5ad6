/**
 * Packing of matrices for `block`, besides `packRows`: its right operand in panels of eight columns, panel[k][0..7], one panel
 * after the other; its left operand in groups of six, group[k][0..5].
 */

/** Depth of a unit of packing. A multiple of 4. */
const DEPTH: i32 = 256;

/**
 * The panels of a matrix whose columns lie in memory one after the other: column j is `source[j][0..depth-1]`. Units are 256 k
 * of one panel. A last panel with fewer than eight columns is filled up with the last one.
 */
export function panelsOfRows(start: i32, end: i32, _scratch: usize, source: usize, panels: usize, columns: i32, depth: i32): void {
  const pieces = (depth + DEPTH - 1) / DEPTH;
  for (let unit = start; unit < end; unit++) {
    const panel = unit / pieces;
    const first = (unit % pieces) * DEPTH;
    const past = min(first + DEPTH, depth);
    const pitch = (<usize>depth) << 2;
    const last = columns - 1 - panel * 8;
    const x0 = source + <usize>(panel * 8) * pitch;
    const x1 = x0 + <usize>min(1, last) * pitch;
    const x2 = x0 + <usize>min(2, last) * pitch;
    const x3 = x0 + <usize>min(3, last) * pitch;
    const x4 = x0 + <usize>min(4, last) * pitch;
    const x5 = x0 + <usize>min(5, last) * pitch;
    const x6 = x0 + <usize>min(6, last) * pitch;
    const x7 = x0 + <usize>min(7, last) * pitch;
    let to = panels + ((<usize>panel * <usize>depth + <usize>first) << 5);
    let at = (<usize>first) << 2;
    const fours = at + ((<usize>(past - first) >> 2) << 4);
    const all = (<usize>past) << 2;
    for (; at < fours; at += 16) {
      transpose4(x0 + at, x1 + at, x2 + at, x3 + at, to);
      transpose4(x4 + at, x5 + at, x6 + at, x7 + at, to + 16);
      to += 128;
    }
    for (; at < all; at += 4) {
      store<f32>(to, load<f32>(x0 + at), 0);
      store<f32>(to, load<f32>(x1 + at), 4);
      store<f32>(to, load<f32>(x2 + at), 8);
      store<f32>(to, load<f32>(x3 + at), 12);
      store<f32>(to, load<f32>(x4 + at), 16);
      store<f32>(to, load<f32>(x5 + at), 20);
      store<f32>(to, load<f32>(x6 + at), 24);
      store<f32>(to, load<f32>(x7 + at), 28);
      to += 32;
    }
  }
}

/**
 * The panels of a row-major matrix: row k is `source[k][0..columns-1]`. Units are panels. A last panel with fewer than eight
 * columns is filled up with what follows in memory.
 */
export function panelsOfColumns(start: i32, end: i32, _scratch: usize, source: usize, panels: usize, columns: i32, depth: i32): void {
  const pitch = (<usize>columns) << 2;
  for (let panel = start; panel < end; panel++) {
    let from = source + ((<usize>panel) << 5);
    let to = panels + ((<usize>panel * <usize>depth) << 5);
    for (let k = 0; k < depth; k++) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      from += pitch;
      to += 32;
    }
  }
}

/** Four floats of each of four rows, as four floats at `to`, `to + 32`, `to + 64` and `to + 96`. */
function transpose4(x0: usize, x1: usize, x2: usize, x3: usize, to: usize): void {
  const v0 = v128.load(x0);
  const v1 = v128.load(x1);
  const v2 = v128.load(x2);
  const v3 = v128.load(x3);
  const low01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
  const high23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5), 0);
  v128.store(to, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7), 32);
  v128.store(to, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), 64);
  v128.store(to, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7), 96);
}

/**
 * Groups of six columns of a row-major matrix: packed[group][k][0..5] = source[k][6 · group + 0..5]. Reads each row in one run,
 * which matters when the matrix comes from memory. Works on two groups at a time: it writes an even number of groups and reads
 * up to 11 floats past the last row's last column.
 *
 * @param pitch bytes from one row to the next
 * @param size bytes from one group to the next, at least 24 · depth
 */
export function packColumns(source: usize, pitch: usize, depth: i32, groups: i32, packed: usize, size: usize): void {
  for (let k = 0; k < depth; k++) {
    let from = source;
    let to = packed;
    for (let group = 0; group < groups; group += 2) {
      const second = to + size;
      const middle = v128.load(from, 16);
      v128.store(to, v128.load(from));
      v128.store64_lane(to, middle, 0, 16);
      v128.store64_lane(second, middle, 1, 0);
      v128.store(second, v128.load(from, 32), 8);
      from += 48;
      to = second + size;
    }
    source += pitch;
    packed += 24;
  }
}
