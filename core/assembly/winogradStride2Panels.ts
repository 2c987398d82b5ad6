/**
 * 3 × 3 convolutions of stride 2 by Winograd's method and their input's gradient where there are few tiles: as
 * `winogradStride2.ts` and `winogradStride2InputGradient.ts`, but all tiles first, of 4 and of 3 outputs, and then the filters in
 * groups, whose transform never leaves a core's cache.
 */
import { begins, columns, cut, ends, find, image, left, rows, takeRanges, top } from './winogradOrder';
import { runOf, SIX_RUNS, tilesProduct } from './winogradProducts';
import { PLACES, transformFiltersOf, transformKind, twoAcross, twoDown } from './winogradStride2Tiles';
import { clearZeros, ORDER, takeBias, transformOutput, WORK } from './winogradTiles';
import { SWEEP } from './winogradTransforms';

/** Bytes of a place's weights of so many depths, and 64 more, as planes of tiles have: or they would share the cache's sets. */
function weightsOf(depths: i32): usize {
  return ((<usize>depths) << 5) + 64;
}
/** Bytes from 16 channels to the next 16 in a plane [depths / 16][tiles / 6][6][16], and of a plane: as in `winograd.ts`. */
function jumpOf(tiles: i32): usize {
  return <usize>((tiles + 5) / 6) * SIX_RUNS + 64;
}
function planeOf(tiles: i32, depths: i32): usize {
  return <usize>((depths + 15) >> 4) * jumpOf(tiles) + 64;
}
/** Bytes of the sums of a place for a block of so many tiles, and of what `tilesProduct` may write past them. */
function sumsOf(block: i32): usize {
  return (<usize>(block + 5)) << 5;
}
/** Which range of `winogradOrder.ts` a place takes. */
function rangeOf(i: i32, j: i32): i32 {
  return (j === 4 ? 1 : 0) + (i === 4 ? 2 : 0);
}
/** Where the runs of the tile last found begin for the places of a range, in bytes from its block's first. */
function runIn(range: i32, tile: i32, order: usize): usize {
  const first = begins(order, range);
  return runOf(tile - first, ends(order, range) - first);
}

/** `transformKind` of the tile last found: into its runs of `v`, `jump` bytes from 16 channels to the next. */
function begin(
  kind: i32,
  tile: i32,
  from: usize,
  height: i32,
  width: i32,
  channels: i32,
  above: i32,
  before: i32,
  step: i32,
  v: usize,
  jump: usize,
  plane: usize,
  work: usize,
): void {
  const at = work + ORDER;
  const right = columns(at) === 4 ? v + runIn(1, tile, at) : 0;
  const below = rows(at) === 4 ? v + runIn(2, tile, at) : 0;
  const corner = right && below ? v + runIn(3, tile, at) : 0;
  const to = v + runIn(0, tile, at);
  transformKind(kind, from, height, width, channels, above, before, step, to, right, below, corner, plane, SWEEP, jump, 4 * jump, work);
}

/**
 * sums[p][place][tile][8] (+)= V[place] U[p][place] for `panels` panels of 8 filters, the places that a kind has a part in and
 * the tiles of the block that have the place. Places of sums are in lines of six.
 *
 * @param v channels of the first six tiles, `jump` bytes to the next 16 channels, `plane` to the next place
 * @param u weights of the first panel, `weights` bytes to the next place, 25 of them to the next panel
 * @param sums of tile `first`
 */
function multiply(
  kind: i32,
  depth: i32,
  v: usize,
  jump: usize,
  plane: usize,
  u: usize,
  weights: usize,
  panels: i32,
  sums: usize,
  sumPlane: usize,
  first: i32,
  accumulate: bool,
  order: usize,
): void {
  for (let i = twoDown(kind) ? 0 : 1; i < 5; i++) {
    for (let j = twoAcross(kind) ? 0 : 1; j < 5; j++) {
      const place = <usize>(5 * i + j);
      const range = rangeOf(i, j);
      const begin = begins(order, range);
      const to = sums + <usize>(6 * i + j) * sumPlane + ((<usize>(begin - first)) << 5);
      const from = v + place * plane;
      const by = u + place * weights;
      tilesProduct(depth, from, jump, ends(order, range) - begin, by, PLACES * weights, panels, to, 36 * sumPlane, accumulate);
    }
  }
}

