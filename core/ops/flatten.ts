/**
 * Turns image batches into matrices:  [N,H,W,C] → [N,C·H·W], in PyTorch's order of channel, row, column, so that
 * weights of the linear layer behind it load unchanged:  y[n, (c·H + h)·W + w] = x[n,h,w,c].
 */
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { type Shape, text } from '../shape.ts';
import { traffic } from './attributes.ts';
import { registerOp, registerPrimitive } from './registry.ts';
import { flattenWasm, unflattenWasm } from './variants/rearrangeWasm.ts';

function outputShape(_: unknown, [x]: readonly Shape[], where: string): Shape {
  if (x.length === 2) return x;
  if (x.length !== 4) throw fail('graph', where, 'an image batch [N,H,W,C]', text(x), 'Feed it a node that puts out images.');
  return [x[0], x[1] * x[2] * x[3]];
}

export const flatten = registerOp<Record<string, never>>({
  name: 'flatten',
  attributes: z.strictObject({}),
  inputs: ['x'],
  shape: outputShape,
  forward(program, { name, inputs: [x] }) {
    return { output: program.emit('flatten', name, outputShape({}, [x.shape], `flatten "${name}"`), [x]) };
  },
  gradient(program, { name, inputs: [x], outputGradient: dy, needs }) {
    if (!needs[0]) return { inputs: [undefined], parameters: {} };
    return { inputs: [program.emit('flatten.inputGradient', `${name}:dx`, x.shape, [dy])], parameters: {} };
  },
});

/** Swaps the last two dimensions: y[z, y, x] = x[z, x, y], where the input has `columns` of its last dimension. */
function swap(this: KernelThis, x: Float32Array): number {
  return x[(this.thread.z * this.constants.rows + this.thread.x) * this.constants.columns + this.thread.y];
}

/** [N, pixels, C] of an image batch; a matrix counts as one pixel a row. */
const planes = (shape: Shape) => ({
  N: shape[0],
  pixels: shape.length === 4 ? shape[1] * shape[2] : 1,
  C: shape[shape.length - 1],
});

registerPrimitive({
  name: 'flatten',
  cost: (_, inputs, y) => traffic(0, inputs, y),
  lower({ inputs: [x], output }) {
    const { N, pixels, C } = planes(x.shape);
    const kernel: Kernel = { name: 'flatten', run: swap, threads: [pixels, C, N], integers: { rows: pixels, columns: C } };
    return [{ kernel, inputs: [x.name], output: output.name }];
  },
  variants: [flattenWasm],
});
registerPrimitive({
  name: 'flatten.inputGradient',
  cost: (_, inputs, dx) => traffic(0, inputs, dx),
  lower({ inputs: [dy], output }) {
    const { N, pixels, C } = planes(output.shape);
    const kernel: Kernel = { name: 'flatten.inputGradient', run: swap, threads: [C, pixels, N], integers: { rows: C, columns: pixels } };
    return [{ kernel, inputs: [dy.name], output: output.name }];
  },
  variants: [unflattenWasm],
});
