/** Rectifier: y = max(x, 0), elementwise on any shape. Source: Nair and Hinton 2010. */
import { z } from 'zod';
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { elements } from '../shape.ts';
import { traffic } from './attributes.ts';
import type { Fused } from './fusion.ts';
import { registerOp, registerPrimitive } from './registry.ts';
import { elementwiseWasm } from './variants/elementwiseWasm.ts';
import { reluGradientWgsl, reluWgsl } from './variants/wgsl/elementwise.ts';

export const relu = registerOp<Record<string, never>>({
  name: 'relu',
  attributes: z.strictObject({}),
  inputs: ['x'],
  shape: (_, [x]) => x,
  forward: (program, { name, inputs: [x] }) => ({ output: program.emit('relu', name, x.shape, [x]) }),
  // from the output, so that the input need not be kept: y > 0 exactly where x > 0
  gradient: (program, { name, output, outputGradient, needs }) => ({
    inputs: [needs[0] ? program.emit('relu.inputGradient', `${name}:dx`, output.shape, [output, outputGradient]) : undefined],
    parameters: {},
  }),
});

/**
 * (x + |x|) / 2 is max(x, 0) exactly (below 1.7e38), and NaN stays NaN, so that it shows in the loss: compilers for GPUs may turn a
 * comparison or a maximum into one that makes it 0.
 */
function rectify(this: KernelThis, x: Float32Array): number {
  return 0.5 * (x[this.thread.x] + Math.abs(x[this.thread.x]));
}

/** dx = dy where y > 0, otherwise 0. */
function pass(this: KernelThis, y: Float32Array, dy: Float32Array): number {
  return y[this.thread.x] > 0.0 ? dy[this.thread.x] : 0.0;
}

registerPrimitive<Fused>({
  name: 'relu',
  overwrites: [0],
  cost: (_, inputs, y) => traffic(2 * elements(y), inputs, y),
  lower({ attributes: { inPlace }, inputs: [x], output }) {
    const threads = [elements(output.shape)] as const;
    const kernel: Kernel = { name: 'relu', run: rectify, threads, ...(inPlace === 0 && { inout: 'x' }) };
    return [{ kernel, inputs: [x.name], output: output.name }];
  },
  variants: [elementwiseWasm('relu', 'relu'), reluWgsl],
});
registerPrimitive<Fused>({
  name: 'relu.inputGradient',
  overwrites: [1],
  cost: (_, inputs, dx) => traffic(elements(dx), inputs, dx),
  lower({ attributes: { inPlace }, inputs: [y, dy], output }) {
    const threads = [elements(output.shape)] as const;
    const kernel: Kernel = { name: 'relu.inputGradient', run: pass, threads, ...(inPlace === 1 && { inout: 'dy' }) };
    return [{ kernel, inputs: [y.name, dy.name], output: output.name }];
  },
  variants: [elementwiseWasm('relu.inputGradient', 'reluGradient'), reluGradientWgsl],
});
