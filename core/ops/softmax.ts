/**
 * Softmax over the last axis:  y_j = exp(x_j - max x) / Σ_i exp(x_i - max x).  Any shape; R rows of C values.
 */
import { z } from 'zod';
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { elements, type Shape } from '../shape.ts';
import { traffic } from './attributes.ts';
import { registerOp, registerPrimitive } from './registry.ts';
import { rowsWasm } from './variants/rowsWasm.ts';
import { softmaxGradientWgsl, softmaxWgsl } from './variants/wgsl/softmax.ts';

export const softmax = registerOp<Record<string, never>>({
  name: 'softmax',
  attributes: z.strictObject({}),
  inputs: ['x'],
  shape: (_, [x]) => x,
  forward: (program, { name, inputs: [x] }) => ({ output: program.emit('softmax', name, x.shape, [x]) }),
  gradient: (program, { name, output, outputGradient, needs }) => ({
    inputs: [needs[0] ? program.emit('softmax.inputGradient', `${name}:dx`, output.shape, [output, outputGradient]) : undefined],
    parameters: {},
  }),
});

/** Row x: its largest value, so that no exponential overflows. */
export function rowLargest(this: KernelThis, x: Float32Array): number {
  let largest = x[this.thread.x * this.constants.C];
  for (let i = 0; i < this.constants.C; i++) {
    if (x[this.thread.x * this.constants.C + i] > largest) largest = x[this.thread.x * this.constants.C + i];
  }
  return largest;
}

/** Row x: Σ exp(x_i - largest), at least 1. */
export function rowSum(this: KernelThis, x: Float32Array, largest: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.C; i++) {
    sum += Math.exp(x[this.thread.x * this.constants.C + i] - largest[this.thread.x]);
  }
  return sum;
}

function share(this: KernelThis, x: Float32Array, largest: Float32Array, sum: Float32Array): number {
  return Math.exp(x[this.thread.y * this.constants.C + this.thread.x] - largest[this.thread.y]) / sum[this.thread.y];
}

/** Row x: Σ y_i dy_i. */
function rowDot(this: KernelThis, y: Float32Array, dy: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.C; i++) {
    sum += y[this.thread.x * this.constants.C + i] * dy[this.thread.x * this.constants.C + i];
  }
  return sum;
}

/** dx_j = y_j (dy_j - Σ_i y_i dy_i). */
function inputGradient(this: KernelThis, y: Float32Array, dy: Float32Array, dot: Float32Array): number {
  const at = this.thread.y * this.constants.C + this.thread.x;
  return y[at] * (dy[at] - dot[this.thread.y]);
}

const rowsOf = (shape: Shape) => {
  const C = shape[shape.length - 1];
  return { C, R: elements(shape) / C };
};

registerPrimitive({
  name: 'softmax',
  cost: (_, inputs, y) => traffic(5 * elements(y), inputs, y),
  lower({ inputs: [x], output, scratch }) {
    const { C, R } = rowsOf(x.shape);
    const [largest, sum] = [scratch([R]), scratch([R])];
    const integers = { C };
    const kernels: Kernel[] = [
      { name: 'softmax.largest', run: rowLargest, threads: [R], integers },
      { name: 'softmax.sum', run: rowSum, threads: [R], integers },
      { name: 'softmax', run: share, threads: [C, R], integers },
    ];
    return [
      { kernel: kernels[0], inputs: [x.name], output: largest.name },
      { kernel: kernels[1], inputs: [x.name, largest.name], output: sum.name },
      { kernel: kernels[2], inputs: [x.name, largest.name, sum.name], output: output.name },
    ];
  },
  variants: [
    rowsWasm(
      'softmax',
      'softmax',
      ([x]) => rowsOf(x).R,
      (_, [x]) => [rowsOf(x).C],
    ),
    softmaxWgsl,
  ],
});
registerPrimitive({
  name: 'softmax.inputGradient',
  cost: (_, inputs, dx) => traffic(4 * elements(dx), inputs, dx),
  lower({ inputs: [y, dy], output, scratch }) {
    const { C, R } = rowsOf(y.shape);
    const dot = scratch([R]);
    const sum: Kernel = { name: 'softmax.dot', run: rowDot, threads: [R], integers: { C } };
    const kernel: Kernel = { name: 'softmax.inputGradient', run: inputGradient, threads: [C, R], integers: { C } };
    return [
      { kernel: sum, inputs: [y.name, dy.name], output: dot.name },
      { kernel, inputs: [y.name, dy.name, dot.name], output: output.name },
    ];
  },
  variants: [
    rowsWasm(
      'softmax.inputGradient',
      'softmaxGradient',
      ([x]) => rowsOf(x).R,
      (_, [x]) => [rowsOf(x).C],
    ),
    softmaxGradientWgsl,
  ],
});
