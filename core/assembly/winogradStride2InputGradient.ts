/**
 * The input's gradient of a 3 × 3 convolution of stride 2 by Winograd's method: each of the four kinds of pixels of
 * `winogradStride2Tiles.ts` is a convolution of stride 1 of the output's gradient with the kind's taps, turned and transposed,
 * and ends in every second pixel of every second row. All filters are
 * transformed first, then go blocks of tiles of one kind, as in `winogradStride2.ts`.
 *
 * Tiles are numbered alike for all kinds: a kind that has a row (column) less leaves those beside it out.
 */
import { SIX_RUNS, tileProduct } from './winogradProducts';
import { PLACES, transformFiltersOf, transformKind, twoAcross, twoDown } from './winogradStride2Tiles';
import { clearZeros, takeBias, transformOutput, WORK } from './winogradTiles';
import { SWEEP } from './winogradTransforms';

/** Bytes of a place's weights of so many depths, and 64 more, as planes of tiles have: or they would share the cache's sets. */
function weightsOf(depths: i32): usize {
  return ((<usize>depths) << 5) + 64;
}
/** Where six tiles' runs begin: [tiles / 6][filters / 16][6][16]. */
function runsOf(filters: i32): usize {
  return <usize>((filters + 15) >> 4) * SIX_RUNS;
}
function planeOf(tiles: i32, filters: i32): usize {
  return <usize>((tiles + 5) / 6) * runsOf(filters) + 64;
}
/** Tiles along `size` pixels. */
function tilesOf(size: i32): i32 {
  return (((size + 1) >> 1) + 3) >> 2;
}
/** The first pixel of a kind with two taps or one. */
function firstOf(two: bool, padding: i32): i32 {
  return two ? padding & 1 : 1 - (padding & 1);
}

/** The filters' transform [4 kinds][channels / 8][25][filters + 2][8]. Units: kinds × `group` panels × `chunk` filters. */
export function stride2TurnedFilters(
  start: i32,
  end: i32,
  scratch: usize,
  weight: usize,
  u: usize,
  channels: i32,
  filters: i32,
  group: i32,
  chunk: i32,
): void {
  const panels = (channels + 7) >> 3;
  const groups = (panels + group - 1) / group;
  const chunks = (filters + chunk - 1) / chunk;
  const plane = weightsOf(filters);
  clearZeros(scratch);
  for (let unit = start; unit < end; unit++) {
    const kind = unit / (groups * chunks);
    const first = ((unit / chunks) % groups) * group;
    const depth = (unit % chunks) * chunk;
    const some = min(group, panels - first);
    const deep = min(chunk, filters - depth);
    const to = u + <usize>(kind * panels + first) * PLACES * plane + ((<usize>depth) << 5);
    const turned = scratch + WORK;
    transformFiltersOf(kind, weight, filters, channels, depth, deep, first * 8, some, to, plane, PLACES * plane, scratch, turned);
  }
}

/** The transform of one tile's window of dy, as a kind sees it, into the run at `to`. */
function begin(
  kind: i32,
  tile: i32,
  dy: usize,
  height: i32,
  width: i32,
  padding: i32,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  to: usize,
  plane: usize,
  work: usize,
): void {
  const down = tilesOf(height);
  const across = tilesOf(width);
  const row = tile / across;
  const image = dy + <usize>(row / down) * ((<usize>(outHeight * outWidth * filters)) << 2);
  // pixel m of a kind with two taps sees outputs from m + ⌈padding / 2⌉ - 1 on, of one tap m + ⌊padding / 2⌋, the middle of three
  const top = 4 * (row % down) + ((padding + (twoDown(kind) ? 1 : 0)) >> 1) - 1;
  const left = 4 * (tile % across) + ((padding + (twoAcross(kind) ? 1 : 0)) >> 1) - 1;
  transformKind(kind, image, outHeight, outWidth, filters, top, left, 1, to, to, to, to, plane, SWEEP, SIX_RUNS, 4 * SIX_RUNS, work);
}

/**
 * sums[p][place][tile][8] = V[place] U[p][place] for `panels` panels of 8 channels, the kind's places and `sixes` times six
 * tiles; zero at the kind's other places. Places of sums are in lines of six.
 */
