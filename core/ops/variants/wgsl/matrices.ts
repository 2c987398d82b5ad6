/**
 * Products on tensor cores, by the experimental feature `chromium-experimental-subgroup-matrix`: operands stay float32 in memory, are
 * rounded to float16 on their way into workgroup memory, and summed up in float32. Only where a run allows it (mixed precision):
 * a product's relative error is then about 2^-11, and values beyond 65,504 become infinite.
 *
 * A subgroup computes `rows × columns` outputs of a workgroup's tile as matrices of the size that the device offers. A block
 * keeps the order in which it was loaded: a tile whose operand runs along k holds one row (or column) of it after the other,
 * others one k after the other, and the matrices are loaded row by row or column by column to match.
 *
 * Not measured, and not run: no device at hand has the feature. The specs compile it for Dawn's null adapter.
 */
import type { SubgroupMatrix, VariantLimits, VariantTerms, WgslBody } from '../../../kernels/variant.ts';
import { type Block, type Choice, chooseAmong, type ProductSize } from './choose.ts';
import { body, indent, type Product } from './frame.ts';
import type { Method } from './launches.ts';
import { part, range } from './operand.ts';
import { loop } from './product.ts';
import { staging } from './staging.ts';

export interface MatrixTile extends Block {
  /** Outputs of a subgroup. */
  readonly rows: number;
  readonly columns: number;
  readonly buffers: 1 | 2;
  /** Elements after each line of a tile, so that lines begin in different banks. */
  readonly pad: number;
}
/** From the largest to the smallest. */
export const matrixTiles: readonly MatrixTile[] = [
  { m: 128, n: 128, k: 32, rows: 64, columns: 32, buffers: 2, pad: 8, walk: 8 },
  { m: 64, n: 64, k: 32, rows: 32, columns: 32, buffers: 2, pad: 8, walk: 8 },
];

const SUBGROUP = 32;
const subgroupsOf = ({ m, n, rows, columns }: MatrixTile): number => (m / rows) * (n / columns);
/** Elements in a line of an operand's tile, and how many lines there are. */
const linesOf = ({ k, pad }: MatrixTile, width: number, along: 'k' | 'mn') =>
  along === 'k' ? { pitch: k + pad, count: width } : { pitch: width + pad, count: k };
/** Bytes of workgroup memory, at most: float16 tiles, and a matrix of float32 results for each subgroup. */
const bytesOf = (tile: MatrixTile, { M, N }: SubgroupMatrix): number => {
  const largest = (width: number) =>
    Math.max(...(['k', 'mn'] as const).map(along => linesOf(tile, width, along)).map(({ pitch, count }) => pitch * count));
  return 2 * tile.buffers * (largest(tile.m) + largest(tile.n)) + 4 * subgroupsOf(tile) * M * N;
};

/** The device's matrices of float16 that are summed up in float32, if it offers any that divide the tiles. */
export function halfMatrix({ subgroupMatrices, subgroup }: VariantLimits, tiles = matrixTiles): SubgroupMatrix | undefined {
  if (subgroup?.min !== SUBGROUP || subgroup.max !== SUBGROUP) return undefined;
  return subgroupMatrices
    .filter(({ componentType, resultComponentType }) => componentType === 'f16' && resultComponentType === 'f32')
    .filter(({ M, N, K }) => tiles.every(({ rows, columns, k }) => rows % M === 0 && columns % N === 0 && k % K === 0 && N % 4 === 0))
    .filter(({ M, N }) => (M * N) % (4 * SUBGROUP) === 0)
    .sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K)[0];
}

/** Subgroup matrices, where the run allows float16 operands and the device has them. */
export const matrices = (tiles = matrixTiles): Method => ({
  name: 'wgsl-matrices',
  applies(sizes, { mixed, features, limits }: VariantTerms) {
    const needed = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'].every(feature => features.has(feature));
    const matrix = needed && mixed ? halfMatrix(limits, tiles) : undefined;
    // a tile that is mostly over the edge costs more than it saves
    const fits = (size: ProductSize) => Math.min(size.M, size.N) >= 16 && chosen(tiles, size, matrix!, limits) !== undefined;
    return matrix !== undefined && sizes.every(fits) && sizes.some(({ K }) => K >= 16);
  },
  shader(problem, bias, { limits }) {
    const matrix = halfMatrix(limits, tiles)!;
    const choice = chosen(tiles, problem.size, matrix, limits)!;
    return { body: matrixProduct({ ...problem, choice, bias }, matrix, limits), slices: choice.slices };
  },
});

function chosen(
  tiles: readonly MatrixTile[],
  size: ProductSize,
  matrix: SubgroupMatrix,
  limits: VariantLimits,
): Choice<MatrixTile> | undefined {
  const fits = (tile: MatrixTile) => bytesOf(tile, matrix) <= limits.workgroupBytes && SUBGROUP * subgroupsOf(tile) <= limits.invocations;
  const fitting = tiles.map(tile => (fits(tile) ? tile : { ...tile, buffers: 1 as const })).filter(fits);
  return chooseAmong(fitting, size);
}

