/**
 * The filters' gradient of a 3 × 3 convolution of stride 2 by Winograd's method, as `winogradFilterGradient.ts`: each of the four
 * kinds of pixels of `winogradStride2Tiles.ts` with its own places and taps, so that nothing else is multiplied.
 *
 * V is [4 kinds][25][channels / 48][tiles][48], D is [36][filters / 8][tiles][8] from `winogradGradients`, of which the places
 * of ∞ are not used. What lies beyond the last channel or filter is never looked at.
 */
import { madd } from './vector';
import { begins, columns, cut, ends, find, image, left, rows, takeRanges, top } from './winogradOrder';
import { PLACES, transformKind, twoAcross, twoDown } from './winogradStride2Tiles';
import { leapOf, planeOf, rowOf, sliceAt, sliceOf, sumsOf, sumsProduct } from './winogradSums';
import { clearZeros, ORDER, SQUARE, WORK } from './winogradTiles';
import { A, B, LINE, P, PLACE, Q } from './winogradTransforms';

/** V of all tiles. Units are tiles. */
export function stride2Rows(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  v: usize,
  height: i32,
  width: i32,
  channels: i32,
  padding: i32,
  outHeight: i32,
  outWidth: i32,
  tiles: i32,
): void {
  const sliceOfV = sliceOf(channels);
  const row = rowOf(sliceOfV);
  const leap = leapOf(tiles, sliceOfV);
  const plane = planeOf(tiles, channels, sliceOfV);
  const at = scratch + ORDER;
  clearZeros(scratch);
  cut(at, tiles, outHeight, outWidth, 4);
  for (let tile = start; tile < end; tile++) {
    find(at, tile);
    const from = x + <usize>image(at) * ((<usize>(height * width * channels)) << 2);
    for (let kind = 0; kind < 4; kind++) {
      // a single tap is in the middle of three: tap 1 sees the pixel after the window's first
      const above = 2 * top(at) - padding - (twoDown(kind) ? 0 : 1);
      const before = 2 * left(at) - padding - (twoAcross(kind) ? 0 : 1);
      const to = v + <usize>kind * PLACES * plane + <usize>tile * row;
      const right = columns(at) === 4 ? to : 0;
      const below = rows(at) === 4 ? to : 0;
      transformKind(
        kind,
        from,
        height,
        width,
        channels,
        above,
        before,
        2,
        to,
        right,
        below,
        right && below,
        plane,
        sliceOfV,
        64,
        leap,
        scratch,
      );
    }
  }
}

/** The first two rows of Gᵀ down a column of five sums [8]: `stride` bytes apart, `panel` bytes to the next 8 filters; to two lines. */
function tapColumn(from: usize, stride: usize, panels: i32, panel: usize, to: usize): void {
  for (; panels > 0; panels--) {
    for (let half: usize = 0; half < 32; half += 16) {
      let at = from + half;
      const u0 = v128.load(at);
      at += stride;
      const u1 = v128.load(at);
      at += stride;
      const u2 = v128.load(at);
      at += stride;
      const u3 = v128.load(at);
      const u4 = v128.load(at + stride);
      v128.store(to, madd(f32x4.splat(P), f32x4.add(u1, u2), madd(f32x4.splat(Q), f32x4.add(u3, u4), u0)));
      v128.store(to, madd(f32x4.splat(P * A), f32x4.sub(u1, u2), f32x4.mul(f32x4.splat(Q * B), f32x4.sub(u3, u4))), LINE);
      to += 16;
    }
    from += panel;
  }
}
/** The same along a line, to two addresses. */
function tapLine(from: usize, vectors: i32, to0: usize, to1: usize): void {
  const end = from + ((<usize>vectors) << 4);
  while (from < end) {
    const u1 = v128.load(from, 1 * PLACE);
    const u2 = v128.load(from, 2 * PLACE);
    const u3 = v128.load(from, 3 * PLACE);
    const u4 = v128.load(from, 4 * PLACE);
    v128.store(to0, madd(f32x4.splat(P), f32x4.add(u1, u2), madd(f32x4.splat(Q), f32x4.add(u3, u4), v128.load(from))));
    v128.store(to1, madd(f32x4.splat(P * A), f32x4.sub(u1, u2), f32x4.mul(f32x4.splat(Q * B), f32x4.sub(u3, u4))));
    from += 16;
    to0 += 16;
    to1 += 16;
  }
}

