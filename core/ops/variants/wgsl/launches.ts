import type { VariantLaunch, VariantTerms, WgslBody } from '../../../kernels/variant.ts';
import type { Shape } from '../../../shape.ts';
import type { Tensor } from '../../op.ts';
import { type Chooser, choose, type ProductSize } from './choose.ts';
import type { Problem } from './frame.ts';
import { product } from './product.ts';
import { sumSlices } from './sumSlices.ts';

/** A way to compute products. */
export interface Method {
  /** `wgsl-gemm`: the last part of its variants' names. */
  readonly name: string;
  /** Whether it can compute all of these, which are one node's. */
  applies(sizes: readonly ProductSize[], terms: VariantTerms): boolean;
  /** The shader of a product to which the method applies, and into how many slices it cuts the sums. */
  shader(problem: Problem, bias: boolean, terms: VariantTerms): { readonly body: WgslBody; readonly slices: number };
}

/** Multiplications below which a node is left to its definition: there is nothing to gain, but a shader to compile. */
const FEWEST = 4096;
export const multiplications = (sizes: readonly ProductSize[]): number => sizes.reduce((sum, { M, N, K }) => sum + M * N * K, 0);

/** Every thread multiplies and adds in float32. */
export const tiled = (chooser: Chooser = choose, fewest = FEWEST): Method => ({
  name: 'wgsl-gemm',
  applies: (sizes, { limits }) => multiplications(sizes) >= fewest && sizes.every(size => chooser(size, limits) !== undefined),
  shader(problem, bias, { limits }) {
    const choice = chooser(problem.size, limits)!;
    return { body: product({ ...problem, choice, bias }, limits), slices: choice.slices };
  },
});

export interface ProductTensors {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly bias?: Tensor | undefined;
  readonly output: Tensor;
  scratch(shape: Shape): Tensor;
}

/** The launch of a product; if its sums are in slices, then also the one that adds them up. */
export function productLaunches(
  name: string,
  problem: Problem,
  { a, b, bias, output, scratch }: ProductTensors,
  terms: VariantTerms,
  method: Method,
): VariantLaunch[] {
  const { size, relu, row } = problem;
  const { M, N } = size;
  const biased = bias !== undefined;
  const last = biased ? [bias.name] : [];
  const { body, slices } = method.shader(problem, biased, terms);
  if (slices === 1) return [{ kernel: { name }, inputs: [a.name, b.name, ...last], output: output.name, body }];
  const partial = scratch([slices, M, N]);
  return [
    { kernel: { name }, inputs: [a.name, b.name], output: partial.name, body },
    {
      kernel: { name: `${name}.sumSlices` },
      inputs: [partial.name, ...last],
      output: output.name,
      body: sumSlices({ M, N, slices, bias: biased, relu, row }, terms.limits),
    },
  ];
}
