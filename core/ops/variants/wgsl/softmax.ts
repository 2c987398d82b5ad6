/**
 * Softmax over the rows of a matrix in WGSL, one workgroup a row: its threads take every so many elements, agree on a number a
 * row through workgroup memory (the largest, then the sum), and write their elements. One launch instead of gpu.js's three.
 *
 * Measured: on no GPU yet. On a software renderer they only show that they are right.
 */
import type { Variant } from '../../../kernels/variant.ts';
import type { Tensor } from '../../op.ts';
import { fold } from './frame.ts';
import { range } from './operand.ts';
import { rowsApply, rowsOf, THREADS } from './rows.ts';

/** A number that all elements of a row give together. */
interface Shared {
  readonly name: string;
  /** What a thread starts with: of its first element `base + min(lane, C - 1)`, or a constant. */
  readonly start: string;
  /** The statement for the element at `at`. */
  readonly add: string;
  /** The statement that takes in `other` of another thread. */
  readonly merge: string;
}

const found = ({ name, start, add, merge }: Shared, C: number): string[] => [
  `var ${name} = ${start};`,
  `for (var j = lane; j < ${C}; j += ${THREADS}) { let at = base + j; ${add} }`,
  `shared_row[lane] = ${name};`,
  ...range(Math.log2(THREADS)).flatMap(i => {
    const half = THREADS / 2 ** (i + 1);
    return ['workgroupBarrier();', `if (lane < ${half}) { let other = shared_row[lane + ${half}]; ${merge} shared_row[lane] = ${name}; }`];
  }),
  // all have read it before the next number takes its place
  'workgroupBarrier();',
  `${name} = shared_row[0];`,
  'workgroupBarrier();',
];

const overRows = (name: string, names: readonly string[], numbers: (C: number) => readonly Shared[], value: string): Variant<unknown> => ({
  name: `${name}/wgsl-rows`,
  device: 'webgpu',
  applies: rowsApply,
  lower({ inputs, output, terms: { limits } }) {
    const { R, C } = rowsOf((inputs[0] as Tensor).shape);
    const groups = fold(R, limits.groups);
    const lines = [
      'let lane = i32(index);',
      `let place = i32(group.y) * ${groups[0]} + i32(group.x);`,
      // workgroups past the last row do it again, and store nothing
      `let base = min(place, ${R - 1}) * ${C};`,
      ...numbers(C).flatMap(number => found(number, C)),
      `if (place < ${R}) { for (var j = lane; j < ${C}; j += ${THREADS}) { let at = base + j; result[at] = ${value}; } }`,
    ];
    const source = `var<workgroup> shared_row : array<f32, ${THREADS}>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_index) index : u32) {
${lines.map(line => `  ${line}`).join('\n')}
}`;
    const arrays = [...names, 'result'].map(each => ({ name: each, element: 'f32' as const }));
    const body = { language: 'wgsl', workgroup: [THREADS, 1, 1], groups, arrays, source } as const;
    return [{ kernel: { name }, inputs: inputs.map(tensor => tensor.name), output: output.name, body }];
  },
});

/** x [R,C] → exp(x - largest) / Σ exp(x - largest) of its row. */
export const softmaxWgsl = overRows(
  'softmax',
  ['x'],
  C => [
    {
      name: 'largest',
      start: `x[base + min(lane, ${C - 1})]`,
      add: 'largest = select(largest, x[at], x[at] > largest);',
      merge: 'largest = select(largest, other, other > largest);',
    },
    { name: 'sum', start: '0.0', add: 'sum += exp(x[at] - largest);', merge: 'sum += other;' },
  ],
  'exp(x[at] - largest) / sum',
);

/** y [R,C], dy [R,C] → dx_j = y_j (dy_j - Σ_i y_i dy_i) of its row. */
export const softmaxGradientWgsl = overRows(
  'softmax.inputGradient',
  ['y', 'dy'],
  () => [{ name: 'dot', start: '0.0', add: 'dot += y[at] * dy[at];', merge: 'dot += other;' }],
  'y[at] * (dy[at] - dot)',
);
