/**
 * 3 × 3 convolutions of stride 2 by Winograd's method: the four kinds of pixels of `winogradStride2Tiles.ts` are four times the
 * channels, of which each place multiplies a range. All filters are transformed first; then each block of tiles goes through input
 * transform, products and output transform while it is in a core's cache. Channels are a multiple of 16.
 */
import { SIX_RUNS, tileProduct } from './winogradProducts';
import { PLACES, transformFiltersOf, transformKind, twoAcross, twoDown } from './winogradStride2Tiles';
import { clearZeros, takeBias, transformOutput, WORK } from './winogradTiles';
import { SWEEP } from './winogradTransforms';

/** Bytes of a place's weights of so many depths, and 64 more, as planes of tiles have: or they would share the cache's sets. */
function weightsOf(depths: i32): usize {
  return ((<usize>depths) << 5) + 64;
}
/** Where six tiles' runs begin: [tiles / 6][4 channels / 16][6][16]. */
function runsOf(channels: i32): usize {
  return <usize>(channels >> 2) * SIX_RUNS;
}
function planeOf(tiles: i32, channels: i32): usize {
  return <usize>((tiles + 5) / 6) * runsOf(channels) + 64;
}

/**
 * The filters' transform [filters / 8][25][4 channels + 2][8]. Units: `group` panels × `chunk` channels of one kind, those of a
 * group in a row; `chunk` divides the channels.
 */
export function stride2Filters(
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
  const panels = (filters + 7) >> 3;
  const chunks = (4 * channels) / chunk;
  const plane = weightsOf(4 * channels);
  clearZeros(scratch);
  for (let unit = start; unit < end; unit++) {
    const first = (unit / chunks) * group;
    const depth = (unit % chunks) * chunk;
    const to = u + <usize>first * PLACES * plane + ((<usize>depth) << 5);
    const some = min(group, panels - first);
    const kind = depth / channels;
    transformFiltersOf(kind, weight, channels, filters, depth % channels, chunk, first * 8, some, to, plane, PLACES * plane, scratch, 0);
  }
}

/**
 * sums[p][place][tile][8] = V[place] U[p][place] for `panels` panels of 8 filters, 25 places and `sixes` times six tiles, over
 * the kinds that have a part in a place. Places of sums are in lines of six.
 *
 * @param v channels of the first six tiles, `runs` bytes to the next six, `plane` to the next place
 * @param u weights of the first panel, `weights` bytes to the next place, 25 of them to the next panel
 */
function multiply(
  channels: i32,
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
  for (let place = 0; place < <i32>PLACES; place++) {
    const i = place / 5;
    const j = place % 5;
    // kinds 0 and 1 have a part in the first line, 1 and 2 in the first column
    const low = j === 0 ? channels : 0;
    const high = i === 0 ? 2 * channels : j === 0 ? 3 * channels : 4 * channels;
    let from = v + <usize>place * plane + <usize>(low >> 4) * SIX_RUNS;
    const weight = u + <usize>place * weights + ((<usize>low) << 5);
    let to = sums + <usize>(6 * i + j) * sumPlane;
    for (let six = 0; six < sixes; six++) {
      let by = weight;
      let at = to;
      for (let p = 0; p < panels; p++) {
        tileProduct(high - low, from, SIX_RUNS, by, at, false);
        by += PLACES * weights;
        at += 36 * sumPlane;
      }
      from += runs;
      to += 192;
    }
  }
}

/** The output transform of `count` tiles from the `first` on, for the panels that begin with filter `filter`. */
function finish(
  sums: usize,
  sumPlane: usize,
  first: i32,
  count: i32,
  filter: i32,
  panels: i32,
  bias: usize,
  y: usize,
  height: i32,
  width: i32,
  filters: i32,
  floor: f32,
  work: usize,
): void {
  const down = (height + 3) >> 2;
  const across = (width + 3) >> 2;
  const pixel = (<usize>filters) << 2;
  const line = pixel * width;
  const some = min(panels * 8, filters - filter);
  takeBias(bias, filter, filters, work);
  for (let tile = first; tile < first + count; tile++) {
    const row = tile / across;
    const top = (row % down) << 2;
    const left = (tile % across) << 2;
    const to = y + <usize>(row / down) * line * height + ((<usize>filter) << 2);
    transformOutput(sums, sumPlane, 36 * sumPlane, to, line, pixel, height, width, some, 4, 4, 4, top, left, floor, work);
    sums += 32;
  }
}

/** The input transform of all kinds of a tile, into run `run` of `v` [25][block / 6][4 channels / 16][6][16]. */
function begin(
  tile: i32,
  run: i32,
  x: usize,
  height: i32,
  width: i32,
  channels: i32,
  padding: i32,
  outHeight: i32,
  outWidth: i32,
  v: usize,
  plane: usize,
  work: usize,
): void {
  const down = (outHeight + 3) >> 2;
  const across = (outWidth + 3) >> 2;
  const row = tile / across;
  const image = x + <usize>(row / down) * ((<usize>(height * width * channels)) << 2);
  const top = 8 * (row % down) - padding;
  const left = 8 * (tile % across) - padding;
  let to = v + <usize>(run / 6) * runsOf(channels) + ((<usize>(run % 6)) << 6);
  for (let kind = 0; kind < 4; kind++) {
    // a single tap is in the middle of three: tap 1 sees the pixel after the window's first
    const above = top - (twoDown(kind) ? 0 : 1);
    const before = left - (twoAcross(kind) ? 0 : 1);
    transformKind(kind, image, height, width, channels, above, before, 2, to, to, to, to, plane, SWEEP, SIX_RUNS, 4 * SIX_RUNS, work);
    to += <usize>(channels >> 4) * SIX_RUNS;
  }
}

/** y = conv(x) from the filters' transform u, at least `floor`. Units are blocks of `block` tiles; `group` panels go through at a time. */
export function stride2Tiles(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  u: usize,
  bias: usize,
  y: usize,
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
  floor: f32,
): void {
  const plane = planeOf(block, channels);
  const sumPlane = (<usize>block) << 5;
  const weights = weightsOf(4 * channels);
  const panels = (filters + 7) >> 3;
  const v = scratch + WORK;
  const sums = v + PLACES * plane;
  clearZeros(scratch);
  // the places of ∞ stay zero
  memory.fill(sums, 0, <usize>(group * 36) * sumPlane);
  for (let unit = start; unit < end; unit++) {
    const first = unit * block;
    const count = min(block, tiles - first);
    const sixes = (count + 5) / 6;
    for (let t = 0; t < count; t++) {
      begin(first + t, t, x, height, width, channels, padding, outHeight, outWidth, v, plane, scratch);
    }
    for (let panel = 0; panel < panels; panel += group) {
      const some = min(group, panels - panel);
      const by = u + <usize>panel * PLACES * weights;
      multiply(channels, v, runsOf(channels), plane, sixes, by, weights, some, sums, sumPlane);
      finish(sums, sumPlane, first, count, panel * 8, some, bias, y, outHeight, outWidth, filters, floor, scratch);
    }
  }
}
