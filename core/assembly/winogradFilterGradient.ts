/**
 * The filters' gradient of a convolution of stride 1 by Winograd's method: dg = Gᵀ [ Σ_tiles V ⊙ D ] G with the transforms
 * V = Bᵀ x B of the input's tiles and D = A dy Aᵀ of the gradient's. The sums are 36 products of V's channels with D's filters.
 *
 * Two orders, as in `winograd.ts`:
 *  - many tiles: they are split into a fixed number of parts, each with sums of its own, which are added up at the end;
 *  - few tiles: both transforms first; then each block of channels × filters is summed over all tiles, and transformed back while
 *    it is in a core's cache.
 *
 * V is [36][channels / 48][tiles][48], D is [36][filters / 8][tiles][8], the sums are [filters / 8][36][channels][8] with
 * channels in whole sixes: what lies beyond the last channel or filter is never looked at.
 */
import { tapColumn4, tapLine4 } from './winogradFour';
import { tapColumn3, tapColumn5, tapLine3, tapLine5 } from './winogradGradients';
import { begins, columns, cut, ends, find, image, kindOf, left, rows, takeRanges, top } from './winogradOrder';
import { leapOf, planeOf, rowOf, sliceAt, sliceOf, sumsOf, sumsProduct } from './winogradSums';
import { clearZeros, ORDER, SQUARE, transformGradient, transformInput, WORK } from './winogradTiles';
import { LINE, PLACE, SWEEP } from './winogradTransforms';

/** V of a tile whose row of the first plane is `to`, with `leap` bytes to the next slice. */
function transformRow(
  tile: i32,
  x: usize,
  height: i32,
  width: i32,
  channels: i32,
  padding: i32,
  size: i32,
  to: usize,
  slice: i32,
  leap: usize,
  plane: usize,
  work: usize,
): void {
  const at = work + ORDER;
  find(at, tile);
  const from = x + <usize>image(at) * ((<usize>(height * width * channels)) << 2);
  const right = columns(at) === size ? to : 0;
  const below = rows(at) === size ? to : 0;
  // a slice of more channels than a sweep lies in one row
  const whole = slice > SWEEP;
  transformInput(
    from,
    height,
    width,
    channels,
    top(at) - padding,
    left(at) - padding,
    to,
    right,
    below,
    right && below,
    plane,
    whole ? SWEEP : slice,
    64,
    whole ? 4 * SWEEP : leap,
    work,
  );
}

/** D of a tile whose first 8 filters of the first plane are at `to`. */
function transformPanels(
  tile: i32,
  dy: usize,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  size: i32,
  to: usize,
  plane: usize,
  panel: usize,
  work: usize,
): void {
  const at = work + ORDER;
  find(at, tile);
  const from = dy + <usize>image(at) * ((<usize>(outHeight * outWidth * filters)) << 2);
  transformGradient(from, outHeight, outWidth, filters, size, rows(at), columns(at), top(at), left(at), to, plane, panel, work);
}

/**
 * sums[p][place][c][0..7] (+)= Σ_tiles V[place][tile][c] · D[place][p][tile][0..7] for `channels` channels and `panels` panels,
 * over the tiles that have the place: their ranges are in the order's table.
 *
 * @param v of tile `first`, as `d`
 */
function multiplySums(
  first: i32,
  v: usize,
  slice: i32,
  leap: usize,
  plane: usize,
  channels: i32,
  d: usize,
  panel: usize,
  panels: i32,
  gradientPlane: usize,
  sums: usize,
  sumPlane: usize,
  accumulate: bool,
  work: usize,
): void {
  const row = rowOf(slice);
  for (let place: usize = 0; place < 36; place++) {
    const kind = kindOf(<i32>place);
    const begin = begins(work + ORDER, kind);
    const tiles = ends(work + ORDER, kind) - begin;
    // nothing to add; where nothing is there yet, no tiles make zeros
    if (tiles === 0 && accumulate) continue;
    const skip = <usize>(begin - first);
    const from = v + place * plane + skip * row;
    const by = d + place * gradientPlane + (skip << 5);
    const to = sums + place * sumPlane;
    sumsProduct(tiles, from, row, leap, slice, channels, by, panel, panels, to, 36 * sumPlane, accumulate);
  }
}

