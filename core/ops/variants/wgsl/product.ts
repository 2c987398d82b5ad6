/**
 * Generates a tiled matrix product  y[m, n] = bias[n] + Σ_k A[m, k] · B[k, n]  in WGSL, all sizes literal.
 *
 * A step of the loop loads the next tiles of A and B from memory into registers, computes on the present ones in workgroup
 * memory, and stores the loaded ones there: loads are under way while products are summed. Tiles over the edges are filled
 * with what is at hand along m and n, with zeros along k; only outputs that exist are stored. Sums may be cut into slices
 * along k for want of workgroups: a slice is then an output [M,N] of its own, to be added up by `sumSlices`.
 */
import type { VariantLimits, WgslBody } from '../../../kernels/variant.ts';
import { body, indent, type Product } from './frame.ts';
import { part, range, times } from './operand.ts';
import { type Staging, staging } from './staging.ts';
import { pitchOf, type Tile, threadsOf } from './tiles.ts';

export function product(problem: Product<Tile>, limits: VariantLimits): WgslBody {
  const { size, choice, a, b } = problem;
  const { tile, slices, depth } = choice;
  const total = Math.ceil(size.K / tile.k);
  const stage = staging({ ...tile, threads: threadsOf(tile) }, a, b, ({ operand, name, into }, buffer) => {
    const pitch = pitchOf(tile, operand === a ? tile.m : tile.n);
    const tileOf = operand === a ? 'tileA' : 'tileB';
    const values = operand.along === 'mn' ? into : range(4).map(k => `vec4<f32>(${into.map(row => `${row}.${part(k)}`).join(', ')})`);
    return [
      `let ${name}to = ${buffer} + ${name}depth * ${pitch} + ${name}quad;`,
      ...values.map((value, k) => `${tileOf}[${name}to + ${k * pitch}] = ${value};`),
    ];
  });
  const memory = (name: string, width: number) =>
    `var<workgroup> ${name} : array<vec4<f32>, ${tile.buffers * tile.k * pitchOf(tile, width)}>;`;
  const steps = { ...tile, total, depth: slices === 1 ? undefined : depth };
  const sizes = [tile.k * pitchOf(tile, tile.m), tile.k * pitchOf(tile, tile.n)] as const;
  return body(
    problem,
    {
      threads: threadsOf(tile),
      declarations: [memory('tileA', tile.m), memory('tileB', tile.n)],
      statements: [
        ...threadPlace(tile),
        ...sums(tile).map(name => `var ${name} = vec4<f32>();`),
        ...(total === 0 ? [] : [...stage.prepare, ...loop(steps, sizes, stage, (...buffers) => multiply(tile, ...buffers))]),
        ...range(tile.columns / 4).flatMap(group =>
          range(tile.rows).map(row => {
            const m = `firstRow + ${((row >> 2) * tile.m) / 2 + (row % 4)} + quadRow * 4`;
            return `keep(slice, ${m}, firstColumn + ${(group * tile.n) / 2} + quadColumn * 4, ${sum(row, group)});`;
          }),
        ),
      ],
    },
    limits,
  );
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

/** The steps of a sum: tiles of depth k, all `total` of them or the `depth` of a slice. */
export interface Steps {
  readonly k: number;
  readonly buffers: 1 | 2;
  readonly total: number;
  readonly depth: number | undefined;
}

/**
 * The loop over the steps. Its first turn only loads, its last only multiplies, so that the text of both is there once. With
 * one buffer, a second barrier keeps the tiles until all threads have read them. `sizes` are those of one buffer of each tile.
 */
export function loop(
  { k, buffers: count, total, depth }: Steps,
  sizes: readonly [number, number],
  stage: Staging,
  multiplied: (bufferA: string, bufferB: string) => string[],
): string[] {
  const end = depth === undefined ? `${total}` : 'end';
  const double = count === 2;
  const buffers = (step: string) => sizes.map(size => (double ? `(${step} & 1) * ${size}` : '0')) as [string, string];
  const ifMore = (statements: string[]) => [`if (step + 1 < ${end}) {`, ...indent(statements), '}'];
  return [
    `let begin = ${depth === undefined ? '0' : `slice * ${depth}`};`,
    ...(depth === undefined ? [] : [`let end = min(begin + ${depth}, ${total});`]),
    `for (var step = begin - 1; step < ${end}; step++) {`,
    ...indent([
      ...ifMore([`let start = ${times('(step + 1)', k)};`, ...stage.fetch('start')]),
      'if (step >= begin) {',
      ...indent(multiplied(...buffers('step'))),
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
        const factor = `vec4<f32>(a${u}_${row >> 2}.${part(row % 4)})`;
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
