/** The gradients of a linear layer. N rows, I inputs, O features; x and dx [N,I], weight and dweight [I,O], dy [N,O]. */
import { block, packRows } from './block';
import { packColumns } from './panels';
import { sixRows, sweep, turn } from './tile';

/** How much of a sum is packed at a time: six rows of it are 6 KiB and a panel 8 KiB, so that both stay in the first cache. */
const DEPTH: i32 = 256;
/** Rows of panels, 32 bytes each, that the second cache holds: 512 KiB. */
const CACHED: i32 = 16384;
/** Inputs of a unit: eight groups of six. */
const STRIP: i32 = 48;

/**
 * dx = dy · weightᵀ, transposed as in `linear`: a row of the weight is one run. Units are 48 inputs of `width` panels of dy,
 * inputs first.
 *
 * Scratch: 64 bytes, then 24 · 260 bytes, then 48 · width · 32 bytes.
 *
 * @param dy panels of dy: [ceil(N / 8)][O][8]
 */
export function linearInputGradient(
  start: i32,
  end: i32,
  scratch: usize,
  dy: usize,
  weight: usize,
  dx: usize,
  N: i32,
  I: i32,
  O: i32,
  width: i32,
): void {
  const strips = (I + STRIP - 1) / STRIP;
  const panels = (N + 7) >> 3;
  const from = scratch + 32;
  const packed = scratch + 64;
  const tile = packed + <usize>(24 * (DEPTH + 4));
  for (let unit = start; unit < end; unit++) {
    const input = (unit % strips) * STRIP;
    const inputs = min(STRIP, I - input);
    const panel = (unit / strips) * width;
    const count = min(width, panels - panel);
    const pitch = (<usize>count) << 5;
    // panels that fit the cache whole let each row be read to its end, which the processor sees coming
    const span = count * O <= CACHED ? O : DEPTH;
    for (let first = 0; first < O; first += span) {
      const past = min(first + span, O);
      for (let row = 0; row < inputs; row += 6) {
        // rows that are not there are copies of the last one
        for (let i = 0; i < 6; i++)
          store<u32>(from + ((<usize>i) << 2), <u32>(weight + ((<usize>min(input + row + i, I - 1) * <usize>O) << 2)));
        sixRows(scratch, tile + <usize>row * pitch, pitch);
        for (let k = first; k < past; k += DEPTH) {
          const depth = min(DEPTH, past - k);
          packRows(from, (<usize>k) << 2, depth, packed);
          sweep(depth, packed, dy + ((<usize>panel * <usize>O + <usize>k) << 5), (<usize>O) << 5, scratch, count, k > 0);
        }
      }
    }
    turn(tile, pitch, dx, (<usize>I) << 2, panel * 8, min((panel + count) * 8, N), input, inputs, 0, 0);
  }
}

/**
 * dweight = xᵀ · dy: x gives the rows, dy the columns, and the blocks are stored where they belong. Units are 48 inputs of
 * `width` panels of dy, inputs first.
 *
 * Scratch: 256 bytes, then 8 groups of 24 · 256 + 64 bytes, then width · 32 bytes.
 *
 * @param dy panels of dy: [ceil(O / 8)][N][8]
 */
export function linearFilterGradient(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  dy: usize,
  dweight: usize,
  N: i32,
  I: i32,
  O: i32,
  width: i32,
): void {
  const strips = (I + STRIP - 1) / STRIP;
  const panels = (O + 7) >> 3;
  const whole = O >> 3;
  const size: usize = <usize>DEPTH * 24 + 64;
  const packed = scratch + 256;
  const unused = packed + size * <usize>(STRIP / 6);
  for (let unit = start; unit < end; unit++) {
    const input = (unit % strips) * STRIP;
    const inputs = min(STRIP, I - input);
    const panel = (unit / strips) * width;
    const past = min(panel + width, panels);
    const stored = min(past, whole) - panel;
    for (let n = 0; n < N; n += DEPTH) {
      const depth = min(DEPTH, N - n);
      const from = dy + ((<usize>panel * <usize>N + <usize>n) << 5);
      packColumns(x + ((<usize>n * <usize>I + <usize>input) << 2), (<usize>I) << 2, depth, (inputs + 5) / 6, packed, size);
      for (let row = 0; row < inputs; row += 6) {
        const rows = min(6, inputs - row);
        const group = packed + <usize>(row / 6) * size;
        const to = dweight + ((<usize>(input + row) * <usize>O + <usize>(panel * 8)) << 2);
        for (let i = 0; i < 6; i++) store<u32>(scratch + ((<usize>i) << 2), <u32>(i < rows ? to + ((<usize>i * <usize>O) << 2) : unused));
        sweep(depth, group, from, (<usize>N) << 5, scratch, stored, n > 0);
        if (past > whole)
          edge(depth, group, from + ((<usize>stored * <usize>N) << 5), to + ((<usize>stored) << 5), O, rows, scratch + 32, n > 0);
      }
    }
  }
}

/** The last panel, with fewer than eight columns, through a tile. */
function edge(depth: i32, group: usize, panel: usize, to: usize, O: i32, rows: i32, table: usize, accumulate: bool): void {
  const tile = table + 32;
  const bytes = (<usize>(O & 7)) << 2;
  const pitch = (<usize>O) << 2;
  sixRows(table, tile, 32);
  if (accumulate) for (let i = 0; i < rows; i++) memory.copy(tile + ((<usize>i) << 5), to + <usize>i * pitch, bytes);
  block(depth, group, 24, panel, table, 0, accumulate);
  for (let i = 0; i < rows; i++) memory.copy(to + <usize>i * pitch, tile + ((<usize>i) << 5), bytes);
}
