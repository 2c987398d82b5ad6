/**
 * Convolutions of stride 1 by Winograd's method: each tile of 6 × 6 inputs gives 4 × 4 outputs of a 3 × 3 filter, or 2 × 2 of a
 * 5 × 5 one, through 36 products per channel instead of 144 (100). The 36 products of all tiles, channels and filters are 36
 * matrix products. See `winogradTransforms.ts` for the transforms.
 *
 * Two orders, which differ in what is transformed once and what again and again:
 *  - many tiles: all filters first; then each block of tiles goes through input transform, products and output transform while it
 *    is in a core's cache;
 *  - few tiles: all tiles first; then each group of filters goes through filter transform, products and output transform.
 *
 * The input's gradient is the same with the output's gradient as input and the filters turned and transposed.
 */
import { transformFilters } from './winogradFilters';
import { begins, columns, cut, ends, find, image, kindOf, left, rows, takeRanges, top } from './winogradOrder';
import { runOf, SIX_RUNS, tilesProduct } from './winogradProducts';
import { clearZeros, ORDER, SQUARE, takeBias, transformInput, transformOutput, WORK } from './winogradTiles';
import { SWEEP } from './winogradTransforms';

/** Bytes of a place's weights [depths][8], and 64 more: see `planeOf`. */
function weightsOf(depths: i32): usize {
  return ((<usize>depths) << 5) + 64;
}

/** The filters' transform U [filters / 8][36][depths + 2][8]. Units: `group` panels × `chunk` depths, the chunks of a group in a row. */
export function winogradFilters(
  start: i32,
  end: i32,
  scratch: usize,
  weight: usize,
  u: usize,
  taps: i32,
  depths: i32,
  filters: i32,
  group: i32,
  chunk: i32,
  turned: i32,
): void {
  const panels = (filters + 7) >> 3;
  const chunks = (depths + chunk - 1) / chunk;
  const plane = weightsOf(depths);
  for (let unit = start; unit < end; unit++) {
    const first = (unit / chunks) * group;
    const depth = (unit % chunks) * chunk;
    transformFilters(
      weight,
      taps,
      depths,
      filters,
      depth,
      min(chunk, depths - depth),
      first * 8,
      min(group, panels - first),
      u + <usize>(first * 36) * plane + ((<usize>depth) << 5),
      plane,
      36 * plane,
      scratch + SQUARE,
      turned ? scratch + WORK : 0,
    );
  }
}

/**
 * sums[p][place][tile][8] (+)= V[place] U[p][place] for `panels` panels of 8 filters, 36 places and the tiles of the block that
 * have the place: their ranges are in the order's table. Sums of other tiles get anything.
 *
 * @param v channels of the first six tiles, `jump` bytes to the next 16 channels, `plane` to the next place
 * @param u weights of the first panel, `weights` bytes to the next place, 36 of them to the next panel
 * @param sums of tile `first`
 */
function multiply(
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
  work: usize,
): void {
  for (let place: usize = 0; place < 36; place++) {
    const kind = kindOf(<i32>place);
    const begin = begins(work + ORDER, kind);
    const count = ends(work + ORDER, kind) - begin;
    const to = sums + place * sumPlane + ((<usize>(begin - first)) << 5);
    tilesProduct(depth, v + place * plane, jump, count, u + place * weights, 36 * weights, panels, to, 36 * sumPlane, accumulate);
  }
}
/** Bytes of the sums of a place for a block of so many tiles, and of what `tilesProduct` may write past them. */
function sumsOf(block: i32): usize {
  return (<usize>(block + 5)) << 5;
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
  size: i32,
  floor: f32,
  work: usize,
): void {
  const pixel = (<usize>filters) << 2;
  const line = pixel * width;
  const some = min(panels * 8, filters - filter);
  const at = work + ORDER;
  takeBias(bias, filter, filters, work);
  for (let tile = first; tile < first + count; tile++) {
    find(at, tile);
    const to = y + <usize>image(at) * line * height + ((<usize>filter) << 2);
    transformOutput(
      sums,
      sumPlane,
      36 * sumPlane,
      to,
      line,
      pixel,
      height,
      width,
      some,
      size,
      rows(at),
      columns(at),
      top(at),
      left(at),
      floor,
      work,
    );
    sums += 32;
  }
}

/**
 * The input transform of a tile: into its runs of `v`, where the runs of a place begin with the first tile of the block that has
 * the place.
 */
function begin(
  tile: i32,
  x: usize,
  height: i32,
  width: i32,
  depths: i32,
  padding: i32,
  size: i32,
  v: usize,
  jump: usize,
  plane: usize,
  work: usize,
): void {
  const at = work + ORDER;
  find(at, tile);
  const long = columns(at) === size;
  const high = rows(at) === size;
  transformInput(
    x + <usize>image(at) * ((<usize>(height * width * depths)) << 2),
    height,
    width,
    depths,
    top(at) - padding,
    left(at) - padding,
    v + runIn(0, tile, at),
    long ? v + runIn(1, tile, at) : 0,
    high ? v + runIn(2, tile, at) : 0,
    long && high ? v + runIn(3, tile, at) : 0,
    plane,
    SWEEP,
    jump,
    4 * jump,
    work,
  );
}

