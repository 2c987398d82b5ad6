/** Variants whose units are rows: the routines of `core/assembly/softmax.ts`. */
import type { Variant } from '../../kernels/variant.ts';
import { elements, type Shape } from '../../shape.ts';

/** Bytes that exp's factors take, in those that need them. */
const SCRATCH = 160;
/** Elements that a thread takes at a time, at least: some microseconds of work, since taking some costs one. */
const GRAIN = 8192;

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
      const units = rows(shapes);
      return [
        {
          kernel: { name },
          inputs: inputs.map(input => input.name),
          output: output.name,
          body: {
            language: 'wasm',
            routine,
            units,
            grain: Math.ceil((GRAIN * units) / elements(shapes[0]!)),
            scratch: SCRATCH,
            arguments: place => [...place.inputs, place.output, ...numbers(attributes, shapes)],
          },
        },
      ];
    },
  };
}
