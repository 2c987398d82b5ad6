/**
 * Operands of convolutions as implicit matrices: nothing is copied, an element's place is computed when it is loaded.
 *
 * Sums run over k = (tap, channel), channels inside. Where a step's channels all belong to one tap (their number is a
 * multiple of the tile's depth, in all but the first layers), the tap is the same in all threads, and its part of every
 * address is computed once a step. Which taps of a window lie inside the image is a mask of bits that is computed once.
 */
import type { Shape } from '../../../shape.ts';
import { divide, guarded, type Operand, part, range, times } from './operand.ts';

/** Windows on a tensor [N,H,W,C]; lengths are in pixels, first vertical and then horizontal. */
export interface Windows {
  readonly source: Shape;
  /** Windows of an image. */
  readonly grid: readonly [number, number];
  /** From one window to the next. */
  readonly stride: number;
  readonly taps: readonly [number, number];
  /** Where the first tap of the first window lies: negative in the padding. */
  readonly start: readonly [number, number];
  /** From one tap to the next; may be negative. */
  readonly step: readonly [number, number];
}
/** Taps of a window either way, at most: their bits have to fit into one mask. */
export const MOST_TAPS = 15;

/** k = (tap, channel) in the tap's row and column and in the channel. */
interface Position {
  readonly row: string;
  readonly column: string;
  readonly channel: string;
  /** Whether k is within the sum, if it may be past its end. */
  readonly inside: string | undefined;
}
/** Positions of the elements of a block's loads: one for each vec4 along k, or four. */
function positions(
  name: string,
  [rows, columns]: readonly [number, number],
  channels: number,
  { start, offset, depth }: { start: string; offset: string; depth: number },
): { lines: string[]; at: Position[] } {
  const uniform = channels % depth === 0;
  const K = rows * columns * channels;
  const width = channels % 4 === 0 ? 4 : 1;
  const lines: string[] = [];
  const at = range(width === 4 ? 1 : 4).map((e): Position => {
    const id = `${name}${e}`;
    const k = uniform ? start : `${id}k`;
    if (!uniform) lines.push(`let ${k} = ${start} + ${offset}${e > 0 ? ` + ${e}` : ''};`);
    let [row, column, channel] = ['0', '0', k];
    if (rows * columns > 1) {
      lines.push(`let ${id}tap = ${divide(k, channels)};`, `let ${id}channel = ${k} - ${id}tap * ${channels};`);
      [row, column, channel] = ['0', `${id}tap`, `${id}channel`];
    }
    if (rows > 1) {
      lines.push(`let ${id}row = ${divide(`${id}tap`, columns)};`, `let ${id}column = ${id}tap - ${id}row * ${columns};`);
      [row, column] = [`${id}row`, `${id}column`];
    }
    if (columns === 1) column = '0';
    if (uniform) channel = `(${channel} + ${offset})`;
    return { row, column, channel, inside: K % depth === 0 ? undefined : `${k} < ${K}` };
  });
  return { lines, at };
}

/** A's rows are the windows (n, i, j), k is (tap, channel): convolutions forward, and backward to their input. */
export function windowsOf(array: 'a' | 'b', windows: Windows): Operand {
  const { source, grid, stride, taps, start: first, step } = windows;
  const [N, H, W, C] = source as [number, number, number, number];
  const vector = C % 4 === 0;
  const width = vector ? 4 : 1;
  const M = N * grid[0] * grid[1];
  const checked = leavesImage(windows);
  const fits = (value: string, tap: number, axis: 0 | 1) => `u32(${value} + ${tap * step[axis]}) < ${axis === 0 ? H : W}u`;
  const reach = [
    'fn reach(top : i32, left : i32) -> u32 {',
    '  var taps = 0u;',
    ...range(taps[0]).map(i => `  if (${fits('top', i, 0)}) { taps |= ${1 << i}u; }`),
    ...range(taps[1]).map(i => `  if (${fits('left', i, 1)}) { taps |= ${2 ** (16 + i)}u; }`),
    '  return taps;',
    '}',
  ];
  return {
    along: 'k',
    array,
    element: vector ? 'vec4<f32>' : 'f32',
    declarations: checked ? reach.join('\n') : '',
    prepare: (name, begin) =>
      range(4).flatMap(i => {
        const id = `${name}${i}`;
        return [
          `let ${id}window = min(${begin} + ${i}, ${M - 1});`,
          `let ${id}line = ${divide(`${id}window`, grid[1])};`,
          `let ${id}image = ${divide(`${id}line`, grid[0])};`,
          `let ${id}top = ${times(`(${id}line - ${times(`${id}image`, grid[0])})`, stride)} + ${first[0]};`,
          `let ${id}left = ${times(`(${id}window - ${times(`${id}line`, grid[1])})`, stride)} + ${first[1]};`,
          `let ${id}base = ${times(`((${id}image * ${H} + ${id}top) * ${W} + ${id}left)`, C / width)};`,
          ...(checked ? [`let ${id}reach = reach(${id}top, ${id}left);`] : []),
        ];
      }),
    fetch(name, start, offset, depth, into) {
      const { lines, at } = positions(name, taps, C, { start, offset, depth });
      for (const [e, { row, column, channel, inside }] of at.entries()) {
        const id = `${name}${e}`;
        const pixels = `(${row} * ${step[0] * W} + ${column} * ${step[1]})`;
        lines.push(`let ${id}at = ${times(pixels, C / width)} + ${vector ? divide(channel, 4) : channel};`);
        const bits = `((1u << u32(${row})) | (65536u << u32(${column})))`;
        // no mask has all bits
        if (checked) lines.push(`let ${id}bits = ${inside ? `select(0xffffffffu, ${bits}, ${inside})` : bits};`);
        for (const [i, target] of into.entries()) {
          const value = `${array}[${name}${i}base + ${id}at]`;
          const condition = checked ? `(${name}${i}reach & ${id}bits) == ${id}bits` : inside;
          lines.push(...guarded(condition, [`${target}${vector ? '' : `.${part(e)}`} = ${value};`]));
        }
      }
      return lines;
    },
  };
}

