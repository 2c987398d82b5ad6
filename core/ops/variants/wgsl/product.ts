/**
 * Generates a tiled matrix product  y[m, n] = bias[n] + Σ_k A[m, k] · B[k, n]  in WGSL, all sizes literal.
 *
 * A step of the loop loads the next tiles of A and B from memory into registers, computes on the present ones in workgroup
 * memory, and stores the loaded ones there: loads are under way while products are summed. Tiles over the edges are filled
 * with what is at hand along m and n, with zeros along k; only outputs that exist are stored. Sums may be cut into slices
 * along k for want of workgroups: a slice is then an output [M,N] of its own, to be added up by `sumSlices`.
 */
import type { VariantLimits, WgslArray, WgslBody } from '../../../kernels/variant.ts';
import type { Choice, ProductSize } from './choose.ts';
import { divide, type Operand, range, times } from './operand.ts';
import { type Staging, staging } from './staging.ts';
import { pitchOf, type Tile, threadsOf } from './tiles.ts';

export interface Product {
  readonly size: ProductSize;
  readonly choice: Choice;
  readonly a: Operand;
  readonly b: Operand;
  readonly bias: boolean;
  /** y = max(y, 0) at last. */
  readonly relu: boolean;
  /** Where row m of the output begins, in rows of N: m itself, unless rows go to scattered places. */
  readonly row?: (m: string) => string;
}

/** The shader; its arrays are A, B, the bias if there is one, and the output (or the slices of it). */
export function product(problem: Product, limits: VariantLimits): WgslBody {
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
  return { language: 'wgsl', workgroup: [threadsOf(tile), 1, 1], groups, arrays, source: source(problem, count, groups) };
}

/** So many workgroups in x and y; the last row may have some too many. */
export function fold(count: number, most: number): [number, number, 1] {
  const y = Math.ceil(count / most);
  return [Math.ceil(count / y), y, 1];
}

function source(problem: Product, count: number, groups: readonly [number, number, number]): string {
  const { size, choice, a, b } = problem;
  const { tile, slices, depth } = choice;
  const total = Math.ceil(size.K / tile.k);
  const stage = staging(tile, a, b);
  const lines = [
    ...place(problem, count, groups),
    ...threadPlace(tile),
    ...sums(tile).map(name => `var ${name} = vec4<f32>();`),
    ...(total === 0 ? [] : [...stage.prepare, ...loop(tile, total, slices === 1 ? undefined : depth, stage)]),
    ...stores(problem),
  ];
  const memory = (name: string, width: number) =>
    `var<workgroup> ${name} : array<vec4<f32>, ${tile.buffers * tile.k * pitchOf(tile, width)}>;`;
  return [
    memory('tileA', tile.m),
    memory('tileB', tile.n),
    a.declarations,
    b.declarations,
    problem.relu ? rectified : '',
    `@compute @workgroup_size(${threadsOf(tile)})`,
    'fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_index) index : u32) {',
    ...lines.map(line => `  ${line}`),
    '}',
  ]
    .filter(Boolean)
    .join('\n');
}