export function matrixProduct(problem: Product<MatrixTile>, { M, N, K }: SubgroupMatrix, limits: VariantLimits): WgslBody {
  const { a, b, size, choice } = problem;
  const { tile, slices, depth } = choice;
  const total = Math.ceil(size.K / tile.k);
  const threads = SUBGROUP * subgroupsOf(tile);
  const lines = { a: linesOf(tile, tile.m, a.along), b: linesOf(tile, tile.n, b.along) };
  const stage = staging({ ...tile, threads }, a, b, ({ operand, name, into }, buffer) => {
    const { pitch } = operand === a ? lines.a : lines.b;
    const [line, at] = operand.along === 'k' ? [`${name}quad * 4`, `${name}depth`] : [`${name}depth`, `${name}quad * 4`];
    const halves = into.flatMap((register, i) =>
      range(4).map(j => `${operand === a ? 'tileA' : 'tileB'}[${name}to + ${i * pitch + j}] = f16(${register}.${part(j)});`),
    );
    return [`let ${name}to = ${buffer} + ${line} * ${pitch} + ${at};`, ...halves];
  });
  const [down, across] = [tile.rows / M, tile.columns / N];
  const sums = range(down).flatMap(i => range(across).map(j => `sum${i}_${j}`));

  /** Where a matrix begins in its tile, and how it is read: the matrix at (mn, k) of the operand. */
  const load = (array: 'tileA' | 'tileB', kind: string, buffer: string, mn: string, k: string) => {
    const [operand, { pitch }] = array === 'tileA' ? [a, lines.a] : [b, lines.b];
    const byLines = operand.along === 'k';
    const at = byLines ? `(${mn}) * ${pitch} + ${k}` : `${k} * ${pitch} + ${mn}`;
    // a line of A's tile is a row of A or a column of it; a line of B's a column of B or a row
    const order = byLines === (array === 'tileA') ? 'row_major' : 'col_major';
    return `subgroupMatrixLoad<${kind}, ${order}>(&${array}, u32(${buffer} + ${at}), ${pitch}u)`;
  };
  const multiplied = (bufferA: string, bufferB: string) => [
    `for (var k = 0; k < ${tile.k}; k += ${K}) {`,
    ...indent([
      ...range(down).map(
        i => `let a${i} = ${load('tileA', `subgroup_matrix_left<f16, ${K}, ${M}>`, bufferA, `subgroupRow + ${i * M}`, 'k')};`,
      ),
      ...range(across).map(
        j => `let b${j} = ${load('tileB', `subgroup_matrix_right<f16, ${N}, ${K}>`, bufferB, `subgroupColumn + ${j * N}`, 'k')};`,
      ),
      ...range(down).flatMap(i => range(across).map(j => `sum${i}_${j} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, sum${i}_${j});`)),
    ]),
    '}',
  ];
  // results have no elements that a shader could name: they go through workgroup memory, a matrix of each subgroup at a time
  const quads = range((M * N) / 4 / SUBGROUP);
  const keep = range(down).flatMap(i =>
    range(across).flatMap(j => [
      `subgroupMatrixStore<row_major>(&results, subgroup * ${M * N}u, sum${i}_${j}, ${N}u);`,
      'workgroupBarrier();',
      ...quads.flatMap(q => [
        '{',
        `  let quad = i32(index % ${SUBGROUP}u) + ${q * SUBGROUP};`,
        `  let at = i32(subgroup) * ${M * N} + quad * 4;`,
        `  let m = firstRow + subgroupRow + ${i * M} + quad / ${N / 4};`,
        `  let column = firstColumn + subgroupColumn + ${j * N} + quad % ${N / 4} * 4;`,
        '  keep(slice, m, column, vec4<f32>(results[at], results[at + 1], results[at + 2], results[at + 3]));',
        '}',
      ]),
      'workgroupBarrier();',
    ]),
  );
  const sizes = [lines.a.pitch * lines.a.count, lines.b.pitch * lines.b.count] as const;
  const memory = (name: string, length: number) => `var<workgroup> ${name} : array<f16, ${tile.buffers * length}>;`;
  return body(
    problem,
    {
      threads,
      declarations: [
        'enable f16;',
        'enable subgroups;',
        'enable chromium_experimental_subgroup_matrix;',
        memory('tileA', sizes[0]),
        memory('tileB', sizes[1]),
        `var<workgroup> results : array<f32, ${subgroupsOf(tile) * M * N}>;`,
      ],
      builtins: ['@builtin(subgroup_id) subgroup : u32'],
      statements: [
        'let lane = i32(index);',
        `let subgroupRow = i32(subgroup / ${tile.n / tile.columns}u) * ${tile.rows};`,
        `let subgroupColumn = i32(subgroup % ${tile.n / tile.columns}u) * ${tile.columns};`,
        ...sums.map(name => `var ${name} : subgroup_matrix_result<f32, ${N}, ${M}>;`),
        ...(total === 0
          ? []
          : [...stage.prepare, ...loop({ ...tile, total, depth: slices === 1 ? undefined : depth }, sizes, stage, multiplied)]),
        ...keep,
      ],
    },
    limits,
  );
}