/** Zeros where `multiply` left nothing: at places that tiles do not have, and before place (`down`, `across`). */
function clearOthers(down: i32, across: i32, sums: usize, sumPlane: usize, panels: i32, first: i32, count: i32, order: usize): void {
  for (let i = 0; i < 5; i++) {
    for (let j = 0; j < 5; j++) {
      const has = i >= down && j >= across;
      const range = rangeOf(i, j);
      const before = has ? begins(order, range) - first : count;
      const past = has ? ends(order, range) - first : count;
      let at = sums + <usize>(6 * i + j) * sumPlane;
      for (let p = 0; p < panels; p++) {
        memory.fill(at, 0, (<usize>before) << 5);
        memory.fill(at + ((<usize>past) << 5), 0, (<usize>(count - past)) << 5);
        at += 36 * sumPlane;
      }
    }
  }
}

/** The input's transform V [25][4 channels / 16][tiles / 6][6][16]. Units are tiles; runs begin anew in each block of `block` tiles. */
export function stride2Input(
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
  block: i32,
): void {
  const jump = jumpOf(tiles);
  const plane = planeOf(tiles, 4 * channels);
  const at = scratch + ORDER;
  clearZeros(scratch);
  cut(at, tiles, outHeight, outWidth, 4);
  for (let tile = start; tile < end; tile++) {
    const first = tile - (tile % block);
    takeRanges(at, first, min(block, tiles - first));
    find(at, tile);
    const from = x + <usize>image(at) * ((<usize>(height * width * channels)) << 2);
    for (let kind = 0; kind < 4; kind++) {
      // a single tap is in the middle of three: tap 1 sees the pixel after the window's first
      const above = 2 * top(at) - padding - (twoDown(kind) ? 0 : 1);
      const before = 2 * left(at) - padding - (twoAcross(kind) ? 0 : 1);
      const to = v + <usize>(first / 6) * SIX_RUNS + <usize>(kind * (channels >> 4)) * jump;
      begin(kind, tile, from, height, width, channels, above, before, 2, to, jump, plane, scratch);
    }
  }
}

/**
 * y = conv(x) from the input's transform v, at least `floor`. Units are groups of `group` panels of 8 filters × blocks of `block`
 * tiles, the blocks of a group in a row; the filters are transformed `chunk` channels (a multiple of 16) at a time.
 */
export function stride2Panels(
  start: i32,
  end: i32,
  scratch: usize,
  v: usize,
  weight: usize,
  bias: usize,
  y: usize,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  tiles: i32,
  block: i32,
  group: i32,
  chunk: i32,
  floor: f32,
): void {
  const jump = jumpOf(tiles);
  const plane = planeOf(tiles, 4 * channels);
  const sumPlane = sumsOf(block);
  const weights = weightsOf(chunk);
  const panels = (filters + 7) >> 3;
  const blocks = (tiles + block - 1) / block;
  const sums = scratch + WORK;
  const u = sums + <usize>(group * 36) * sumPlane;
  const at = scratch + ORDER;
  const pixel = (<usize>filters) << 2;
  const line = pixel * outWidth;
  clearZeros(scratch);
  cut(at, tiles, outHeight, outWidth, 4);
  // the places of ∞ stay zero
  memory.fill(sums, 0, <usize>(group * 36) * sumPlane);
  for (let unit = start; unit < end; unit++) {
    const panel = (unit / blocks) * group;
    const first = (unit % blocks) * block;
    const some = min(group, panels - panel);
    const count = min(block, tiles - first);
    takeRanges(at, first, count);
    for (let turn = 0; turn < 4; turn++) {
      // kind 1 first: it has a part in all places
      const kind = turn < 2 ? 1 - turn : turn;
      for (let depth = 0; depth < channels; depth += chunk) {
        const deep = min(chunk, channels - depth);
        transformFiltersOf(kind, weight, channels, filters, depth, deep, panel * 8, some, u, weights, PLACES * weights, scratch, 0);
        const from = v + <usize>(first / 6) * SIX_RUNS + <usize>((kind * channels + depth) >> 4) * jump;
        multiply(kind, deep, from, jump, plane, u, weights, some, sums, sumPlane, first, turn + depth > 0, at);
      }
    }
    clearOthers(0, 0, sums, sumPlane, some, first, count, at);
    const has = min(some * 8, filters - panel * 8);
    takeBias(bias, panel * 8, filters, scratch);
    let from = sums;
    for (let tile = first; tile < first + count; tile++) {
      find(at, tile);
      const to = y + <usize>image(at) * line * outHeight + ((<usize>(panel * 8)) << 2);
      transformOutput(
        from,
        sumPlane,
        36 * sumPlane,
        to,
        line,
        pixel,
        outHeight,
        outWidth,
        has,
        4,
        rows(at),
        columns(at),
        top(at),
        left(at),
        floor,
        scratch,
      );
      from += 32;
    }
  }
}

