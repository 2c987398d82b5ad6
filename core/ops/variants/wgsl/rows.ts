/**
 * Reductions over the rows of a matrix in WGSL, one workgroup a row: its threads take every so many elements and merge what they
 * found in workgroup memory. A row of a thousand logits is then a few reads deep instead of a thousand.
 *
 * Measured: on no GPU yet. On a software renderer they only show that they are right.
 */
import type { Variant, VariantLaunch, VariantLimits } from '../../../kernels/variant.ts';
import { elements, type Shape } from '../../../shape.ts';
import type { Tensor } from '../../op.ts';
import { fold } from './frame.ts';
import { range } from './operand.ts';

interface RowReduction {
  /** Values of type f32 that a thread keeps. */
  readonly state: readonly string[];
  /** Statements before the row: `row` is its index, `base` that of its first element. */
  readonly begin: readonly string[];
  /** Statements for element `j` of the row, at index `at`. */
  readonly add: readonly string[];
  /** Statements that merge `other_NAME` into `NAME`. */
  readonly merge: readonly string[];
  /** Statements that store what comes of it. */
  readonly store: readonly string[];
}

/** Threads of a workgroup, all for one row. */
export const THREADS = 128;
/** Rows shorter than this do not fill a workgroup: a thread each is as good. */
const SHORTEST = 32;

export const rowsOf = (shape: Shape): { R: number; C: number } => {
  const C = shape[shape.length - 1]!;
  return { R: elements(shape) / C, C };
};
/** Whether a row of the first input is worth a workgroup, and the adapter grants one. */
export const rowsApply = (_: unknown, [x]: readonly Shape[], __: Shape, { limits }: { limits: VariantLimits }): boolean =>
  rowsOf(x!).C >= SHORTEST && elements(x!) < 2 ** 31 && limits.invocations >= THREADS;

/** A launch over the rows of the first input. */
function rowLaunch(
  name: string,
  { state, begin, add, merge, store }: RowReduction,
  inputs: readonly { readonly name: string; readonly tensor: Tensor }[],
  output: Tensor,
  limits: VariantLimits,
): VariantLaunch {
  const { R, C } = rowsOf(inputs[0]!.tensor.shape);
  const groups = fold(R, limits.groups);
  const levels = range(Math.log2(THREADS)).flatMap(i => {
    const half = THREADS / 2 ** (i + 1);
    return [
      'workgroupBarrier();',
      `if (lane < ${half}) {`,
      ...state.map(each => `  let other_${each} = shared_${each}[lane + ${half}];`),
      ...merge.map(line => `  ${line}`),
      ...state.map(each => `  shared_${each}[lane] = ${each};`),
      '}',
    ];
  });
  const lines = [
    'let lane = i32(index);',
    `let place = i32(group.y) * ${groups[0]} + i32(group.x);`,
    // workgroups past the last row do it again, and store nothing
    `let row = min(place, ${R - 1});`,
    `let base = row * ${C};`,
    ...begin,
    `for (var j = lane; j < ${C}; j += ${THREADS}) {`,
    '  let at = base + j;',
    ...add.map(line => `  ${line}`),
    '}',
    ...state.map(each => `shared_${each}[lane] = ${each};`),
    ...levels,
    `if (lane == 0 && place < ${R}) {`,
    ...store.map(line => `  ${line}`),
    '}',
  ];
  const source = `${state.map(each => `var<workgroup> shared_${each} : array<f32, ${THREADS}>;`).join('\n')}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_index) index : u32) {
${lines.map(line => `  ${line}`).join('\n')}
}`;
  const arrays = [...inputs.map(input => input.name), 'result'].map(each => ({ name: each, element: 'f32' as const }));
  const body = { language: 'wgsl', workgroup: [THREADS, 1, 1], groups, arrays, source } as const;
  return { kernel: { name }, inputs: inputs.map(({ tensor }) => tensor.name), output: output.name, body };
}

const rowVariant = <A>(
  name: string,
  names: readonly string[],
  reduction: (sizes: { R: number; C: number }, attributes: A) => RowReduction,
): Variant<A> => ({
  name: `${name}/wgsl-rows`,
  device: 'webgpu',
  applies: rowsApply,
  lower({ attributes, inputs, output, terms: { limits } }) {
    const named = names.map((each, i) => ({ name: each, tensor: inputs[i]! }));
    return [rowLaunch(name, reduction(rowsOf(inputs[0]!.shape), attributes), named, output, limits)];
  },
});

/** x [R,C] → its largest value a row. */
export const rowLargestWgsl = (name: string): Variant<unknown> =>
  rowVariant(name, ['x'], ({ C }) => ({
    state: ['largest'],
    begin: [`var largest = x[base + min(lane, ${C - 1})];`],
    add: ['largest = select(largest, x[at], x[at] > largest);'],
    merge: ['largest = select(largest, other_largest, other_largest > largest);'],
    store: ['result[row] = largest;'],
  }));

/** x [R,C], largest [R] → Σ exp(x - largest) a row. */
export const rowSumWgsl = (name: string): Variant<unknown> =>
  rowVariant(name, ['x', 'largest'], () => ({
    state: ['sum'],
    begin: ['let most = largest[row];', 'var sum = 0.0;'],
    add: ['sum += exp(x[at] - most);'],
    merge: ['sum += other_sum;'],
    store: ['result[row] = sum;'],
  }));

/** logits [N,C], targets [N], largest [N], sum [N] → [4,N]: loss, whether the target is first, among the first five, counts. */
export const crossEntropySamplesWgsl: Variant<{ labelSmoothing: number }> = rowVariant(
  'crossEntropy.samples',
  ['logits', 'targets', 'largest', 'sum'],
  ({ R, C }, { labelSmoothing }: { labelSmoothing: number }) => ({
    state: ['ahead', 'spread'],
    begin: [
      'let wanted = targets[row];',
      'let most = largest[row];',
      // a target without a logit must not pass as a loss
      `let found = wanted >= 0.0 && wanted < ${C}.0 && floor(wanted) == wanted;`,
      `let own = select(0.0, logits[base + clamp(i32(wanted), 0, ${C - 1})], found);`,
      'var ahead = 0.0;',
      'var spread = 0.0;',
    ],
    add: [
      'let logit = logits[at];',
      'ahead += select(1.0, 0.0, logit < own || (logit == own && f32(j) >= wanted));',
      'spread += most - logit;',
    ],
    merge: ['ahead += other_ahead;', 'spread += other_spread;'],
    store: [
      'let counts = select(1.0, 0.0, wanted < 0.0);',
      'let hard = (most - own) / select(0.0, 1.0, found);',
      `let loss = log(sum[row]) + ${1 - labelSmoothing} * hard + ${labelSmoothing / C} * spread;`,
      'result[row] = select(loss, 0.0, wanted < 0.0);',
      `result[${R} + row] = select(0.0, counts, ahead < 1.0);`,
      `result[${2 * R} + row] = select(0.0, counts, ahead < ${Math.min(5, C)}.0);`,
      `result[${3 * R} + row] = counts;`,
    ],
  }),
);