/** dw = Gᵀ sums G for `count` channels from `channel` on and `panels` panels from filter `filter` on, eight at most. */
function transformSums(
  sums: usize,
  sumPlane: usize,
  dw: usize,
  taps: i32,
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
  const kernel: usize = taps === 9 ? 3 : taps === 16 ? 4 : 5;
  // what is transformed takes five of the square's lines: a run that ends within a vector goes to the last first
  const beside = square + 5 * LINE;
  for (let c = 0; c < count; c++) {
    const from = sums + ((<usize>c) << 5);
    for (let j: usize = 0; j < 6; j++) {
      if (taps === 9) tapColumn3(from + j * sumPlane, 6 * sumPlane, panels, 36 * sumPlane, square + j * PLACE);
      else if (taps === 16) tapColumn4(from + j * sumPlane, 6 * sumPlane, panels, 36 * sumPlane, square + j * PLACE);
      else tapColumn5(from + j * sumPlane, 6 * sumPlane, panels, 36 * sumPlane, square + j * PLACE);
    }
    let to = dw + ((<usize>((channel + c) * filters + filter)) << 2);
    for (let r: usize = 0; r < kernel; r++) {
      if (taps === 9) tapLine3(square + r * LINE, vectors, whole ? to : beside, whole ? tap : PLACE);
      else if (taps === 16) tapLine4(square + r * LINE, vectors, whole ? to : beside, whole ? tap : PLACE);
      else tapLine5(square + r * LINE, vectors, whole ? to : beside, whole ? tap : PLACE);
      for (let s: usize = 0; s < kernel; s++) {
        if (!whole) memory.copy(to, beside + s * PLACE, (<usize>some) << 2);
        to += tap;
      }
    }
  }
}

/**
 * Sums of parts of the tiles, one set after the other in `sums`. Units are parts of `part` tiles, of which `step` go through at a
 * time.
 */
export function winogradParts(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  dy: usize,
  sums: usize,
  height: i32,
  width: i32,
  channels: i32,
  padding: i32,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  size: i32,
  tiles: i32,
  part: i32,
  step: i32,
): void {
  // all channels in a row: what is in a core's cache need not be in streams
  const slice = (channels + 15) & ~15;
  const row = rowOf(slice);
  const leap = leapOf(step, slice);
  const plane = planeOf(step, channels, slice);
  const panels = (filters + 7) >> 3;
  const panel = (<usize>step) << 5;
  const gradientPlane = panel * panels + 64;
  const sumPlane = sumsOf(channels);
  const v = scratch + WORK;
  const d = v + 36 * plane;
  clearZeros(scratch);
  cut(scratch + ORDER, tiles, outHeight, outWidth, size);
  for (let unit = start; unit < end; unit++) {
    const first = unit * part;
    const last = min(first + part, tiles);
    const to = sums + <usize>(unit * panels * 36) * sumPlane;
    for (let tile = first; tile < last; tile += step) {
      const count = min(step, last - tile);
      for (let t = 0; t < count; t++) {
        const at = v + <usize>t * row;
        transformRow(tile + t, x, height, width, channels, padding, size, at, slice, leap, plane, scratch);
        const by = d + ((<usize>t) << 5);
        transformPanels(tile + t, dy, outHeight, outWidth, filters, size, by, gradientPlane, panel, scratch);
      }
      takeRanges(scratch + ORDER, tile, count);
      multiplySums(tile, v, slice, leap, plane, channels, d, panel, panels, gradientPlane, to, sumPlane, tile > first, scratch);
    }
  }
}