/** The kind's taps of dw = Gᵀ sums G for `count` channels from `channel` on and `panels` panels from filter `filter` on, eight at most. */
function transformSums(
  kind: i32,
  sums: usize,
  sumPlane: usize,
  dw: usize,
  channels: i32,
  filters: i32,
  channel: i32,
  count: i32,
  filter: i32,
  panels: i32,
  work: usize,
): void {
  const square = work + SQUARE;
  const some = min(8 * panels, filters - filter);
  const whole = (some & 3) === 0;
  const vectors = (some + 3) >> 2;
  const tap = (<usize>(channels * filters)) << 2;
  const down = twoDown(kind);
  const across = twoAcross(kind);
  // what is transformed takes two of the square's lines: what ends within a vector, or is not a tap, goes to the last
  const beside = square + 5 * LINE;
  for (let c = 0; c < count; c++) {
    const from = sums + ((<usize>c) << 5);
    for (let j: usize = across ? 0 : 1; j < 5; j++) {
      tapColumn(from + j * sumPlane, 5 * sumPlane, panels, PLACES * sumPlane, square + j * PLACE);
    }
    for (let i: usize = down ? 0 : 1; i < 2; i++) {
      // tap 0 or 2 of two, 1 of one
      const line = dw + (down ? 6 * i : 3) * tap + ((<usize>((channel + c) * filters + filter)) << 2);
      const to0 = line;
      const to1 = line + (across ? 2 : 1) * tap;
      tapLine(square + i * LINE, vectors, whole && across ? to0 : beside, whole ? to1 : beside + PLACE);
      if (whole) continue;
      if (across) memory.copy(to0, beside, (<usize>some) << 2);
      memory.copy(to1, beside + PLACE, (<usize>some) << 2);
    }
  }
}

/**
 * dw from V and D. Units are groups of `group` panels × kinds × slices of `slice` channels, a multiple of 48; `step` tiles are
 * summed up at a time.
 */
export function stride2Sums(
  start: i32,
  end: i32,
  scratch: usize,
  v: usize,
  d: usize,
  dw: usize,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  tiles: i32,
  step: i32,
  group: i32,
  slice: i32,
): void {
  const sliceOfV = sliceOf(channels);
  const row = rowOf(sliceOfV);
  const leap = leapOf(tiles, sliceOfV);
  const plane = planeOf(tiles, channels, sliceOfV);
  const panels = (filters + 7) >> 3;
  const panelBytes = (<usize>tiles) << 5;
  const gradientPlane = panelBytes * panels + 64;
  const slices = (channels + slice - 1) / slice;
  const sumPlane = sumsOf(slice);
  const sums = scratch + WORK;
  cut(scratch + ORDER, tiles, outHeight, outWidth, 4);
  for (let unit = start; unit < end; unit++) {
    const panel = (unit / (4 * slices)) * group;
    const kind = (unit / slices) & 3;
    const channel = (unit % slices) * slice;
    const some = min(group, panels - panel);
    const deep = min(slice, channels - channel);
    for (let tile = 0; tile < tiles; tile += step) {
      takeRanges(scratch + ORDER, tile, min(step, tiles - tile));
      const lines = v + <usize>kind * PLACES * plane + <usize>tile * row + sliceAt(channel, sliceOfV, leap);
      const gradients = d + <usize>panel * panelBytes + ((<usize>tile) << 5);
      for (let i: usize = twoDown(kind) ? 0 : 1; i < 5; i++) {
        for (let j: usize = twoAcross(kind) ? 0 : 1; j < 5; j++) {
          const place: usize = i * 5 + j;
          const range = (j === 4 ? 1 : 0) + (i === 4 ? 2 : 0);
          const begin = begins(scratch + ORDER, range);
          const count = ends(scratch + ORDER, range) - begin;
          // nothing to add; where nothing is there yet, no tiles make zeros
          if (count === 0 && tile > 0) continue;
          const skip = <usize>(begin - tile);
          const from = lines + place * plane + skip * row;
          const by = gradients + (i * 6 + j) * gradientPlane + (skip << 5);
          const to = sums + place * sumPlane;
          sumsProduct(count, from, row, leap, sliceOfV, deep, by, panelBytes, some, to, PLACES * sumPlane, tile > 0);
        }
      }
    }
    transformSums(kind, sums, sumPlane, dw, channels, filters, channel, deep, panel * 8, some, scratch);
  }
}