/**
 * Bytes from 16 channels to the next 16 in a plane [depths / 16][tiles / 6][6][16]: what the products read between two transforms of
 * filters is a few streams. 64 bytes more, so that runs do not share the cache's sets.
 */
function jumpOf(tiles: i32): usize {
  return <usize>((tiles + 5) / 6) * SIX_RUNS + 64;
}
/** Bytes of a plane: not a multiple of 4096, or all planes of a tile would share the cache's sets. */
function planeOf(tiles: i32, depths: i32): usize {
  return <usize>((depths + 15) >> 4) * jumpOf(tiles) + 64;
}
/** Where a tile's runs begin, in bytes from the block's first, for the places of a kind. */
function runIn(kind: i32, tile: i32, order: usize): usize {
  const first = begins(order, kind);
  return runOf(tile - first, ends(order, kind) - first);
}

/**
 * y = conv(x) from the filters' transform u. Units are blocks of `block` tiles; `group` panels of 8 filters go through at a time.
 * y is at least `floor`.
 */
export function winogradTiles(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  u: usize,
  bias: usize,
  y: usize,
  height: i32,
  width: i32,
  depths: i32,
  padding: i32,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  size: i32,
  tiles: i32,
  block: i32,
  group: i32,
  floor: f32,
): void {
  const jump = jumpOf(block);
  const plane = planeOf(block, depths);
  const sumPlane = sumsOf(block);
  const weights = weightsOf(depths);
  const panels = (filters + 7) >> 3;
  const v = scratch + WORK;
  const sums = v + 36 * plane;
  clearZeros(scratch);
  cut(scratch + ORDER, tiles, outHeight, outWidth, size);
  for (let unit = start; unit < end; unit++) {
    const first = unit * block;
    const count = min(block, tiles - first);
    takeRanges(scratch + ORDER, first, count);
    for (let t = 0; t < count; t++) begin(first + t, x, height, width, depths, padding, size, v, jump, plane, scratch);
    for (let panel = 0; panel < panels; panel += group) {
      const some = min(group, panels - panel);
      const by = u + <usize>(panel * 36) * weights;
      multiply(depths, v, jump, plane, by, weights, some, sums, sumPlane, first, false, scratch);
      finish(sums, sumPlane, first, count, panel * 8, some, bias, y, outHeight, outWidth, filters, size, floor, scratch);
    }
  }
}

/**
 * The input's transform V [36][depths / 16][tiles / 6][6][16], 64 bytes between planes and between runs. Units are tiles; the runs of a place begin
 * anew in each block of `block` tiles, a multiple of six.
 */
export function winogradInput(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  v: usize,
  height: i32,
  width: i32,
  depths: i32,
  padding: i32,
  outHeight: i32,
  outWidth: i32,
  size: i32,
  tiles: i32,
  block: i32,
): void {
  const jump = jumpOf(tiles);
  const plane = planeOf(tiles, depths);
  clearZeros(scratch);
  cut(scratch + ORDER, tiles, outHeight, outWidth, size);
  for (let tile = start; tile < end; tile++) {
    const first = tile - (tile % block);
    takeRanges(scratch + ORDER, first, min(block, tiles - first));
    begin(tile, x, height, width, depths, padding, size, v + <usize>(first / 6) * SIX_RUNS, jump, plane, scratch);
  }
}

/**
 * y = conv(x) from the input's transform v. Units are groups of `group` panels of 8 filters × blocks of `block` tiles, the blocks
 * of a group in a row; the filters are transformed `chunk` depths (a multiple of 16) at a time.
 */
export function winogradPanels(
  start: i32,
  end: i32,
  scratch: usize,
  v: usize,
  weight: usize,
  bias: usize,
  y: usize,
  taps: i32,
  depths: i32,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  size: i32,
  tiles: i32,
  block: i32,
  group: i32,
  chunk: i32,
  turned: i32,
  floor: f32,
): void {
  const jump = jumpOf(tiles);
  const plane = planeOf(tiles, depths);
  const sumPlane = sumsOf(block);
  const weights = weightsOf(chunk);
  const panels = (filters + 7) >> 3;
  const blocks = (tiles + block - 1) / block;
  const sums = scratch + WORK;
  const u = sums + <usize>(group * 36) * sumPlane;
  const turning = turned ? u + <usize>(group * 36) * weights : 0;
  cut(scratch + ORDER, tiles, outHeight, outWidth, size);
  for (let unit = start; unit < end; unit++) {
    const panel = (unit / blocks) * group;
    const first = (unit % blocks) * block;
    const some = min(group, panels - panel);
    const count = min(block, tiles - first);
    takeRanges(scratch + ORDER, first, count);
    for (let depth = 0; depth < depths; depth += chunk) {
      const deep = min(chunk, depths - depth);
      transformFilters(weight, taps, depths, filters, depth, deep, panel * 8, some, u, weights, 36 * weights, scratch + SQUARE, turning);
      const from = v + <usize>(first / 6) * SIX_RUNS + <usize>(depth >> 4) * jump;
      multiply(deep, from, jump, plane, u, weights, some, sums, sumPlane, first, depth > 0, scratch);
    }
    finish(sums, sumPlane, first, count, panel * 8, some, bias, y, outHeight, outWidth, filters, size, floor, scratch);
  }
}
