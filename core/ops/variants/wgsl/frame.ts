/** What tiled products have in common whatever computes a tile: which tile a workgroup takes, and how outputs are stored. */
import type { VariantLimits, WgslArray, WgslBody } from '../../../kernels/variant.ts';
import type { Block, Choice, ProductSize } from './choose.ts';
import { divide, type Operand, part, range } from './operand.ts';

/**  y[m, n] = bias[n] + Σ_k A[m, k] · B[k, n]  */
export interface Problem {
  readonly size: ProductSize;
  readonly a: Operand;
  readonly b: Operand;
  /** y = max(y, 0) at last. */
  readonly relu: boolean;
  /** Where row m of the output begins, in rows of N: m itself, unless rows go to scattered places. */
  readonly row?: (m: string) => string;
}
export interface Product<T extends Block> extends Problem {
  readonly choice: Choice<T>;
  readonly bias: boolean;
}
/** The parts of a shader that say how a tile is computed. */
export interface TileProgram {
  readonly threads: number;
  /** `enable` directives, `var<workgroup>`, functions. */
  readonly declarations: readonly string[];
  /** Further `@builtin`s of the entry point. */
  readonly builtins?: readonly string[];
  /** Statements that compute the tile from row `firstRow` and column `firstColumn` on, and give each output to `keep`. */
  readonly statements: readonly string[];
}

/** The shader; its arrays are A, B, the bias if there is one, and the output (or the slices of it). */
export function body<T extends Block>(problem: Product<T>, program: TileProgram, limits: VariantLimits): WgslBody {
  const { a, b, size, choice, bias } = problem;
  const { tile, slices } = choice;
  const vector: WgslArray['element'] = size.N % 4 === 0 ? 'vec4<f32>' : 'f32';
  const arrays: WgslArray[] = [
    { name: a.array, element: a.element },
    { name: b.array, element: b.element },
    ...(bias && slices === 1 ? [{ name: 'bias', element: vector }] : []),
    { name: 'result', element: vector },
  ];
  const count = Math.ceil(size.M / tile.m) * Math.ceil(size.N / tile.n) * slices;
  const groups = fold(count, limits.groups);
  const builtins = [
    '@builtin(workgroup_id) group : vec3<u32>',
    '@builtin(local_invocation_index) index : u32',
    ...(program.builtins ?? []),
  ];
  const source = [
    ...program.declarations,
    a.declarations,
    b.declarations,
    ...keep(problem),
    `@compute @workgroup_size(${program.threads})`,
    `fn main(${builtins.join(', ')}) {`,
    ...indent([...place(problem, count, groups), ...program.statements]),
    '}',
  ];
  return { language: 'wgsl', workgroup: [program.threads, 1, 1], groups, arrays, source: source.filter(Boolean).join('\n') };
}

/** So many workgroups in x and y; the last row may have some too many. */
export function fold(count: number, most: number): [number, number, 1] {
  const y = Math.ceil(count / most);
  return [Math.ceil(count / y), y, 1];
}

/** Which tile and slice this workgroup computes: tiles in bands of `walk` rows, a band column by column, slice after slice. */
function place<T extends Block>(
  { size, choice: { tile, slices } }: Product<T>,
  count: number,
  groups: readonly [number, number, number],
): string[] {
  const [down, across] = [Math.ceil(size.M / tile.m), Math.ceil(size.N / tile.n)];
  const lines = [`let number = ${groups[1] === 1 ? 'i32(group.x)' : `i32(group.y) * ${groups[0]} + i32(group.x)`};`];
  if (groups[0] * groups[1] > count) lines.push(`if (number >= ${count}) { return; }`);
  if (slices === 1) lines.push('let slice = 0;', 'let at = number;');
  else lines.push(`let slice = ${divide('number', down * across)};`, `let at = number - slice * ${down * across};`);

  const walk = Math.min(tile.walk, down);
  const last = down % walk;
  lines.push(`let band = ${divide('at', walk * across)};`, `let inBand = at - band * ${walk * across};`);
  lines.push(`var column = ${divide('inBand', walk)};`, `var row = inBand - column * ${walk};`);
  if (last > 0) {
    const full = Math.floor(down / walk);
    lines.push(`if (band == ${full}) { column = ${divide('inBand', last)}; row = inBand - column * ${last}; }`);
  }
  return [...lines, `let firstRow = (band * ${walk} + row) * ${tile.m};`, `let firstColumn = column * ${tile.n};`];
}

/** Stores four neighbours in row m, from `column` on, as far as they exist: the output, or a slice that is added up later. */
function keep<T extends Block>({ size: { M, N }, choice: { tile, slices }, bias, relu, row = m => m }: Product<T>): string[] {
  const vector = N % 4 === 0;
  const finished = slices === 1;
  const biasAt = (j: number) => `bias[min(column + ${j}, ${N - 1})]`;
  const biases = vector ? `bias[${divide(`min(column, ${N - 4})`, 4)}]` : `vec4<f32>(${range(4).map(biasAt).join(', ')})`;
  const beside = (column: string) => (N % tile.n === 0 ? '' : `if (${column} < ${N}) `);
  return [
    'fn keep(slice : i32, m : i32, column : i32, sum : vec4<f32>) {',
    ...indent([
      ...(M % tile.m === 0 ? [] : [`if (m >= ${M}) { return; }`]),
      `var y = sum${finished && bias ? ` + ${biases}` : ''};`,
      // (x + |x|) / 2 keeps NaN, as the op's kernel does: a maximum may not
      ...(finished && relu ? ['y = 0.5 * (y + abs(y));'] : []),
      `let row = ${finished ? row('m') : `slice * ${M} + m`};`,
      ...(vector
        ? [`${beside('column')}{ result[row * ${N / 4} + ${divide('column', 4)}] = y; }`]
        : range(4).map(j => `${beside(`column + ${j}`)}{ result[row * ${N} + column + ${j}] = y.${part(j)}; }`)),
    ]),
    '}',
  ];
}

export const indent = (lines: readonly string[]): string[] => lines.map(line => `  ${line}`);
