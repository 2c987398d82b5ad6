import type { VariantLaunch, VariantTerms } from '../../../kernels/variant.ts';
import type { Shape } from '../../../shape.ts';
import type { Tensor } from '../../op.ts';
import type { Chooser } from './choose.ts';
import { type Product, product } from './product.ts';
import { sumSlices } from './sumSlices.ts';

export interface ProductTensors {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly bias?: Tensor | undefined;
  readonly output: Tensor;
  scratch(shape: Shape): Tensor;
}
export type Problem = Omit<Product, 'choice' | 'bias'>;

/** The launch of a product; if its sums are in slices, then also the one that adds them up. */
export function productLaunches(
  name: string,
  problem: Problem,
  { a, b, bias, output, scratch }: ProductTensors,
  { limits }: VariantTerms,
  chooser: Chooser,
): VariantLaunch[] {
  const { size, relu, row } = problem;
  const { M, N } = size;
  const choice = chooser(size, limits)!;
  const { slices } = choice;
  const biased = bias !== undefined;
  const body = product({ ...problem, choice, bias: biased }, limits);
  const last = biased ? [bias.name] : [];
  if (slices === 1) return [{ kernel: { name }, inputs: [a.name, b.name, ...last], output: output.name, body }];
  const partial = scratch([slices, M, N]);
  return [
    { kernel: { name }, inputs: [a.name, b.name], output: partial.name, body },
    {
      kernel: { name: `${name}.sumSlices` },
      inputs: [partial.name, ...last],
      output: output.name,
      body: sumSlices({ M, N, slices, bias: biased, relu, row }, limits),
    },
  ];
}
