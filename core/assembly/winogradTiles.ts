/** A tile from an image into the 36 planes of its transform, and from the 36 planes of sums into an image. */
import { gradientColumn3, gradientLine3, outputColumn3, outputLine3 } from './winogradFour';
import { gradientColumn2, gradientColumn4, gradientLine2, gradientLine4 } from './winogradGradients';
import { ORDER_BYTES } from './winogradOrder';
import { inputColumn, inputLine, LINE, outputColumn2, outputColumn4, outputLine2, outputLine4, PLACE, SWEEP } from './winogradTransforms';

/**
 * A thread's scratch begins with a run of zeros, a run of the bias, runs for what falls beside the image, a square of runs, and the
 * table of `winogradOrder.ts`.
 */
export const ZEROS: i32 = 0;
const BIAS: i32 = PLACE;
const BESIDE: i32 = 2 * PLACE;
export const SQUARE: i32 = 6 * PLACE;
export const ORDER: i32 = SQUARE + 6 * LINE;
/** Bytes of all that. */
export const WORK: i32 = ORDER + ORDER_BYTES;

export function clearZeros(work: usize): void {
  memory.fill(work + ZEROS, 0, PLACE);
}

/**
 * Bᵀ d B of the 6 × 6 pixels whose first is (top, left), zero beside the image, for all channels.
 *
 * @param image address of pixel (0, 0)
 * @param to where the first plane gets channel 0: its channels lie in runs of 16, `jump` bytes apart, `sweep` of them (64 or less) in
 *   a row, and `leap` bytes from these to the next
 * @param right the same for places in the last column, as if the first plane had one; 0 if the tile is short across
 * @param below the same for places in the last line, 0 if the tile is short down
 * @param corner for the place in both, 0 if the tile is short at all
 * @param plane bytes from one plane to the next
 */
export function transformInput(
  image: usize,
  height: i32,
  width: i32,
  channels: i32,
  top: i32,
  left: i32,
  to: usize,
  right: usize,
  below: usize,
  corner: usize,
  plane: usize,
  sweep: i32,
  jump: usize,
  leap: usize,
  work: usize,
): void {
  const zeros = work + ZEROS;
  const square = work + SQUARE;
  const pixel = (<usize>channels) << 2;
  const line = pixel * width;
  let done: usize = 0;
  for (let c = 0; c < channels; c += sweep) {
    const vectors = (min(sweep, channels - c) + 3) >> 2;
    for (let j = 0; j < 6; j++) {
      const inside = <u32>(left + j) < <u32>width;
      // may lie before the image: used only where the line is inside
      let at = image + <usize>(top * width + left + j) * pixel + ((<usize>c) << 2);
      const x0 = inside && <u32>top < <u32>height ? at : zeros;
      at += line;
      const x1 = inside && <u32>(top + 1) < <u32>height ? at : zeros;
      at += line;
      const x2 = inside && <u32>(top + 2) < <u32>height ? at : zeros;
      at += line;
      const x3 = inside && <u32>(top + 3) < <u32>height ? at : zeros;
      at += line;
      const x4 = inside && <u32>(top + 4) < <u32>height ? at : zeros;
      at += line;
      const x5 = inside && <u32>(top + 5) < <u32>height ? at : zeros;
      inputColumn(x0, x1, x2, x3, x4, x5, vectors, square + <usize>(j * PLACE));
    }
    for (let i: usize = 0; i < 6; i++) {
      const line = i < 5 ? to : below;
      const last = i < 5 ? right : corner;
      if (line === 0) break;
      const start = i * 6 * plane + done;
      inputLine(square + i * LINE, vectors, line + start, last !== 0 ? last + start + 5 * plane : 0, plane, jump);
    }
    done += leap;
  }
}

/** Keeps up to 64 values of the bias from `filter` on, or zeros, for `transformOutput`. */
export function takeBias(bias: usize, filter: i32, filters: i32, work: usize): void {
  memory.fill(work + BIAS, 0, PLACE);
  if (bias !== 0) memory.copy(work + BIAS, bias + ((<usize>filter) << 2), (<usize>min(SWEEP, filters - filter)) << 2);
}

/**
 * Aᵀ M A plus bias for up to 64 filters, into the pixels of the image from (top, left) that exist.
 *
 * @param sums where plane 0 has the tile's first 8 filters; `plane` and `panel` bytes to the next plane and the next 8 filters
 * @param image address of pixel (0, 0), first of these filters; `line` and `pixel` bytes to the next line and pixel
 * @param count how many filters
 * @param size outputs along a side of a long tile, this one has rows × columns
 */