function multiply(
  kind: i32,
  depth: i32,
  v: usize,
  runs: usize,
  plane: usize,
  sixes: i32,
  u: usize,
  weights: usize,
  panels: i32,
  sums: usize,
  sumPlane: usize,
): void {
  const one = twoDown(kind) ? 0 : 1;
  const single = twoAcross(kind) ? 0 : 1;
  for (let i = 0; i < 5; i++) {
    for (let j = 0; j < 5; j++) {
      const place = <usize>(5 * i + j);
      let to = sums + <usize>(6 * i + j) * sumPlane;
      if (i < one || j < single) {
        for (let p = 0; p < panels; p++) {
          memory.fill(to, 0, sumPlane);
          to += 36 * sumPlane;
        }
        continue;
      }
      let from = v + place * plane;
      for (let six = 0; six < sixes; six++) {
        let by = u + place * weights;
        let at = to;
        for (let p = 0; p < panels; p++) {
          tileProduct(depth, from, SIX_RUNS, by, at, false);
          by += PLACES * weights;
          at += 36 * sumPlane;
        }
        from += runs;
        to += 192;
      }
    }
  }
}

/** The output transform of `count` tiles from the `first` on into a kind's pixels, for the panels that begin with `channel`. */
function finish(
  kind: i32,
  sums: usize,
  sumPlane: usize,
  first: i32,
  count: i32,
  channel: i32,
  panels: i32,
  dx: usize,
  height: i32,
  width: i32,
  padding: i32,
  channels: i32,
  work: usize,
): void {
  const down = tilesOf(height);
  const across = tilesOf(width);
  const upper = firstOf(twoDown(kind), padding);
  const leftmost = firstOf(twoAcross(kind), padding);
  const rows = (height - upper + 1) >> 1;
  const columns = (width - leftmost + 1) >> 1;
  const pixel = (<usize>channels) << 2;
  const line = pixel * width;
  const some = min(panels * 8, channels - channel);
  const pixels = dx + <usize>upper * line + <usize>leftmost * pixel + ((<usize>channel) << 2);
  takeBias(0, channel, channels, work);
  for (let tile = first; tile < first + count; tile++) {
    const row = tile / across;
    const top = (row % down) << 2;
    const left = (tile % across) << 2;
    const to = pixels + <usize>(row / down) * line * height;
    if (left < columns) {
      transformOutput(sums, sumPlane, 36 * sumPlane, to, 2 * line, 2 * pixel, rows, columns, some, 4, 4, 4, top, left, -Infinity, work);
    }
    sums += 32;
  }
}

/** dx from the filters' transform u. Units are kinds × blocks of `block` tiles; `group` panels of 8 channels go through at a time. */
export function stride2GradientTiles(
  start: i32,
  end: i32,
  scratch: usize,
  dy: usize,
  u: usize,
  dx: usize,
  height: i32,
  width: i32,
  channels: i32,
  padding: i32,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  tiles: i32,
  block: i32,
  group: i32,
): void {
  const plane = planeOf(block, filters);
  const sumPlane = (<usize>block) << 5;
  const weights = weightsOf(filters);
  const panels = (channels + 7) >> 3;
  const blocks = (tiles + block - 1) / block;
  const v = scratch + WORK;
  const sums = v + PLACES * plane;
  clearZeros(scratch);
  // the places of ∞ stay zero
  memory.fill(sums, 0, <usize>(group * 36) * sumPlane);
  for (let unit = start; unit < end; unit++) {
    const kind = unit / blocks;
    const first = (unit % blocks) * block;
    const count = min(block, tiles - first);
    const sixes = (count + 5) / 6;
    for (let t = 0; t < count; t++) {
      const to = v + <usize>(t / 6) * runsOf(filters) + ((<usize>(t % 6)) << 6);
      begin(kind, first + t, dy, height, width, padding, outHeight, outWidth, filters, to, plane, scratch);
    }
    for (let panel = 0; panel < panels; panel += group) {
      const some = min(group, panels - panel);
      const by = u + <usize>(kind * panels + panel) * PLACES * weights;
      multiply(kind, filters, v, runsOf(filters), plane, sixes, by, weights, some, sums, sumPlane);
      finish(kind, sums, sumPlane, first, count, panel * 8, some, dx, height, width, padding, channels, scratch);
    }
  }
}
