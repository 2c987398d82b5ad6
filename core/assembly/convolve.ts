/**
 * Convolutions as matrix products without the matrix: the rows that a product needs are gathered from the images when it
 * needs them. One routine does the forward pass and the input's gradient, whatever the stride; `taps.ts` says how.
 */
import { block, COLUMNS, packRows, ROWS } from './block';
import { align, listTaps, phaseAt, TAP, tapsBefore } from './taps';

/** Bytes of one entry of a list of runs: where it begins in a window, in bytes, and its floats. */
const RUN: usize = 8;
/** Bits of `finish`: what is done to a block before it leaves the cache. */
const BIAS: i32 = 1;
const RELU: i32 = 2;

/**
 * y[n,h,w,o] = bias[o] + Σ_{taps,c} x[n, row(h,tap), column(w,tap), c] · packed[…], each group of channels for itself.
 *
 * Six pixels × a chunk of channels × all taps are gathered in L1 and multiplied with panels of eight filters one after the
 * other, which stay in L2 for all pixels of a unit. Units are (phase, group, range of panels, range of blocks of six pixels).
 *
 * @param C, O floats from one pixel to the next in x and y
 * @param channels, filters of one group
 * @param chunk channels that are summed up before the sum goes to memory; as in the packing
 * @param panels, blocks of one unit, at most
 * @param finish 1: add the bias; 2: relu
 *
 * Scratch: see `convolveScratch` in `core/ops/variants/convWasm.ts`.
 */
