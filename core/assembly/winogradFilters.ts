/**
 * Filters into the 36 planes of their transform: U = G g Gᵀ, as [filters / 8][36][depth][8] where `tileProduct` reads them. Filters
 * of the input's gradient are turned by 180 degrees and transposed on the way.
 */
import { filterColumn4, filterLine4 } from './winogradFour';
import { filterColumn3, filterColumn5, filterLine3, filterLine5, LINE, PLACE } from './winogradTransforms';

/** turned[tap][d][f] = weight[taps - 1 - tap][f][d] for d and f from their firsts on; f beyond the last repeats it. */
export function turn(
  weight: usize,
  taps: i32,
  firstDepth: i32,
  depth: i32,
  depths: i32,
  firstFilter: i32,
  width: i32,
  filters: i32,
  to: usize,
): void {
  const row = (<usize>width) << 2;
  const line = (<usize>depths) << 2;
  for (let tap = taps - 1; tap >= 0; tap--) {
    const plane = weight + <usize>(tap * filters) * line + ((<usize>firstDepth) << 2);
    for (let f = 0; f < width; f += 4) {
      const r0 = plane + <usize>min(firstFilter + f, filters - 1) * line;
      const r1 = plane + <usize>min(firstFilter + f + 1, filters - 1) * line;
      const r2 = plane + <usize>min(firstFilter + f + 2, filters - 1) * line;
      const r3 = plane + <usize>min(firstFilter + f + 3, filters - 1) * line;
      let at = to + ((<usize>f) << 2);
      for (let d: usize = 0; d < (<usize>depth) << 2; d += 16) {
        const v0 = v128.load(r0 + d);
        const v1 = v128.load(r1 + d);
        const v2 = v128.load(r2 + d);
        const v3 = v128.load(r3 + d);
        const low01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
        const low23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
        const high01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
        const high23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
        v128.store(at, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
        at += row;
        v128.store(at, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
        at += row;
        v128.store(at, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
        at += row;
        v128.store(at, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
        at += row;
      }
    }
    // depth is worked on in fours
    to += row * (<usize>(depth + 3) & ~3);
  }
}

/**
 * The transform of filters [taps,depths,filters] (turned: of [taps,filters,depths]) for `depth` of the depths and `panels` panels of 8
 * filters, eight panels at most. Filters beyond the last get anything.
 *
 * @param to where plane 0 gets the first depth of the first panel; `plane` and `panel` bytes to the next ones
 * @param square 6 × 6 runs
 * @param turned where taps · (depth + 3) · 8 panels floats may be kept; 0 if the filters are not turned
 */
export function transformFilters(
  weight: usize,
  taps: i32,
  depths: i32,
  filters: i32,
  firstDepth: i32,
  depth: i32,
  firstFilter: i32,
  panels: i32,
  to: usize,
  plane: usize,
  panel: usize,
  square: usize,
  turned: usize,
): void {
  let from: usize;
  let row: usize;
  let tap: usize;
  if (turned !== 0) {
    turn(weight, taps, firstDepth, depth, depths, firstFilter, 8 * panels, filters, turned);
    from = turned;
    row = (<usize>panels) << 5;
    tap = row * (<usize>(depth + 3) & ~3);
  } else {
    row = (<usize>filters) << 2;
    tap = row * depths;
    from = weight + <usize>firstDepth * row + ((<usize>firstFilter) << 2);
  }
  for (let d = 0; d < depth; d++) {
    if (taps === 9) {
      for (let s: usize = 0; s < 3; s++) filterColumn3(from + s * tap, 3 * tap, panels << 1, square + s * PLACE);
      for (let i: usize = 0; i < 6; i++) filterLine3(square + i * LINE, panels, to + i * 6 * plane, plane, panel);
    } else if (taps === 16) {
      for (let s: usize = 0; s < 4; s++) filterColumn4(from + s * tap, 4 * tap, panels << 1, square + s * PLACE);
      for (let i: usize = 0; i < 6; i++) filterLine4(square + i * LINE, panels, to + i * 6 * plane, plane, panel);
    } else {
      for (let s: usize = 0; s < 5; s++) filterColumn5(from + s * tap, 5 * tap, panels << 1, square + s * PLACE);
      for (let i: usize = 0; i < 6; i++) filterLine5(square + i * LINE, panels, to + i * 6 * plane, plane, panel);
    }
    from += row;
    to += 32;
  }
}
