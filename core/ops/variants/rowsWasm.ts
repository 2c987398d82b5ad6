/** Variants whose units are rows: the routines of `core/assembly/softmax.ts`. */
import type { Variant } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';

/**
 * The primitive `name` by `routine(start, end, scratch, ...addresses of inputs, address of output, ...numbers)`, where a unit is
 * one of `rows`.
 */
export function rowsWasm<A>(
  name: string,
  routine: string,
  rows: (inputs: readonly Shape[]) => number,
  numbers: (attributes: A, inputs: readonly Shape[]) => readonly number[],
): Variant<A> {
  return {
    name: `${name}/wasm`,
    device: 'wasm',
    applies: () => true,
    lower({ attributes, inputs, output }) {
      const shapes = inputs.map(({ shape }) => shape);
      return [
        {
          kernel: { name },
          inputs: inputs.map(input => input.name),
          output: output.name,
          body: {
            language: 'wasm',
            routine,
            units: rows(shapes),
            arguments: place => [...place.inputs, place.output, ...numbers(attributes, shapes)],
          },
        },
      ];
    },
  };
}