/** The transform of dy as each kind sees it: V [4 kinds][25][filters / 16][tiles / 6][6][16]. Units: kinds × tiles. */
export function stride2GradientInput(
  start: i32,
  end: i32,
  scratch: usize,
  dy: usize,
  v: usize,
  height: i32,
  width: i32,
  padding: i32,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  tiles: i32,
  block: i32,
): void {
  const jump = jumpOf(tiles);
  const plane = planeOf(tiles, filters);
  const at = scratch + ORDER;
  clearZeros(scratch);
  cut(at, tiles, (height + 1) >> 1, (width + 1) >> 1, 4);
  for (let unit = start; unit < end; unit++) {
    const kind = unit / tiles;
    const tile = unit % tiles;
    const first = tile - (tile % block);
    takeRanges(at, first, min(block, tiles - first));
    find(at, tile);
    const from = dy + <usize>image(at) * ((<usize>(outHeight * outWidth * filters)) << 2);
    // pixel m of a kind with two taps sees outputs from m + ⌈padding / 2⌉ - 1 on, of one tap m + ⌊padding / 2⌋, the middle of three
    const above = top(at) + ((padding + (twoDown(kind) ? 1 : 0)) >> 1) - 1;
    const before = left(at) + ((padding + (twoAcross(kind) ? 1 : 0)) >> 1) - 1;
    const to = v + <usize>kind * PLACES * plane + <usize>(first / 6) * SIX_RUNS;
    begin(kind, tile, from, outHeight, outWidth, filters, above, before, 1, to, jump, plane, scratch);
  }
}

/** dx from v. Units are kinds × groups of `group` panels of 8 channels × blocks of tiles; `chunk` filters at a time. */
export function stride2GradientPanels(
  start: i32,
  end: i32,
  scratch: usize,
  v: usize,
  weight: usize,
  dx: usize,
  height: i32,
  width: i32,
  channels: i32,
  padding: i32,
  filters: i32,
  tiles: i32,
  block: i32,
  group: i32,
  chunk: i32,
): void {
  const jump = jumpOf(tiles);
  const plane = planeOf(tiles, filters);
  const sumPlane = sumsOf(block);
  const weights = weightsOf(chunk);
  const panels = (channels + 7) >> 3;
  const blocks = (tiles + block - 1) / block;
  const groups = (panels + group - 1) / group;
  const sums = scratch + WORK;
  const u = sums + <usize>(group * 36) * sumPlane;
  const turned = u + <usize>group * PLACES * weights;
  const at = scratch + ORDER;
  const pixel = (<usize>channels) << 2;
  const line = pixel * width;
  clearZeros(scratch);
  cut(at, tiles, (height + 1) >> 1, (width + 1) >> 1, 4);
  // the places of ∞ stay zero
  memory.fill(sums, 0, <usize>(group * 36) * sumPlane);
  for (let unit = start; unit < end; unit++) {
    const kind = unit / (groups * blocks);
    const panel = ((unit / blocks) % groups) * group;
    const first = (unit % blocks) * block;
    const some = min(group, panels - panel);
    const count = min(block, tiles - first);
    takeRanges(at, first, count);
    for (let depth = 0; depth < filters; depth += chunk) {
      const deep = min(chunk, filters - depth);
      transformFiltersOf(kind, weight, filters, channels, depth, deep, panel * 8, some, u, weights, PLACES * weights, scratch, turned);
      const from = v + <usize>kind * PLACES * plane + <usize>(first / 6) * SIX_RUNS + <usize>(depth >> 4) * jump;
      multiply(kind, deep, from, jump, plane, u, weights, some, sums, sumPlane, first, depth > 0, at);
    }
    clearOthers(twoDown(kind) ? 0 : 1, twoAcross(kind) ? 0 : 1, sums, sumPlane, some, first, count, at);
    // the kind's first pixel, and how many it has
    const upper = twoDown(kind) ? padding & 1 : 1 - (padding & 1);
    const leftmost = twoAcross(kind) ? padding & 1 : 1 - (padding & 1);
    const high = (height - upper + 1) >> 1;
    const wide = (width - leftmost + 1) >> 1;
    const has = min(some * 8, channels - panel * 8);
    takeBias(0, panel * 8, channels, scratch);
    let from = sums;
    for (let tile = first; tile < first + count; tile++) {
      find(at, tile);
      if (left(at) < wide) {
        const pixels = dx + <usize>(image(at) * height + upper) * line + <usize>leftmost * pixel + ((<usize>(panel * 8)) << 2);
        transformOutput(
          from,
          sumPlane,
          36 * sumPlane,
          pixels,
          2 * line,
          2 * pixel,
          high,
          wide,
          has,
          4,
          rows(at),
          columns(at),
          top(at),
          left(at),
          -Infinity,
          scratch,
        );
      }
      from += 32;
    }
  }
}
