/**
 * The products of a linear layer in WebAssembly: `core/assembly/linear.ts` says how. The batch is packed into panels of eight by
 * a launch of its own, then strips of the weight times groups of panels are the units.
 */
import type { Variant, VariantLaunch } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import type { Tensor } from '../op.ts';

/** As in `core/assembly`. */
const DEPTH = 256;
/** Panels of a unit: 256 KiB of them are packed 256 deep, a quarter of the second cache. */
const WIDTH = 32;
/** Below as many multiplications a launch costs more than the product. */
const LEAST_PRODUCTS = 1024;

type Linear = { relu?: boolean } | undefined;

const worthwhile = (...sizes: number[]): boolean => sizes.reduce((product, size) => product * size, 1) >= LEAST_PRODUCTS;

/** [columns, depth] with contiguous columns → panels. */
function packBatch(source: Tensor, scratch: (shape: Shape) => Tensor): { panels: Tensor; launch: VariantLaunch } {
  const [columns, depth] = source.shape as [number, number];
  const panels = scratch([Math.ceil(columns / 8), depth, 8]);
  return {
    panels,
    launch: {
      kernel: { name: 'linear.panels' },
      inputs: [source.name],
      output: panels.name,
      body: {
        language: 'wasm',
        routine: 'panelsOfRows',
        units: Math.ceil(columns / 8) * Math.ceil(depth / DEPTH),
        arguments: ({ inputs: [from], output: to }) => [from!, to, columns, depth],
      },
    },
  };
}

export const linearWasm: Variant<unknown> = {
  name: 'linear/wasm-gemm',
  device: 'wasm',
  applies: (_, [x, weight]) => worthwhile(...x!, weight![1]!),
  lower({ attributes, inputs: [x, weight, bias], output, scratch }) {
    const [N, I] = x!.shape as [number, number];
    const O = weight!.shape[1]!;
    const { panels, launch } = packBatch(x!, scratch);
    const width = Math.min(WIDTH, Math.ceil(N / 8));
    const strip = width < WIDTH ? 192 : 48;
    const product: VariantLaunch = {
      kernel: { name: 'linear' },
      inputs: [panels.name, weight!.name, ...(bias ? [bias.name] : [])],
      output: output.name,
      body: {
        language: 'wasm',
        routine: 'linear',
        units: Math.ceil(O / strip) * Math.ceil(N / 8 / width),
        grain: 1,
        scratch: 64 + (strip / 6) * (DEPTH * 24 + 64) + strip * width * 32,
        arguments: ({ inputs: [packed, w, b = 0], output: y }) => [
          packed!,
          w!,
          b,
          y,
          N,
          I,
          O,
          strip,
          width,
          (attributes as Linear)?.relu ? 1 : 0,
        ],
      },
    };
    return [launch, product];
  },
};
