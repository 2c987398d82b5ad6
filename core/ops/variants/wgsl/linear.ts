/**
 * The three matrix products of a linear layer as tiled products in WGSL (see `product.ts`). None of them copies a matrix to
 * turn it: blocks are turned on their way into workgroup memory.
 *
 *   y = x · W + bias      M = N rows, N = O, K = I
 *   dx = dy · Wᵀ          M = N rows, N = I, K = O
 *   dW = xᵀ · dy          M = I, N = O, K = N rows
 *
 * Measured: on no GPU yet. On a software renderer they only show that they are right.
 */
import type { Variant } from '../../../kernels/variant.ts';
import type { Fused } from '../../fusion.ts';
import { type Method, productLaunches, tiled } from './launches.ts';
import { columnsOf, rowsOf } from './operand.ts';

/** y[N,O] of x [N,I], weight [I,O], bias [O] or none. */
export const linearForward = (method: Method = tiled()): Variant<Fused> => ({
  name: `linear/${method.name}`,
  device: 'webgpu',
  fuses: ['relu'],
  applies: (_, inputs, [M, N], terms) => method.applies([{ M: M!, N: N!, K: inputs[1]![0]! }], terms),
  lower({ attributes: { relu = false }, inputs: [a, b, bias], output, terms, scratch }) {
    const [M, K] = a!.shape as [number, number];
    const N = b!.shape[1]!;
    const problem = { size: { M, N, K }, a: rowsOf('a', M, K), b: columnsOf('b', N, K), relu };
    return productLaunches('linear.product', problem, { a: a!, b: b!, bias, output, scratch }, terms, method);
  },
});

/** dx[N,I] of dy [N,O], weight [I,O]. */
export const linearInputGradient = (method: Method = tiled()): Variant<unknown> => ({
  name: `linear.inputGradient/${method.name}`,
  device: 'webgpu',
  applies: (_, inputs, [M, N], terms) => method.applies([{ M: M!, N: N!, K: inputs[0]![1]! }], terms),
  lower({ inputs: [a, b], output, terms, scratch }) {
    const [M, K] = a!.shape as [number, number];
    const N = b!.shape[0]!;
    const problem = { size: { M, N, K }, a: rowsOf('a', M, K), b: rowsOf('b', N, K), relu: false };
    return productLaunches('linear.inputGradient', problem, { a: a!, b: b!, output, scratch }, terms, method);
  },
});

/** dW[I,O] of x [N,I], dy [N,O]. */
export const linearFilterGradient = (method: Method = tiled()): Variant<unknown> => ({
  name: `linear.filterGradient/${method.name}`,
  device: 'webgpu',
  applies: (_, inputs, [M, N], terms) => method.applies([{ M: M!, N: N!, K: inputs[0]![0]! }], terms),
  lower({ inputs: [a, b], output, terms, scratch }) {
    const [K, M] = a!.shape as [number, number];
    const N = b!.shape[1]!;
    const problem = { size: { M, N, K }, a: columnsOf('a', M, K), b: columnsOf('b', N, K), relu: false };
    return productLaunches('linear.filterGradient', problem, { a: a!, b: b!, output, scratch }, terms, method);
  },
});
