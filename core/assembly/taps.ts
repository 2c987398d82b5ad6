/**
 * Which weights of a filter an output pixel meets, and where in the input.
 *
 * A convolution and its input's gradient are one formula. Output rows fall into `up` phases, h = g · up + phase, and row k
 * of the filter meets the input's row g · down + (phase + lead − k · step) / up wherever that division leaves no rest:
 *   forward          up = 1, down = stride, lead = −padding, step = −dilation
 *   input gradient   up = stride, down = 1, lead = padding, step = dilation
 * Columns are the same. Every row of a filter belongs to exactly one phase. Phases are numbered row by row, beginning with
 * the given first ones, so that those with the most work can come first.
 */

/**
 * Bytes of one entry of a list of taps: the offsets of its row and column in the input, its number r · S + s, and room for
 * what else the reader of the list wants to know.
 */
export const TAP: usize = 16;

/** How many of `size` rows of a filter belong to a phase. */
function rowsOf(phase: i32, size: i32, lead: i32, step: i32, up: i32): i32 {
  let count = 0;
  for (let k = 0; k < size; k++) if ((phase + lead - k * step) % up === 0) count++;
  return count;
}

/** The remainder among `up` of the phase's output rows (or columns): its number counts from `first`. */
export function phaseAt(number: i32, first: i32, up: i32): i32 {
  return (first + number) % up;
}

/** Taps of all phases with a lower number. */
export function tapsBefore(phase: i32, R: i32, S: i32, top: i32, left: i32, step: i32, up: i32, firstRow: i32, firstColumn: i32): i32 {
  let rows = 0;
  for (let i = 0; i < phase / up; i++) rows += rowsOf(phaseAt(i, firstRow, up), R, top, step, up);
  let columns = 0;
  for (let i = 0; i < phase % up; i++) columns += rowsOf(phaseAt(i, firstColumn, up), S, left, step, up);
  return rows * S + rowsOf(phaseAt(phase / up, firstRow, up), R, top, step, up) * columns;
}

/**
 * Lists the taps of the phase whose output pixels have the remainders `row` and `column`, in the order in which they lie in
 * the input; returns how many there are.
 */
export function listTaps(list: usize, row: i32, column: i32, R: i32, S: i32, top: i32, left: i32, step: i32, up: i32): i32 {
  let count = 0;
  for (let i = 0; i < R; i++) {
    const r = step < 0 ? i : R - 1 - i;
    const y = row + top - r * step;
    if (y % up !== 0) continue;
    for (let j = 0; j < S; j++) {
      const s = step < 0 ? j : S - 1 - j;
      const x = column + left - s * step;
      if (x % up !== 0) continue;
      store<i32>(list, y / up);
      store<i32>(list, x / up, 4);
      store<i32>(list, r * S + s, 8);
      list += TAP;
      count++;
    }
  }
  return count;
}

/** The next multiple of 64. */
export function align(bytes: usize): usize {
  return (bytes + 63) & ~63;
}
