/**
 * Launches that compute each element of their output from those at the same place (and from a few numbers a channel), four at a
 * time: 16 bytes a thread and array, so that they run at the speed of memory.
 *
 * Measured: on no GPU yet. On a software renderer they only show that they are right.
 */
import type { Variant, VariantLaunch, VariantLimits } from '../../../kernels/variant.ts';
import { elements } from '../../../shape.ts';
import type { Fused } from '../../fusion.ts';
import type { Tensor } from '../../op.ts';
import { fold } from './frame.ts';

export interface Elementwise {
  /** The inputs by the names that they have in the statements, in order. One that is the output itself is read as that. */
  readonly inputs: readonly { readonly name: string; readonly tensor: Tensor }[];
  readonly output: Tensor;
  /** Statements that leave the element in `value`; `at` is its index. `array(NAME)` reads an input. */
  statements(array: (name: string) => string): readonly string[];
}

const THREADS = 256;

/** Whether so many elements come in fours and can be reached on this adapter. */
export const inFours = (count: number, arrays: number, limits: VariantLimits): boolean =>
  count % 4 === 0 && count < 2 ** 31 && arrays <= limits.storageBuffers;

export function elementwiseLaunch(name: string, { inputs, output, statements }: Elementwise, limits: VariantLimits): VariantLaunch {
  const threads = Math.min(THREADS, limits.invocations);
  const count = elements(output.shape) / 4;
  const groups = fold(Math.ceil(count / threads), limits.groups);
  const arrays = [...inputs.map(input => input.name), 'result'].map(each => ({ name: each, element: 'vec4<f32>' as const }));
  const array = (wanted: string) => (inputs.find(input => input.name === wanted)!.tensor.name === output.name ? 'result' : wanted);
  const source = `
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_index) index : u32) {
  let at = (i32(group.y) * ${groups[0]} + i32(group.x)) * ${threads} + i32(index);
  if (at >= ${count}) { return; }
${statements(array)
  .map(line => `  ${line}`)
  .join('\n')}
  result[at] = value;
}`;
  const body = { language: 'wgsl', workgroup: [threads, 1, 1], groups, arrays, source } as const;
  return { kernel: { name }, inputs: inputs.map(({ tensor }) => tensor.name), output: output.name, body };
}

/** max(v, 0) as `relu.ts` has it: NaN stays NaN. */
export const rectified = (value: string): string => `0.5 * (${value} + abs(${value}))`;

/** A primitive whose inputs and output have one shape. */
const same = (name: string, names: readonly string[], value: (...arrays: string[]) => string): Variant<Fused> => ({
  name: `${name}/wgsl-fours`,
  device: 'webgpu',
  fuses: ['inPlace'],
  applies: (_, __, output, { limits }) => inFours(elements(output), names.length + 1, limits),
  lower({ inputs, output, terms: { limits } }) {
    const named = names.map((each, i) => ({ name: each, tensor: inputs[i]! }));
    const statements = (array: (name: string) => string) => [`let value = ${value(...names.map(each => `${array(each)}[at]`))};`];
    return [elementwiseLaunch(name, { inputs: named, output, statements }, limits)];
  },
});

export const reluWgsl = same('relu', ['x'], rectified);
export const reluGradientWgsl = same('relu.inputGradient', ['y', 'dy'], (y, dy) => `select(vec4<f32>(), ${dy}, ${y} > vec4<f32>())`);
export const addWgsl = same('add', ['a', 'b'], (a, b) => `${a} + ${b}`);
