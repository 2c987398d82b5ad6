/**
 * Filters as `convolve` reads them: for 8 neighbouring outputs at a time, so that the product's inner loop walks through
 * memory. Both routines write [groups][phases][panels of 8][chunks of inputs][taps][inputs][8]; where a group's outputs are
 * not a multiple of 8, the last panel is filled up with zeros.
 */
import { COLUMNS } from './block';
import { listTaps, phaseAt, TAP, tapsBefore } from './taps';

/** Input channels that are packed together: their rows stay in L1 until every panel has taken its columns. */
const TOGETHER: i32 = 16;

/** Weights [taps][channels][groups · filters] for the forward pass. Units are (group, tap, 16 channels). */
export function packFilters(
  start: i32,
  end: i32,
  _scratch: usize,
  weight: usize,
  packed: usize,
  groups: i32,
  taps: i32,
  channels: i32,
  filters: i32,
  chunk: i32,
): void {
  const blocks = (channels + TOGETHER - 1) / TOGETHER;
  const panels = (filters + COLUMNS - 1) / COLUMNS;
  const whole = filters / COLUMNS;
  const row = (<usize>(groups * filters)) << 2;
  for (let unit = start; unit < end; unit++) {
    const group = unit / (blocks * taps);
    const tap = (unit / blocks) % taps;
    const first = (unit % blocks) * TOGETHER;
    const past = min(first + TOGETHER, channels);
    for (let panel = 0; panel < panels; panel++) {
      const valid = filters - panel * COLUMNS;
      const base = (group * panels + panel) * taps * channels;
      let from = weight + <usize>(tap * channels + first) * row + ((<usize>(group * filters + panel * COLUMNS)) << 2);
      for (let c = first; c < past; ) {
        const begin = c - (c % chunk);
        const size = min(chunk, channels - begin);
        const stop = min(past, begin + size);
        let to = packed + ((<usize>(base + begin * taps + tap * size + c - begin)) << 5);
        for (; c < stop; c++) {
          if (panel < whole) {
            v128.store(to, v128.load(from));
            v128.store(to, v128.load(from, 16), 16);
          } else copyFew(from, to, valid);
          from += row;
          to += 32;
        }
      }
    }
  }
}

/** `valid` floats, then zeros up to eight. */
function copyFew(from: usize, to: usize, valid: i32): void {
  for (let j = 0; j < COLUMNS; j++) {
    const at = (<usize>j) << 2;
    store<f32>(to + at, j < valid ? load<f32>(from + at) : 0);
  }
}

/**
 * Weights [R·S][channels][groups · filters], channels and filters exchanged, for the input's gradient: a panel holds 8
 * channels, and its inputs are filters. Units are (group, panel). Scratch: the list of taps.
 */
export function packTurned(
  start: i32,
  end: i32,
  scratch: usize,
  weight: usize,
  packed: usize,
  groups: i32,
  R: i32,
  S: i32,
  channels: i32,
  filters: i32,
  chunk: i32,
  top: i32,
  left: i32,
  step: i32,
  up: i32,
  firstRow: i32,
  firstColumn: i32,
): void {
  const panels = (channels + COLUMNS - 1) / COLUMNS;
  const row = (<usize>(groups * filters)) << 2;
  for (let unit = start; unit < end; unit++) {
    const group = unit / panels;
    const panel = unit % panels;
    const valid = min(COLUMNS, channels - panel * COLUMNS);
    for (let phase = 0; phase < up * up; phase++) {
      const rowPhase = phaseAt(phase / up, firstRow, up);
      const columnPhase = phaseAt(phase % up, firstColumn, up);
      const taps = listTaps(scratch, rowPhase, columnPhase, R, S, top, left, step, up);
      if (taps === 0) continue;
      const before = tapsBefore(phase, R, S, top, left, step, up, firstRow, firstColumn);
      let to = packed + ((<usize>(((group * R * S + before) * panels + panel * taps) * filters)) << 5);
      for (let begin = 0; begin < filters; begin += chunk) {
        const size = min(chunk, filters - begin);
        for (let t = 0; t < taps; t++) {
          const tap = load<i32>(scratch + <usize>t * TAP, 8);
          const from = weight + <usize>(tap * channels + panel * COLUMNS) * row + ((<usize>(group * filters + begin)) << 2);
          transpose(from, row, size, valid, to);
          to += (<usize>size) << 5;
        }
      }
    }
  }
}

/** to[i][j] = from[j][i] for `length` i and 8 j, of which those from `valid` on are zero; rows of `from` are `row` bytes apart. */
function transpose(from: usize, row: usize, length: i32, valid: i32, to: usize): void {
  let i = 0;
  if (valid === COLUMNS) {
    for (; i + 4 <= length; i += 4) {
      quad(from, row, to);
      quad(from + (row << 2), row, to + 16);
      from += 16;
      to += 128;
    }
  }
  for (; i < length; i++) {
    for (let j = 0; j < COLUMNS; j++) store<f32>(to + ((<usize>j) << 2), j < valid ? load<f32>(from + <usize>j * row) : 0);
    from += 4;
    to += 32;
  }
}

/** A transposed square of 4 × 4; rows of `to` are 32 bytes apart. */
export function quad(from: usize, row: usize, to: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + row);
  const c = v128.load(from + 2 * row);
  const d = v128.load(from + 3 * row);
  const lowAB = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const lowCD = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const highAB = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const highCD = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(lowAB, lowCD, 0, 1, 4, 5));
  v128.store(to, v128.shuffle<f32>(lowAB, lowCD, 2, 3, 6, 7), 32);
  v128.store(to, v128.shuffle<f32>(highAB, highCD, 0, 1, 4, 5), 64);
  v128.store(to, v128.shuffle<f32>(highAB, highCD, 2, 3, 6, 7), 96);
}

/**
 * A copy of images [N,H,W,C] with zeros around them, [N, H + 2·padding, W + 2·padding, C]. Units are rows of the copy.
 */
export function padImages(start: i32, end: i32, _scratch: usize, x: usize, y: usize, H: i32, W: i32, C: i32, padding: i32): void {
  const height = H + 2 * padding;
  const size = (<usize>((W + 2 * padding) * C)) << 2;
  const side = (<usize>(padding * C)) << 2;
  for (let unit = start; unit < end; unit++) {
    const row = (unit % height) - padding;
    const to = y + <usize>unit * size;
    if (<u32>row >= <u32>H) {
      memory.fill(to, 0, size);
      continue;
    }
    memory.fill(to, 0, side);
    memory.copy(to + side, x + ((<usize>(((unit / height) * H + row) * W * C)) << 2), size - 2 * side);
    memory.fill(to + size - side, 0, side);
  }
}
