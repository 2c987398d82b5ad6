/**
 * Where a tiled product gets its operands from. Threads load blocks of 4 × 4 elements, four vec4s that run along k (and are
 * turned on their way into workgroup memory) or across it, along the rows of A or the columns of B. A loader writes the WGSL
 * that loads one block.
 *
 * No loader may read outside its array, whatever block it is asked for: rows of A and columns of B past the end may be
 * anything, since nobody stores what they yield, but elements past the end of k must be zero.
 */
export interface Operand {
  readonly along: 'k' | 'mn';
  /** How the shader sees its array, of name `array`. */
  readonly array: 'a' | 'b';
  readonly element: 'f32' | 'vec4<f32>';
  /** Functions that it calls. */
  readonly declarations?: string;
  /** Statements before the loop over k, for the block whose first row (or column) is the i32 `first`. Locals start with `name`. */
  prepare(name: string, first: string): string[];
  /**
   * Statements that load the block at k = `start` + `offset`: `start` is the same in all threads and a multiple of `depth`, the
   * offset a multiple of four below it. `into` are four variables of zeros.
   */
  fetch(name: string, start: string, offset: string, depth: number, into: readonly string[]): string[];
}

/** An integer division of something that is not negative; by a literal, so that the compiler makes it a multiplication. */
export const divide = (value: string, by: number): string => (by === 1 ? value : `i32(u32(${value}) / ${by}u)`);
/** `value * by`, without what is not needed. */
export const times = (value: string, by: number): string => (by === 1 ? value : `${value} * ${by}`);
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const parts = ['x', 'y', 'z', 'w'] as const;
export const part = (i: number): string => parts[i]!;

/** Rows of K elements that follow one another: row-major A [rows, K], or B [K, rows] stored transposed. */
export function rowsOf(array: 'a' | 'b', rows: number, K: number): Operand {
  const vector = K % 4 === 0;
  const width = vector ? 4 : 1;
  return {
    along: 'k',
    array,
    element: vector ? 'vec4<f32>' : 'f32',
    prepare: (name, first) => range(4).map(i => `let ${name}row${i} = ${times(`min(${first} + ${i}, ${rows - 1})`, K / width)};`),
    fetch(name, start, offset, depth, into) {
      const k = `${name}k`;
      const tail = K % depth !== 0;
      if (vector) {
        const loads = into.map((target, i) => `${target} = ${array}[${name}row${i} + ${divide(k, 4)}];`);
        return [`let ${k} = ${start} + ${offset};`, ...guarded(tail ? `${k} < ${K}` : undefined, loads)];
      }
      const loads = range(4).flatMap(j =>
        guarded(
          tail ? `${k} + ${j} < ${K}` : undefined,
          into.map((target, i) => `${target}.${part(j)} = ${array}[${name}row${i} + ${k} + ${j}];`),
        ),
      );
      return [`let ${k} = ${start} + ${offset};`, ...loads];
    },
  };
}

/** K rows of `columns` elements: row-major B [K, columns], or A [columns, K] stored transposed. */
export function columnsOf(array: 'a' | 'b', columns: number, K: number): Operand {
  const vector = columns % 4 === 0;
  return {
    along: 'mn',
    array,
    element: vector ? 'vec4<f32>' : 'f32',
    prepare: (name, first) =>
      vector
        ? [`let ${name}column = ${divide(`min(${first}, ${columns - 4})`, 4)};`]
        : range(4).map(j => `let ${name}column${j} = min(${first} + ${j}, ${columns - 1});`),
    fetch(name, start, offset, depth, into) {
      const k = `${name}k`;
      const at = `${name}at`;
      const loads = into.flatMap((target, i) =>
        guarded(
          K % depth !== 0 ? `${k} + ${i} < ${K}` : undefined,
          vector
            ? [`${target} = ${array}[${at} + ${(i * columns) / 4} + ${name}column];`]
            : range(4).map(j => `${target}.${part(j)} = ${array}[${at} + ${i * columns} + ${name}column${j}];`),
        ),
      );
      return [`let ${k} = ${start} + ${offset};`, `let ${at} = ${times(k, columns / (vector ? 4 : 1))};`, ...loads];
    },
  };
}

/** Statements under a condition, if there is one. */
export const guarded = (condition: string | undefined, statements: readonly string[]): string[] =>
  condition === undefined ? [...statements] : [`if (${condition}) {`, ...statements.map(statement => `  ${statement}`), '}'];