export function convolve(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  packed: usize,
  bias: usize,
  y: usize,
  N: i32,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  O: i32,
  groups: i32,
  channels: i32,
  filters: i32,
  R: i32,
  S: i32,
  top: i32,
  left: i32,
  step: i32,
  up: i32,
  down: i32,
  firstRow: i32,
  firstColumn: i32,
  chunk: i32,
  panels: i32,
  blocks: i32,
  finish: i32,
): void {
  const allPanels = (filters + COLUMNS - 1) / COLUMNS;
  const wholePanels = filters / COLUMNS;
  const ranges = (allPanels + panels - 1) / panels;
  const mostPixels = N * ((P + up - 1) / up) * ((Q + up - 1) / up);
  const spans = (mostPixels + ROWS * blocks - 1) / (ROWS * blocks);

  // scratch: addresses of the rows of y, of a tile's, and of x for every tap; a row of zeros, one that nobody reads; the tile
  const yRows = scratch;
  const tileRows = yRows + 64;
  const tile = tileRows + 64;
  const list = tile + 192;
  const runs = align(list + <usize>(R * S) * TAP);
  const xRows = align(runs + <usize>(R * S) * RUN + 64);
  const zeros = align(xRows + <usize>(R * S * ROWS) * 4 + 64);
  const nowhere = align(zeros + ((<usize>chunk) << 2) + 16);
  const gathered = align(nowhere + ((<usize>allPanels) << 5));
  memory.fill(zeros, 0, ((<usize>chunk) << 2) + 16);
  memory.fill(nowhere, 0, (<usize>allPanels) << 5);
  for (let i = 0; i < ROWS; i++) store<u32>(tileRows + ((<usize>i) << 2), <u32>(tile + ((<usize>i) << 5)));

  for (let unit = start; unit < end; unit++) {
    const span = unit % spans;
    const range = (unit / spans) % ranges;
    const group = (unit / (spans * ranges)) % groups;
    const phase = unit / (spans * ranges * groups);
    const rowPhase = phaseAt(phase / up, firstRow, up);
    const columnPhase = phaseAt(phase % up, firstColumn, up);
    // the phase's own grid of pixels: those of the output at (h · up + rowPhase, w · up + columnPhase)
    const height = (P - rowPhase + up - 1) / up;
    const width = (Q - columnPhase + up - 1) / up;
    if (height <= 0 || width <= 0) continue;
    const pixels = N * height * width;
    const firstPixel = span * blocks * ROWS;
    const pastPixel = min(pixels, firstPixel + blocks * ROWS);
    const taps = listTaps(list, rowPhase, columnPhase, R, S, top, left, step, up);
    const before = tapsBefore(phase, R, S, top, left, step, up, firstRow, firstColumn);
    const weights = packed + ((<usize>((group * R * S + before) * allPanels * channels)) << 5);
    const panelBytes = (<usize>(taps * channels)) << 5;
    const firstPanel = range * panels;
    const pastPanel = min(allPanels, firstPanel + panels);
    const pastWhole = min(wholePanels, pastPanel);
    const yGroup = y + ((<usize>(group * filters)) << 2);
    // where all taps of a pixel lie inside the image
    let firstH = 0;
    let pastH = H;
    let firstW = 0;
    let pastW = W;
    const pastTap = list + <usize>taps * TAP;
    for (let tap = list; tap < pastTap; tap += TAP) {
      const row = load<i32>(tap);
      const column = load<i32>(tap, 4);
      firstH = max(firstH, -row);
      pastH = min(pastH, H - row);
      firstW = max(firstW, -column);
      pastW = min(pastW, W - column);
      store<i32>(tap, ((row * W + column) * C) << 2, 12);
    }

    for (let c = 0; c < channels; c += chunk) {
      const size = min(chunk, channels - c);
      const xGroup = x + ((<usize>(group * channels + c)) << 2);
      const weightsChunk = weights + ((<usize>(taps * c)) << 5);
      const tapBytes = <usize>size * 24;
      let w = firstPixel % width;
      let h = (firstPixel / width) % height;
      let n = firstPixel / (width * height);
      const pastRun = listRuns(runs, list, pastTap, size);
      for (let pixel = firstPixel; pixel < pastPixel; pixel += ROWS) {
        const rows = min(ROWS, pastPixel - pixel);
        let inside = rows === ROWS;
        for (let i = 0; i < rows; i++) {
          const at = ((n * P + h * up + rowPhase) * Q + w * up + columnPhase) * O;
          store<u32>(yRows + ((<usize>i) << 2), <u32>(yGroup + ((<usize>at) << 2)));
          const p = h * down;
          const q = w * down;
          const window = xGroup + ((<usize>(((n * H + p) * W + q) * C)) << 2);
          store<u32>(xRows + ((<usize>i) << 2), <u32>window);
          if (p < firstH || p >= pastH || q < firstW || q >= pastW) inside = false;
          if (++w === width) {
            w = 0;
            if (++h === height) {
              h = 0;
              n++;
            }
          }
        }
        for (let i = rows; i < ROWS; i++) store<u32>(yRows + ((<usize>i) << 2), <u32>nowhere);
        let to = gathered;
        if (inside) {
          for (let run = runs; run < pastRun; run += RUN) {
            const length = load<i32>(run, 4);
            packRows(xRows, <usize>load<i32>(run), length, to);
            to += <usize>length * 24;
          }
        } else {
          // six addresses for every tap, the first ones in place of the windows'
          listRows(xRows, rows, list, pastTap, pixel, xGroup, zeros, H, W, C, height, width, down);
          for (let t = 0; t < taps; t++) {
            packRows(xRows + <usize>(t * ROWS * 4), 0, size, to);
            to += tapBytes;
          }
        }
        let b = weightsChunk + <usize>firstPanel * panelBytes;
        for (let panel = firstPanel; panel < pastWhole; panel++) {
          block(taps * size, gathered, 24, b, yRows, (<usize>panel) << 5, c > 0);
          b += panelBytes;
        }
        if (pastWhole < pastPanel) {
          const offset = (<usize>pastWhole) << 5;
          const valid = filters - pastWhole * COLUMNS;
          if (c > 0) copyColumns(yRows, offset, tileRows, 0, valid);
          block(taps * size, gathered, 24, b, tileRows, 0, c > 0);
          copyColumns(tileRows, 0, yRows, offset, valid);
        }
        if (finish !== 0 && c + size === channels) {
          const from = firstPanel * COLUMNS;
          const past = min(pastPanel * COLUMNS, filters);
          finishRows(yRows, rows, bias + ((<usize>(group * filters)) << 2), from, past, finish);
        }
      }
      // zeros need no further sum
      if (taps === 0) break;
    }
  }
}

