/** Variants whose routine of `core/assembly/elementwise.ts` computes every element from its inputs' elements at the same place. */
import type { Variant } from '../../kernels/variant.ts';
import { elements } from '../../shape.ts';
import { wasmLaunch } from './wasmLaunch.ts';

/** Elements that a unit of work has in those routines. */
export const BLOCK = 4096;

/**
 * The primitive `name` by `routine(start, end, scratch, ...addresses of inputs, address of output, elements, ...numbers)`, for
 * any shapes. The output may be one of the inputs. Each thread has 16 bytes of scratch.
 */
export function elementwiseWasm<A>(name: string, routine: string, numbers: (attributes: A) => readonly number[] = () => []): Variant<A> {
  return {
    name: `${name}/wasm`,
    device: 'wasm',
    fuses: ['inPlace'],
    applies: () => true,
    lower({ attributes, inputs, output }) {
      const length = elements(output.shape);
      return [
        wasmLaunch(name, {
          routine,
          units: Math.ceil(length / BLOCK),
          scratch: 16,
          inputs,
          output,
          arguments: (inputs, y) => [...inputs, y, length, ...numbers(attributes)],
        }),
      ];
    },
  };
}
