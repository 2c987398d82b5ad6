/**
 * Reductions over all pixels, per channel, in two launches. A workgroup takes a few columns (four channels each, where C is a
 * multiple of four) and one chunk of the pixels: its threads run down the columns side by side, so that neighbours read
 * neighbouring memory, and then merge what they found in workgroup memory. The second launch merges the chunks in the same
 * manner. Every merge has its fixed place, so the result depends on the shape alone.
 */
import type { VariantLaunch, VariantLimits, WgslBody } from '../../../kernels/variant.ts';
import { elements, type Shape } from '../../../shape.ts';
import { channelsOf, pixelsOf } from '../../channelSums.ts';
import type { Tensor } from '../../op.ts';
import { range } from './operand.ts';

/** What is kept while pixels are added up, as WGSL on values of type T: vec4<f32>, or f32. */
export interface Reduction {
  /** Names of the values that a thread keeps, all of type T. */
  readonly state: readonly string[];
  /** Those that a chunk leaves for the second launch. */
  readonly kept: readonly string[];
  /** Statements before the pixels; `c` is the column, `first` and `last` bound the chunk, `row` is the thread's first pixel in it. */
  readonly begin: readonly string[];
  /** Statements for one pixel; `at` is its index in the arrays. */
  readonly add: readonly string[];
  /** Statements after the pixels, which leave the state. */
  readonly end: readonly string[];
  /** Statements that merge `other_NAME` into `NAME`. */
  readonly merge: readonly string[];
  /** Statements that give `other_NAME` for what was not kept, from `chunk` and those that were. */
  readonly recall: readonly string[];
  /** The rows of the result at column `c`. */
  readonly rows: readonly string[];
}
/** An array of the launch: a tensor and its name in the statements. */
export interface Named {
  readonly name: string;
  readonly tensor: Tensor;
  readonly writes?: boolean;
}
export interface Columns {
  readonly C: number;
  readonly pixels: number;
  /** Elements of type T in a row. */
  readonly columns: number;
  readonly T: 'vec4<f32>' | 'f32';
  /** Columns of a workgroup, and its threads. */
  readonly width: number;
  readonly threads: number;
  readonly chunks: number;
  /** Pixels of a chunk. */
  readonly length: number;
}

/** Workgroups that keep the largest GPUs busy. */
const WANTED = 1024;
/** Pixels that a thread adds up at least: fewer are not worth a merge. */
const LEAST = 8;

/** How a tensor of this shape is cut up. */
export function columnsOf(shape: Shape, limits: VariantLimits): Columns {
  const [C, pixels] = [channelsOf(shape), pixelsOf(shape)];
  const T = C % 4 === 0 ? 'vec4<f32>' : 'f32';
  const columns = C % 4 === 0 ? C / 4 : C;
  const threads = Math.min(256, limits.invocations);
  const width = powerOfTwo(Math.min(columns, 32));
  const rows = threads / width;
  const most = Math.ceil(pixels / (rows * LEAST));
  const chunks = Math.max(1, Math.min(most, Math.ceil(WANTED / Math.ceil(columns / width))));
  const length = Math.ceil(pixels / chunks);
  return { C, pixels, columns, T, width, threads, chunks: Math.ceil(pixels / length), length };
}

const powerOfTwo = (least: number): number => 2 ** Math.ceil(Math.log2(least));

/** Whether a tensor of this shape can be reduced on this adapter by so many arrays and values of state. */
export function reducible(shape: Shape, arrays: number, state: number, limits: VariantLimits): boolean {
  if (elements(shape) >= 2 ** 31 || limits.invocations < 64 || (limits.invocations & (limits.invocations - 1)) !== 0) return false;
  const { columns, width, threads } = columnsOf(shape, limits);
  return arrays <= limits.storageBuffers && 16 * state * threads <= limits.workgroupBytes && Math.ceil(columns / width) <= limits.groups;
}

/**
 * The two launches from arrays of [N,H,W,C] to `output` of [rows, C].
 * @param finals arrays that only `reduction.rows` reads, at column `c` plus multiples of the columns
 */