/** Whether a tap of any window lies outside the image. */
function leavesImage({ source, grid, stride, taps, start, step }: Windows): boolean {
  return ([0, 1] as const).some(axis => {
    const reach = (taps[axis] - 1) * step[axis];
    const [least, most] = [Math.min(0, reach), Math.max(0, reach)];
    return start[axis] + least < 0 || start[axis] + (grid[axis] - 1) * stride + most >= source[1 + axis]!;
  });
}

/** Filters [R,S,C,O] read as B[k = (tap, o), n = c]: every so manieth tap, from one on. */
export function turnedFilters(
  array: 'a' | 'b',
  filters: Shape,
  taps: readonly [number, number],
  first: readonly [number, number],
  step: readonly [number, number],
): Operand {
  const [, S, C, O] = filters as [number, number, number, number];
  const vector = O % 4 === 0;
  const width = vector ? 4 : 1;
  const size = (C * O) / width;
  return {
    along: 'k',
    array,
    element: vector ? 'vec4<f32>' : 'f32',
    prepare: (name, begin) => range(4).map(i => `let ${name}channel${i} = ${times(`min(${begin} + ${i}, ${C - 1})`, O / width)};`),
    fetch(name, start, offset, depth, into) {
      const { lines, at } = positions(name, taps, O, { start, offset, depth });
      for (const [e, { row, column, channel, inside }] of at.entries()) {
        const id = `${name}${e}`;
        const tap = `(${row} * ${step[0] * S} + ${column} * ${step[1]} + ${first[0] * S + first[1]})`;
        lines.push(`let ${id}at = ${times(tap, size)} + ${vector ? divide(channel, 4) : channel};`);
        const loads = into.map((target, i) => `${target}${vector ? '' : `.${part(e)}`} = ${array}[${name}channel${i} + ${id}at];`);
        lines.push(...guarded(inside, loads));
      }
      return lines;
    },
  };
}

/** A's rows are (tap, channel), k counts the windows (n, i, j): the gradient of filters. */
export function pixelsOf(array: 'a' | 'b', windows: Windows): Operand {
  const { source, grid, stride, taps, start: first, step } = windows;
  const [N, H, W, C] = source as [number, number, number, number];
  const vector = C % 4 === 0;
  const width = vector ? 4 : 1;
  const rows = taps[0] * taps[1] * C;
  const K = N * grid[0] * grid[1];
  const checked = leavesImage(windows);
  return {
    along: 'mn',
    array,
    element: vector ? 'vec4<f32>' : 'f32',
    prepare: (name, begin) =>
      range(vector ? 1 : 4).flatMap(e => {
        const id = `${name}${e}`;
        return [
          `let ${id}row = min(${begin} + ${e}, ${rows - (vector ? 4 : 1)});`,
          `let ${id}tap = ${divide(`${id}row`, C)};`,
          `let ${id}tapRow = ${divide(`${id}tap`, taps[1])};`,
          `let ${id}down = ${id}tapRow * ${step[0]} + ${first[0]};`,
          `let ${id}right = (${id}tap - ${id}tapRow * ${taps[1]}) * ${step[1]} + ${first[1]};`,
          `let ${id}base = ${times(`(${id}down * ${W} + ${id}right)`, C / width)} + ${divide(`(${id}row - ${id}tap * ${C})`, C % 4 === 0 ? 4 : 1)};`,
        ];
      }),
    fetch(name, start, offset, depth, into) {
      // four windows from a multiple of four on lie on one line where lines have a multiple of four
      const joined = grid[1] % 4 === 0;
      const lines: string[] = [];
      for (const [i, target] of into.entries()) {
        const id = `${name}window${i}`;
        const head = joined ? `${name}window0` : id;
        lines.push(`let ${id} = ${start} + ${offset} + ${i};`);
        if (head === id) {
          lines.push(`let ${id}line = ${divide(id, grid[1])};`, `let ${id}image = ${divide(`${id}line`, grid[0])};`);
          lines.push(`let ${id}top = ${times(`(${id}line - ${times(`${id}image`, grid[0])})`, stride)};`);
        }
        lines.push(`let ${id}left = ${times(`(${id} - ${times(`${head}line`, grid[1])})`, stride)};`);
        lines.push(`let ${id}at = ${times(`((${head}image * ${H} + ${head}top) * ${W} + ${id}left)`, C / width)};`);
        for (const e of range(vector ? 1 : 4)) {
          const conditions = K % depth === 0 ? [] : [`${id} < ${K}`];
          if (checked) conditions.push(`u32(${head}top + ${name}${e}down) < ${H}u`, `u32(${id}left + ${name}${e}right) < ${W}u`);
          const load = `${target}${vector ? '' : `.${part(e)}`} = ${array}[${id}at + ${name}${e}base];`;
          lines.push(...guarded(conditions.length > 0 ? conditions.join(' && ') : undefined, [load]));
        }
      }
      return lines;
    },
  };
}
