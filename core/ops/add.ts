/**
 * Sum of two tensors of one shape:  y = a + b.  Both inputs get the output's gradient itself, so it costs no kernel.
 * Autodiff also uses the primitive, to add up the gradients of a tensor that several nodes read.
 */
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { elements, type Shape, same, text } from '../shape.ts';
import { traffic } from './attributes.ts';
import type { Fused } from './fusion.ts';
import { registerOp, registerPrimitive } from './registry.ts';
import { elementwiseWasm } from './variants/elementwiseWasm.ts';
import { addWgsl } from './variants/wgsl/elementwise.ts';

function outputShape(_: unknown, [a, b]: readonly Shape[], where: string): Shape {
  if (!same(a, b)) {
    throw fail(
      'graph',
      where,
      `two inputs of one shape (the first is ${text(a)})`,
      text(b),
      'Give both branches the same channels and strides.',
    );
  }
  return a;
}

export const add = registerOp<Record<string, never>>({
  name: 'add',
  attributes: z.strictObject({}),
  inputs: ['a', 'b'],
  shape: outputShape,
  forward(program, { name, inputs: [a, b] }) {
    return { output: program.emit('add', name, outputShape({}, [a.shape, b.shape], `add "${name}"`), [a, b]) };
  },
  gradient: (_, { outputGradient, needs }) => ({
    inputs: needs.map(needed => (needed ? outputGradient : undefined)),
    parameters: {},
  }),
});

/** One element a thread. */
function sum(this: KernelThis, a: Float32Array, b: Float32Array): number {
  return a[this.thread.x] + b[this.thread.x];
}

registerPrimitive<Fused>({
  name: 'add',
  overwrites: [0, 1],
  cost: (_, inputs, y) => traffic(elements(y), inputs, y),
  lower({ attributes: { inPlace }, inputs: [a, b], output }) {
    const inout = inPlace === undefined ? {} : { inout: inPlace === 0 ? 'a' : 'b' };
    const kernel: Kernel = { name: 'add', run: sum, threads: [elements(output.shape)], ...inout };
    return [{ kernel, inputs: [a.name, b.name], output: output.name }];
  },
  variants: [elementwiseWasm('add', 'add'), addWgsl],
});