/** Which tile and slice this workgroup computes: tiles in bands of `walk` rows, a band column by column, slice after slice. */
function place({ size, choice: { tile, slices } }: Product, count: number, groups: readonly [number, number, number]): string[] {
  const [down, across] = [Math.ceil(size.M / tile.m), Math.ceil(size.N / tile.n)];
  const lines = [`let number = ${groups[1] === 1 ? 'i32(group.x)' : `i32(group.y) * ${groups[0]} + i32(group.x)`};`];
  if (groups[0] * groups[1] > count) lines.push(`if (number >= ${count}) { return; }`);
  if (slices === 1) lines.push('let at = number;');
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

/** Where in the tile this thread's outputs lie, in fours. A warp of 32 covers 4 × 8 threads: its reads of both tiles are few. */
function threadPlace({ n, columns }: Tile): string[] {
  const across = n / columns / 8;
  return [
    'let lane = i32(index);',
    `let quadColumn = i32(index % 8 + index / 32 % ${across} * 8);`,
    `let quadRow = i32(index / 8 % 4 + index / ${32 * across} * 4);`,
  ];
}

const sum = (row: number, group: number) => `sum${row}_${group}`;
const sums = (tile: Tile) => range(tile.rows).flatMap(row => range(tile.columns / 4).map(group => sum(row, group)));

/**
 * The loop over the tiles along k: all `total` of them, or those of a slice. Its first turn only loads, its last only
 * multiplies, so that the text of both is there once. With one buffer, a second barrier keeps the tiles until all have read them.
 */
function loop(tile: Tile, total: number, depth: number | undefined, stage: Staging): string[] {
  const end = depth === undefined ? `${total}` : 'end';
  const sizes = [tile.k * pitchOf(tile, tile.m), tile.k * pitchOf(tile, tile.n)] as const;
  const double = tile.buffers === 2;
  const buffers = (step: string) => sizes.map(size => (double ? `(${step} & 1) * ${size}` : '0')) as [string, string];
  const ifMore = (statements: string[]) => [`if (step + 1 < ${end}) {`, ...indent(statements), '}'];
  return [
    `let begin = ${depth === undefined ? '0' : `slice * ${depth}`};`,
    ...(depth === undefined ? [] : [`let end = min(begin + ${depth}, ${total});`]),
    `for (var step = begin - 1; step < ${end}; step++) {`,
    ...indent([
      ...ifMore([`let start = ${times('(step + 1)', tile.k)};`, ...stage.fetch('start')]),
      'if (step >= begin) {',
      ...indent(multiply(tile, ...buffers('step'))),
      '}',
      ...(double ? [] : ['workgroupBarrier();']),
      ...ifMore(stage.store(...buffers('(step + 1)'))),
      'workgroupBarrier();',
    ]),
    '}',
  ];
}

/** The products of two tiles: for every k, a column of A's tile times a row of B's. */
function multiply(tile: Tile, bufferA: string, bufferB: string): string[] {
  const [pitchA, pitchB] = [pitchOf(tile, tile.m), pitchOf(tile, tile.n)];
  const [groupsA, groupsB] = [range(tile.rows / 4), range(tile.columns / 4)];
  const step = (u: number) => [
    ...groupsA.map(g => `let a${u}_${g} = tileA[fromA + ${u * pitchA + (g * tile.m) / 8}];`),
    ...groupsB.map(g => `let b${u}_${g} = tileB[fromB + ${u * pitchB + (g * tile.n) / 8}];`),
    ...range(tile.rows).flatMap(row =>
      groupsB.map(g => {
        const factor = `vec4<f32>(a${u}_${row >> 2}.${'xyzw'[row % 4]})`;
        return `${sum(row, g)} = fma(${factor}, b${u}_${g}, ${sum(row, g)});`;
      }),
    ),
  ];
  return [
    `for (var k = 0; k < ${tile.k}; k += ${tile.unroll}) {`,
    ...indent([`let fromA = ${bufferA} + k * ${pitchA} + quadRow;`, `let fromB = ${bufferB} + k * ${pitchB} + quadColumn;`]),
    ...indent(range(tile.unroll).flatMap(step)),
    '}',
  ];
}

/** Stores the outputs that exist. */
function stores({ size: { M, N }, choice: { tile, slices }, bias, relu, row = m => m }: Product): string[] {
  const vector = N % 4 === 0;
  const finished = slices === 1;
  const biased = bias && finished;
  const lines: string[] = [];
  for (const group of range(tile.columns / 4)) {
    const column = `column${group}`;
    const inside = N % tile.n === 0 ? undefined : `${column} < ${N}`;
    lines.push(`let ${column} = firstColumn + ${(group * tile.n) / 2} + quadColumn * 4;`);
    const biasOf = (j: number) => `bias[min(${column} + ${j}, ${N - 1})]`;
    if (biased && vector) lines.push(`let bias${group} = bias[${divide(`min(${column}, ${N - 4})`, 4)}];`);
    else if (biased) lines.push(`let bias${group} = vec4<f32>(${range(4).map(biasOf).join(', ')});`);
    for (const r of range(tile.rows)) {
      const m = `firstRow + ${((r >> 2) * tile.m) / 2 + (r % 4)} + quadRow * 4`;
      const conditions = [...(M % tile.m === 0 ? [] : [`m < ${M}`]), ...(vector && inside ? [inside] : [])];
      const at = finished ? `(${row('m')})` : `(slice * ${M} + m)`;
      const value = finished && relu ? 'rectified(value)' : 'value';
      const stored = vector
        ? [`result[${at} * ${N / 4} + ${divide(column, 4)}] = ${value};`]
        : [
            `let values = ${value};`,
            `let to = ${at} * ${N} + ${column};`,
            ...range(4).map(j => `${inside ? `if (${column} + ${j} < ${N}) ` : ''}{ result[to + ${j}] = values.${'xyzw'[j]}; }`),
          ];
      lines.push(
        '{',
        ...indent([
          `let m = ${m};`,
          `let value = ${sum(r, group)}${biased ? ` + bias${group}` : ''};`,
          ...(conditions.length > 0 ? [`if (${conditions.join(' && ')}) {`, ...indent(stored), '}'] : stored),
        ]),
        '}',
      );
    }
  }
  return lines;
}

/** (x + |x|) / 2 keeps NaN, as the op's kernel does: a maximum may not. */
const rectified = 'fn rectified(x : vec4<f32>) -> vec4<f32> { return 0.5 * (x + abs(x)); }';

const indent = (lines: readonly string[]): string[] => lines.map(line => `  ${line}`);
