/**
 * The gradient of a convolution's filters as a matrix product: its rows are the filter's taps × channels, its columns the
 * filters, and what is summed over are the output's pixels.
 *
 *   dweight[r,s,c,o] = Σ_{n,p,q} x[n, p·stride + r·step − padding, q·stride + s·step − padding, c] · dy[n,p,q,o]
 */
import { block, COLUMNS, ROWS } from './block';
import { align } from './taps';

/** Bytes of one entry of a unit's list of runs: offsets of row and column; of the run in the window and its length, in bytes. */
const RUN: usize = 16;
/** Floats between gathered pixels that nobody uses: else a power of two would map them all to a few sets of the cache. */
const APART: i32 = 16;

/**
 * Partial sums [groups][parts][R·S·channels][width]: those of one part of the pixels each. With one part and whole panels
 * that may be dweight itself. Units are (group, part, range of rows, range of panels).
 *
 * A unit gathers the windows of `chunk` pixels, as many floats of each as it has rows, and of dy its panels of 8 filters,
 * and multiplies them while both are in L2.
 *
 * @param C, O floats from one pixel to the next in x and dy
 * @param channels, filters of one group
 * @param rows, panels of one unit, at most
 * @param width, next floats from one row of the result to the next, and from one group to the next
 *
 * Scratch: see `convWasmFilters.ts` in `core/ops/variants`.
 */
export function convolveFilters(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  dy: usize,
  sums: usize,
  N: i32,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  O: i32,
  _groups: i32,
  channels: i32,
  filters: i32,
  R: i32,
  S: i32,
  padding: i32,
  step: i32,
  stride: i32,
  chunk: i32,
  rows: i32,
  panels: i32,
  parts: i32,
  width: i32,
  next: i32,
): void {
  const pixels = N * P * Q;
  const height = R * S * channels;
  const allPanels = (filters + COLUMNS - 1) / COLUMNS;
  const spans = (height + rows - 1) / rows;
  const ranges = (allPanels + panels - 1) / panels;
  const widthBytes = (<usize>width) << 2;

  // scratch: addresses of six rows, a row that nobody reads, the list of runs, the gathered windows, the panels of dy
  const addresses = scratch;
  const nowhere = addresses + 64;
  const list = align(nowhere + ((<usize>allPanels) << 5));
  const merged = align(list + <usize>(rows / channels + 2) * RUN);
  const windows = align(merged + <usize>(rows / channels + 2) * RUN);
  const apart = (<usize>(rows + APART)) << 2;
  const gathered = align(windows + <usize>chunk * apart + 64);
  memory.fill(nowhere, 0, (<usize>allPanels) << 5);

  for (let unit = start; unit < end; unit++) {
    const firstPanel = (unit % ranges) * panels;
    const count = min(panels, allPanels - firstPanel);
    const firstRow = ((unit / ranges) % spans) * rows;
    const pastRow = min(height, firstRow + rows);
    const part = (unit / (ranges * spans)) % parts;
    const group = unit / (ranges * spans * parts);
    const firstPixel = <i32>((<i64>pixels * part) / parts);
    const pastPixel = <i32>((<i64>pixels * (part + 1)) / parts);
    const pastRun = listRuns(list, firstRow, pastRow, channels, S, step, padding, W, C);
    const pastMerged = mergeRuns(merged, list, pastRun);
    const xGroup = x + ((<usize>(group * channels)) << 2);
    const dyPanels = dy + ((<usize>(group * filters + firstPanel * COLUMNS)) << 2);
    const target = sums + ((<usize>(group * next)) << 2) + <usize>(part * height) * widthBytes;

    for (let pixel = firstPixel; pixel < pastPixel; pixel += chunk) {
      const size = min(chunk, pastPixel - pixel);
      gatherWindows(windows, apart, list, pastRun, merged, pastMerged, xGroup, pixel, size, H, W, C, P, Q, stride);
      for (let panel = 0; panel < count; panel++) {
        let from = dyPanels + ((<usize>(pixel * O + panel * COLUMNS)) << 2);
        let to = gathered + ((<usize>(panel * size)) << 5);
        const past = to + ((<usize>size) << 5);
        for (; to < past; to += 32) {
          v128.store(to, v128.load(from));
          v128.store(to, v128.load(from, 16), 16);
          from += (<usize>O) << 2;
        }
      }
      for (let row = firstRow; row < pastRow; row += ROWS) {
        for (let i = 0; i < ROWS; i++) {
          const address = row + i < pastRow ? target + <usize>(row + i) * widthBytes : nowhere;
          store<u32>(addresses + ((<usize>i) << 2), <u32>address);
        }
        const a = windows + ((<usize>(row - firstRow)) << 2);
        for (let panel = 0; panel < count; panel++) {
          const offset = (<usize>(firstPanel + panel)) << 5;
          block(size, a, apart, gathered + ((<usize>(panel * size)) << 5), addresses, offset, pixel > firstPixel);
        }
      }
    }
  }
}

