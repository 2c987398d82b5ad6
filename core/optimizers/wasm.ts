/**
 * The optimizers' steps in WebAssembly: one launch that reads and writes everything once (`core/assembly/optimizers.ts`).
 *
 * Measured with two threads on two cores of an AMD EPYC (`npx tsx spec/bench/memory.ts --only sgd,adam`), 11.7 million parameters,
 * bandwidth of a plain copy in the same run in brackets: sgd 58 GB/s (38), with momentum 60 (37), adam 55 (35).
 */
import type { Variant } from '../kernels/variant.ts';
import { elements } from '../shape.ts';

/** Elements that a unit of work has in those routines. */
const BLOCK = 4096;
/** Bytes that adam's factors and last elements take. */
const SCRATCH = 224;

/**
 * The primitive `name`, whose inputs are a parameter, what `state` tensors the optimizer keeps for it, the gradient and hyper; it
 * overwrites the parameter and the state.
 */
export function updateWasm<A>(name: string, routine: string, state: number, numbers: (attributes: A) => readonly number[]): Variant<A> {
  return {
    name: `${name}/wasm`,
    device: 'wasm',
    applies: () => true,
    lower({ attributes, inputs, output }) {
      const length = elements(output.shape);
      const names = inputs.map(input => input.name);
      return [
        {
          kernel: { name },
          inputs: names,
          output: output.name,
          writes: names.slice(1, 1 + state),
          body: {
            language: 'wasm',
            routine,
            units: Math.ceil(length / BLOCK),
            scratch: SCRATCH,
            arguments: ({ inputs: addresses }) => [...addresses, length, ...numbers(attributes)],
          },
        },
      ];
    },
  };
}