export function transformOutput(
  sums: usize,
  plane: usize,
  panel: usize,
  image: usize,
  line: usize,
  pixel: usize,
  height: i32,
  width: i32,
  count: i32,
  size: i32,
  rows: i32,
  columns: i32,
  top: i32,
  left: i32,
  floor: f32,
  work: usize,
): void {
  const square = work + SQUARE;
  const panels = (count + 7) >> 3;
  for (let j = 0; j < 6; j++) {
    const column = sums + <usize>j * plane;
    const to = square + <usize>(j * PLACE);
    if (size === 4) outputColumn4(column, 6 * plane, panels, panel, to);
    else if (size === 3) outputColumn3(column, 6 * plane, panels, panel, to);
    else outputColumn2(column, 6 * plane, panels, panel, to);
  }
  const bias = work + BIAS;
  const beside = work + BESIDE;
  const vectors = (count + 3) >> 2;
  const right = min(columns, width - left);
  const bottom = min(rows, height - top);
  // a run that ends within a vector is written beside first
  const whole = (count & 3) === 0;
  for (let i = 0; i < bottom; i++) {
    const from = square + <usize>(i * LINE);
    const y = image + <usize>(top + i) * line + <usize>left * pixel;
    const y0 = whole ? y : beside;
    const y1 = whole && right > 1 ? y + pixel : beside + PLACE;
    if (size === 4) {
      const y2 = whole && right > 2 ? y + 2 * pixel : beside + 2 * PLACE;
      const y3 = whole && right > 3 ? y + 3 * pixel : beside + 3 * PLACE;
      outputLine4(from, vectors, bias, floor, y0, y1, y2, y3);
    } else if (size === 3) {
      outputLine3(from, vectors, bias, floor, y0, y1, whole && right > 2 ? y + 2 * pixel : beside + 2 * PLACE);
    } else outputLine2(from, vectors, bias, floor, y0, y1);
    if (whole) continue;
    for (let j = 0; j < right; j++) memory.copy(y + <usize>j * pixel, beside + <usize>(j * PLACE), (<usize>count) << 2);
  }
}

/**
 * A dY Aᵀ of the rows × columns pixels whose first is (top, left), zero beside the image, for all filters. Planes of places that
 * a short tile does not have get zeros.
 *
 * @param size pixels along a side of a long tile
 * @param to where the first plane gets the first 8 filters; `plane` and `panel` bytes to the next plane and the next 8 filters
 */
export function transformGradient(
  image: usize,
  height: i32,
  width: i32,
  filters: i32,
  size: i32,
  rows: i32,
  columns: i32,
  top: i32,
  left: i32,
  to: usize,
  plane: usize,
  panel: usize,
  work: usize,
): void {
  const right = min(width, left + columns);
  const bottom = min(height, top + rows);
  const zeros = work + ZEROS;
  const square = work + SQUARE;
  const pixel = (<usize>filters) << 2;
  const line = pixel * width;
  for (let f = 0; f < filters; f += SWEEP) {
    const panels = (min(SWEEP, filters - f) + 7) >> 3;
    for (let j = 0; j < size; j++) {
      const inside = left + j < right;
      const at = image + <usize>(top * width + left + j) * pixel + ((<usize>f) << 2);
      const column = square + <usize>(j * PLACE);
      const y0 = inside ? at : zeros;
      const y1 = inside && top + 1 < bottom ? at + line : zeros;
      if (size === 4) {
        const y2 = inside && top + 2 < bottom ? at + 2 * line : zeros;
        const y3 = inside && top + 3 < bottom ? at + 3 * line : zeros;
        gradientColumn4(y0, y1, y2, y3, panels << 1, column);
      } else if (size === 3) {
        gradientColumn3(y0, y1, inside && top + 2 < bottom ? at + 2 * line : zeros, panels << 1, column);
      } else gradientColumn2(y0, y1, panels << 1, column);
    }
    let first = to;
    for (let i = 0; i < 6; i++) {
      const from = square + <usize>(i * LINE);
      if (size === 4) gradientLine4(from, panels, first, plane, panel);
      else if (size === 3) gradientLine3(from, panels, first, plane, panel);
      else gradientLine2(from, panels, first, plane, panel);
      first += 6 * plane;
    }
    to += 8 * panel;
  }
}