/** The runs of memory that the taps of a window make up, each of `size` channels; returns the end of the list. */
function listRuns(runs: usize, list: usize, pastTap: usize, size: i32): usize {
  let past = runs;
  for (let tap = list; tap < pastTap; tap += TAP) {
    const begin = load<i32>(tap, 12);
    const last = past - RUN;
    if (past > runs && load<i32>(last) + (load<i32>(last, 4) << 2) === begin) {
      store<i32>(last, load<i32>(last, 4) + size, 4);
      continue;
    }
    store<i32>(past, begin);
    store<i32>(past, size, 4);
    past += RUN;
  }
  return past;
}

/** For every tap six addresses: of the channels of `rows` pixels from `pixel` on, or of zeros where the tap is not in the image. */
function listRows(
  xRows: usize,
  rows: i32,
  list: usize,
  pastTap: usize,
  pixel: i32,
  x: usize,
  zeros: usize,
  H: i32,
  W: i32,
  C: i32,
  height: i32,
  width: i32,
  down: i32,
): void {
  let w = pixel % width;
  let h = (pixel / width) % height;
  let n = pixel / (width * height);
  for (let i = 0; i < ROWS; i++) {
    const p = h * down;
    const q = w * down;
    const window = x + ((<usize>(((n * H + p) * W + q) * C)) << 2);
    let to = xRows + ((<usize>i) << 2);
    for (let tap = list; tap < pastTap; tap += TAP) {
      const inside = i < rows && <u32>(p + load<i32>(tap)) < <u32>H && <u32>(q + load<i32>(tap, 4)) < <u32>W;
      store<u32>(to, <u32>(inside ? window + <usize>load<i32>(tap, 12) : zeros));
      to += ROWS * 4;
    }
    if (++w === width) {
      w = 0;
      if (++h === height) {
        h = 0;
        n++;
      }
    }
  }
}

/** The first `valid` of eight columns of six rows. */
function copyColumns(from: usize, fromOffset: usize, to: usize, toOffset: usize, valid: i32): void {
  for (let i: usize = 0; i < <usize>(ROWS * 4); i += 4) {
    const source = <usize>load<u32>(from + i) + fromOffset;
    const target = <usize>load<u32>(to + i) + toOffset;
    for (let j: usize = 0; j < (<usize>valid) << 2; j += 4) store<f32>(target + j, load<f32>(source + j));
  }
}

/** Columns `from` to `past` of some rows: adds the bias, cuts off below zero. NaN stays NaN. */
export function finishRows(addresses: usize, rows: i32, bias: usize, from: i32, past: i32, finish: i32): void {
  const zero = f32x4.splat(0);
  const length = (<usize>past) << 2;
  const biased = (finish & BIAS) !== 0;
  const cut = (finish & RELU) !== 0;
  for (let i = 0; i < rows; i++) {
    const row = <usize>load<u32>(addresses + ((<usize>i) << 2));
    let at = (<usize>from) << 2;
    for (; at + 16 <= length; at += 16) {
      let value = v128.load(row + at);
      if (biased) value = f32x4.add(value, v128.load(bias + at));
      if (cut) value = f32x4.max(value, zero);
      v128.store(row + at, value);
    }
    for (; at < length; at += 4) {
      let value = load<f32>(row + at);
      if (biased) value += load<f32>(bias + at);
      if (cut) value = max<f32>(value, 0);
      store<f32>(row + at, value);
    }
  }
}
