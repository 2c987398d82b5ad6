/**
 * The optimizers' steps in WGSL: one launch that reads and writes everything once, four elements a thread.
 *
 * Measured: on no GPU yet. On a software renderer they only show that they are right.
 */
import type { Variant } from '../kernels/variant.ts';
import { elementwiseLaunch, inFours } from '../ops/variants/wgsl/elementwise.ts';
import { hyperLength, hyperSlot } from '../program/hyper.ts';
import { elements } from '../shape.ts';

/** `hyper` is bound in fours, too. */
const hyper = (slot: keyof typeof hyperSlot): string => `hyper[${hyperSlot[slot] >> 2}].${'xyzw'[hyperSlot[slot] % 4]}`;
export const slots = Object.fromEntries(Object.keys(hyperSlot).map(name => [name, hyper(name as keyof typeof hyperSlot)])) as Record<
  keyof typeof hyperSlot,
  string
>;

/**
 * The primitive `name`, whose inputs are a parameter, the tensors of `state`, the gradient and hyper. `statements` find the parameter
 * and the gradient, already divided by the loss scale, as `p` and `raw`, the state's elements under its names followed by `[at]`,
 * and leave the parameter in `value`.
 */
export function updateWgsl<A>(name: string, state: readonly string[], statements: (attributes: A) => readonly string[]): Variant<A> {
  return {
    name: `${name}/wgsl-fours`,
    device: 'webgpu',
    applies: (_, inputs, output, { limits }) =>
      inFours(elements(output), inputs.length + 1, limits) && elements(inputs.at(-1)!) === hyperLength,
    lower({ attributes, inputs, output, terms: { limits } }) {
      const names = ['parameter', ...state, 'gradient', 'hyper'];
      const launch = elementwiseLaunch(
        name,
        {
          inputs: names.map((each, i) => ({ name: each, tensor: inputs[i]! })),
          output,
          statements: array => [
            `let p = ${array('parameter')}[at];`,
            `let raw = gradient[at] * ${slots.inverseLossScale};`,
            ...statements(attributes),
          ],
        },
        limits,
      );
      return [{ ...launch, writes: inputs.slice(1, 1 + state.length).map(tensor => tensor.name) }];
    },
  };
}
