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
import { SIX_RUNS, tileProduct } from './winogradProducts';
import { clearZeros, takeBias, transformInput, transformOutput, WORK } from './winogradTiles';
import { LINE } from './winogradTransforms';

/** The filters' transform U [filters / 8][36][depths][8]. Units: `group` panels × `chunk` depths, the chunks of a group in a row. */
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
  const plane = (<usize>depths) << 5;
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
      scratch,
      turned ? scratch + 6 * LINE : 0,
    );
  }
}

/** Units are blocks of `block` tiles, a multiple of 6. `group` is how many panels of 8 filters go through at a time. */
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
  down: i32,
  across: i32,
  tiles: i32,
  block: i32,
  group: i32,
  floor: f32,
): void {
  const runs = <usize>((depths + 15) >> 4) * SIX_RUNS;
  // not a multiple of 4096 bytes, or all planes of a place would share the cache's sets
  const plane = <usize>(block / 6) * runs + 64;
  const sumPlane = (<usize>block) << 5;
  const panels = (filters + 7) >> 3;
  const v = scratch + WORK;
  const sums = v + 36 * plane;
  const weights = (<usize>depths) << 5;
  const image = (<usize>(height * width * depths)) << 2;
  const outImage = (<usize>(outHeight * outWidth * filters)) << 2;
  clearZeros(scratch);
  for (let unit = start; unit < end; unit++) {
    const first = unit * block;
    const count = min(block, tiles - first);
    for (let t = 0; t < count; t++) {
      const column = (first + t) % across;
      const row = (first + t) / across;
      const to = v + <usize>(t / 6) * runs + ((<usize>(t % 6)) << 6);
      const at = x + <usize>(row / down) * image;
      transformInput(at, height, width, depths, (row % down) * size - padding, column * size - padding, to, plane, SIX_RUNS, scratch);
    }
    const sixes = (count + 5) / 6;
    for (let panel = 0; panel < panels; panel += group) {
      const some = min(group, panels - panel);
      for (let place = 0; place < 36; place++) {
        for (let six = 0; six < sixes; six++) {
          const from = v + <usize>place * plane + <usize>six * runs;
          const to = sums + <usize>place * sumPlane + <usize>six * 192;
          for (let p = 0; p < some; p++) {
            tileProduct(depths, from, u + <usize>((panel + p) * 36 + place) * weights, to + <usize>(p * 36) * sumPlane, false);
          }
        }
      }
      takeBias(bias, panel * 8, filters, scratch);
      for (let t = 0; t < count; t++) {
        const column = (first + t) % across;
        const row = (first + t) / across;
        transformOutput(
          sums + ((<usize>t) << 5),
          sumPlane,
          36 * sumPlane,
          y + <usize>(row / down) * outImage + ((<usize>panel) << 5),
          outHeight,
          outWidth,
          filters,
          min(some * 8, filters - panel * 8),
          (row % down) * size,
          column * size,
          floor,
          scratch,
        );
      }
    }
  }
}