/** dw from the sums of `parts` parts. Units are groups of `group` panels × slices of `slice` channels, the slices in a row. */
export function winogradJoin(
  start: i32,
  end: i32,
  scratch: usize,
  parts: usize,
  dw: usize,
  count: i32,
  taps: i32,
  channels: i32,
  filters: i32,
  group: i32,
  slice: i32,
): void {
  const panels = (filters + 7) >> 3;
  const slices = (channels + slice - 1) / slice;
  const from = sumsOf(channels);
  const part = <usize>(panels * 36) * from;
  const sumPlane = sumsOf(slice);
  const sums = scratch + WORK;
  for (let unit = start; unit < end; unit++) {
    const panel = (unit / slices) * group;
    const channel = (unit % slices) * slice;
    const some = min(group, panels - panel);
    const deep = min(slice, channels - channel);
    for (let place = 0; place < some * 36; place++) {
      const at = parts + <usize>(panel * 36 + place) * from + ((<usize>channel) << 5);
      const to = sums + <usize>place * sumPlane;
      for (let i: usize = 0; i < (<usize>deep) << 5; i += 16) {
        let sum = v128.load(at + i);
        for (let other = 1; other < count; other++) sum = f32x4.add(sum, v128.load(at + <usize>other * part + i));
        v128.store(to + i, sum);
      }
    }
    transformSums(sums, sumPlane, dw, taps, channels, filters, channel, deep, panel * 8, some, scratch);
  }
}

/** V of all tiles, 64 bytes between planes. Units are tiles. */
export function winogradRows(
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
  size: i32,
  tiles: i32,
): void {
  const slice = sliceOf(channels);
  const row = rowOf(slice);
  const leap = leapOf(tiles, slice);
  const plane = planeOf(tiles, channels, slice);
  clearZeros(scratch);
  cut(scratch + ORDER, tiles, outHeight, outWidth, size);
  for (let tile = start; tile < end; tile++) {
    const to = v + <usize>tile * row;
    transformRow(tile, x, height, width, channels, padding, size, to, slice, leap, plane, scratch);
  }
}

/** D of all tiles, 64 bytes between planes. Units are tiles. */
export function winogradGradients(
  start: i32,
  end: i32,
  scratch: usize,
  dy: usize,
  d: usize,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  size: i32,
  tiles: i32,
): void {
  const panel = (<usize>tiles) << 5;
  const plane = panel * ((filters + 7) >> 3) + 64;
  clearZeros(scratch);
  cut(scratch + ORDER, tiles, outHeight, outWidth, size);
  for (let tile = start; tile < end; tile++) {
    transformPanels(tile, dy, outHeight, outWidth, filters, size, d + ((<usize>tile) << 5), plane, panel, scratch);
  }
}

/**
 * dw from V and D. Units are groups of `group` panels × slices of `slice` channels, a multiple of 48; `step` tiles are summed up at
 * a time.
 */
export function winogradSums(
  start: i32,
  end: i32,
  scratch: usize,
  v: usize,
  d: usize,
  dw: usize,
  taps: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  size: i32,
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
  const slices = (channels + slice - 1) / slice;
  const sumPlane = sumsOf(slice);
  const sums = scratch + WORK;
  cut(scratch + ORDER, tiles, outHeight, outWidth, size);
  for (let unit = start; unit < end; unit++) {
    const panel = (unit / slices) * group;
    const channel = (unit % slices) * slice;
    const some = min(group, panels - panel);
    const deep = min(slice, channels - channel);
    for (let tile = 0; tile < tiles; tile += step) {
      takeRanges(scratch + ORDER, tile, min(step, tiles - tile));
      multiplySums(
        tile,
        v + <usize>tile * row + sliceAt(channel, sliceOfV, leap),
        sliceOfV,
        leap,
        plane,
        deep,
        d + <usize>panel * panelBytes + ((<usize>tile) << 5),
        panelBytes,
        some,
        panelBytes * panels + 64,
        sums,
        sumPlane,
        tile > 0,
        scratch,
      );
    }
    transformSums(sums, sumPlane, dw, taps, channels, filters, channel, deep, panel * 8, some, scratch);
  }
}