export function reductionLaunches(
  name: string,
  reduction: Reduction,
  {
    inputs,
    finals,
    output,
    scratch,
  }: { inputs: readonly Named[]; finals: readonly Named[]; output: Tensor; scratch(shape: Shape): Tensor },
  limits: VariantLimits,
): VariantLaunch[] {
  const cut = columnsOf(inputs[0]!.tensor.shape, limits);
  const partial = scratch([cut.chunks, reduction.kept.length, cut.C]);
  const writes = inputs.filter(each => each.writes).map(({ tensor }) => tensor.name);
  const first: VariantLaunch = {
    kernel: { name: `${name}.chunks` },
    inputs: inputs.map(({ tensor }) => tensor.name),
    output: partial.name,
    ...(writes.length > 0 && { writes }),
    body: body(cut, inputs, [Math.ceil(cut.columns / cut.width), cut.chunks, 1], chunkSource(cut, reduction)),
  };
  const few = { ...cut, width: powerOfTwo(Math.min(cut.columns, 8)) };
  const from = { name: 'partial', tensor: partial };
  const second: VariantLaunch = {
    kernel: { name },
    inputs: [partial.name, ...finals.map(({ tensor }) => tensor.name)],
    output: output.name,
    body: body(few, [from, ...finals], [Math.ceil(cut.columns / few.width), 1, 1], mergeSource(few, reduction)),
  };
  return [first, second];
}

function body({ T, threads }: Columns, inputs: readonly Named[], groups: WgslBody['groups'], source: string): WgslBody {
  const arrays = [...inputs.map(({ name }) => name), 'result'].map(name => ({ name, element: T }));
  return { language: 'wgsl', workgroup: [threads, 1, 1], groups, arrays, source };
}

function chunkSource(cut: Columns, reduction: Reduction): string {
  const { columns, length, pixels } = cut;
  const { state, kept, begin, add, end } = reduction;
  return program(
    cut,
    reduction,
    [
      'let chunk = i32(group.y);',
      `let first = chunk * ${length};`,
      `let last = min(first + ${length}, ${pixels});`,
      ...begin,
      `for (var pixel = first + row; pixel < last; pixel += ${rowsOf(cut)}) {`,
      `  let at = pixel * ${columns} + c;`,
      ...add.map(line => `  ${line}`),
      '}',
      ...end,
    ],
    kept.map((name, k) => `result[(chunk * ${kept.length} + ${k}) * ${columns} + column] = ${name};`),
    state,
  );
}

function mergeSource(cut: Columns, reduction: Reduction): string {
  const { columns, chunks, T } = cut;
  const { state, kept, merge, recall, rows } = reduction;
  return program(
    cut,
    reduction,
    [
      ...state.map(name => `var ${name} = ${T}();`),
      `for (var chunk = row; chunk < ${chunks}; chunk += ${rowsOf(cut)}) {`,
      ...kept.map((name, k) => `  let other_${name} = partial[(chunk * ${kept.length} + ${k}) * ${columns} + c];`),
      ...[...recall, ...merge].map(line => `  ${line}`),
      '}',
    ],
    rows.map((value, i) => `result[${i * columns} + column] = ${value};`),
    state,
  );
}

const rowsOf = ({ threads, width }: Columns): number => threads / width;

/** A shader whose threads each leave a state, merges those of one column and stores what comes of it. */
function program(cut: Columns, { merge }: Reduction, work: readonly string[], store: readonly string[], state: readonly string[]): string {
  const { T, threads, width, columns } = cut;
  const halves = range(Math.log2(rowsOf(cut))).map(i => rowsOf(cut) / 2 ** (i + 1));
  const levels = halves.flatMap(half => [
    'workgroupBarrier();',
    `if (row < ${half}) {`,
    ...state.map(name => `  let other_${name} = shared_${name}[lane + ${half * width}];`),
    ...merge.map(line => `  ${line}`),
    ...state.map(name => `  shared_${name}[lane] = ${name};`),
    '}',
  ]);
  const lines = [
    'let lane = i32(index);',
    `let column = i32(group.x) * ${width} + lane % ${width};`,
    `let row = lane / ${width};`,
    // columns past the last read it again, and store nothing
    `let c = min(column, ${columns - 1});`,
    ...work,
    ...state.map(name => `shared_${name}[lane] = ${name};`),
    ...levels,
    `if (row == 0 && column < ${columns}) {`,
    ...store.map(line => `  ${line}`),
    '}',
  ];
  return `${state.map(name => `var<workgroup> shared_${name} : array<${T}, ${threads}>;`).join('\n')}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_index) index : u32) {
${lines.map(line => `  ${line}`).join('\n')}
}`;
}

/** Plain sums of such terms. */
export function sums(
  terms: readonly { readonly name: string; readonly term: string }[],
  before: readonly string[] = [],
): Omit<Reduction, 'begin' | 'rows'> {
  const names = terms.map(({ name }) => name);
  return {
    state: names,
    kept: names,
    add: [...before, ...terms.map(({ name, term }) => `${name} += ${term};`)],
    end: [],
    merge: names.map(name => `${name} += other_${name};`),
    recall: [],
  };
}