/** The runs of channels, tap by tap, that make up rows `first` to `past` of the filters; returns the end of the list. */
function listRuns(list: usize, first: i32, past: i32, channels: i32, S: i32, step: i32, padding: i32, W: i32, C: i32): usize {
  for (let row = first; row < past; ) {
    const tap = row / channels;
    const channel = row % channels;
    const length = min(channels - channel, past - row);
    const h = (tap / S) * step - padding;
    const w = (tap % S) * step - padding;
    store<i32>(list, h);
    store<i32>(list, w, 4);
    store<i32>(list, ((h * W + w) * C + channel) << 2, 8);
    store<i32>(list, length << 2, 12);
    list += RUN;
    row += length;
  }
  return list;
}

/** The same runs, those that continue one another as one; returns the end of the list. */
function mergeRuns(merged: usize, list: usize, pastRun: usize): usize {
  let past = merged;
  for (let run = list; run < pastRun; run += RUN) {
    const begin = load<i32>(run, 8);
    const last = past - RUN;
    if (past > merged && load<i32>(last, 8) + load<i32>(last, 12) === begin) {
      store<i32>(last, load<i32>(last, 12) + load<i32>(run, 12), 12);
      continue;
    }
    store<i32>(past, begin, 8);
    store<i32>(past, load<i32>(run, 12), 12);
    past += RUN;
  }
  return past;
}

/** The listed runs of `size` windows one after the other, zeros where they lie outside the image. Writes in fours. */
function gatherWindows(
  to: usize,
  apart: usize,
  list: usize,
  pastRun: usize,
  merged: usize,
  pastMerged: usize,
  x: usize,
  pixel: i32,
  size: i32,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  stride: i32,
): void {
  const zero = f32x4.splat(0);
  // where all runs of a window lie inside the image
  let firstH = 0;
  let pastH = H;
  let firstW = 0;
  let pastW = W;
  for (let run = list; run < pastRun; run += RUN) {
    firstH = max(firstH, -load<i32>(run));
    pastH = min(pastH, H - load<i32>(run));
    firstW = max(firstW, -load<i32>(run, 4));
    pastW = min(pastW, W - load<i32>(run, 4));
  }
  let q = pixel % Q;
  let p = (pixel / Q) % P;
  let n = pixel / (P * Q);
  for (let i = 0; i < size; i++) {
    const h = p * stride;
    const w = q * stride;
    const window = x + ((<usize>(((n * H + h) * W + w) * C)) << 2);
    let at = to;
    if (h >= firstH && h < pastH && w >= firstW && w < pastW) {
      for (let run = merged; run < pastMerged; run += RUN) {
        const past = at + <usize>load<i32>(run, 12);
        copyRun(window + <usize>load<i32>(run, 8), at, past);
        at = past;
      }
    } else {
      for (let run = list; run < pastRun; run += RUN) {
        const past = at + <usize>load<i32>(run, 12);
        const inside = <u32>(h + load<i32>(run)) < <u32>H && <u32>(w + load<i32>(run, 4)) < <u32>W;
        if (inside) copyRun(window + <usize>load<i32>(run, 8), at, past);
        else for (let write = at; write < past; write += 16) v128.store(write, zero);
        at = past;
      }
    }
    to += apart;
    if (++q === Q) {
      q = 0;
      if (++p === P) {
        p = 0;
        n++;
      }
    }
  }
}

/** Copies what is to lie before `past`, in fours: up to 12 bytes more. */
function copyRun(from: usize, to: usize, past: usize): void {
  for (; to + 48 < past; to += 64) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    v128.store(to, v128.load(from, 32), 32);
    v128.store(to, v128.load(from, 48), 48);
    from += 64;
  }
  for (; to < past; to += 16) {
    v128.store(to, v128.load(from));
    from += 16;
  }
}

/**
 * dweight[row, group · filters + o] = Σ_part sums[group][part][row][o], in this order. Units are rows.
 *
 * @param width floats of a row of `sums`
 */
export function sumFilters(
  start: i32,
  end: i32,
  _scratch: usize,
  sums: usize,
  dweight: usize,
  groups: i32,
  parts: i32,
  height: i32,
  filters: i32,
  width: i32,
): void {
  const apart = (<usize>(height * width)) << 2;
  const length = (<usize>filters) << 2;
  const whole = length & ~15;
  for (let row = start; row < end; row++) {
    for (let group = 0; group < groups; group++) {
      const from = sums + ((<usize>((group * parts * height + row) * width)) << 2);
      const to = dweight + ((<usize>((row * groups + group) * filters)) << 2);
      let at: usize = 0;
      for (; at < whole; at += 16) {
        let sum = v128.load(from + at);
        for (let part = 1; part < parts; part++) sum = f32x4.add(sum, v128.load(from + at + <usize>part * apart));
        v128.store(to + at, sum);
      }
      for (; at < length; at += 4) {
        let sum = load<f32>(from + at);
        for (let part = 1; part < parts; part++) sum += load<f32>(from + at + <usize>part * apart);
        store<f32>(to + at, sum);
      }
    }
  }
}
