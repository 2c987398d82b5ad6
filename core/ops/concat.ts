/**
 * Joins tensors along their last dimension, the channels:  [N,H,W,C1] + [N,H,W,C2] + … → [N,H,W,C1+C2+…]; matrices likewise.
 * The gradient of an input is its slice of the output's.
 */
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { Kernel, KernelThis, Launch } from '../kernels/kernel.ts';
import { elements, type Shape, same, text } from '../shape.ts';
import { traffic } from './attributes.ts';
import { registerOp, registerPrimitive } from './registry.ts';
import { concatWasm, sliceWasm } from './variants/rearrangeWasm.ts';

const channels = (shape: Shape): number => shape[shape.length - 1];
const withChannels = (shape: Shape, size: number): Shape => [...shape.slice(0, -1), size];

function outputShape(_: unknown, inputs: readonly Shape[], where: string): Shape {
  const [first, ...rest] = inputs;
  if (rest.length === 0) throw fail('graph', where, 'two or more inputs', `${inputs.length}`, 'Name the tensors to join.');
  for (const other of rest) {
    if (!same(withChannels(other, 0), withChannels(first, 0))) {
      throw fail(
        'graph',
        where,
        `inputs that differ in channels only (the first is ${text(first)})`,
        text(other),
        'Give all branches the same size and stride.',
      );
    }
  }
  const total = inputs.reduce((sum, shape) => sum + channels(shape), 0);
  return withChannels(first, total);
}

export const concat = registerOp<Record<string, never>>({
  name: 'concat',
  attributes: z.strictObject({}),
  inputs: 'many',
  shape: outputShape,
  forward(program, { name, inputs }) {
    const shape = outputShape(
      {},
      inputs.map(tensor => tensor.shape),
      `concat "${name}"`,
    );
    return { output: program.emit('concat', name, shape, inputs) };
  },
  gradient(program, { name, inputs, outputGradient: dy, needs }) {
    let from = 0;
    const gradients = inputs.map((tensor, i) => {
      const start = from;
      from += channels(tensor.shape);
      return needs[i] ? program.emit('concat.slice', `${name}:dx${i}`, tensor.shape, [dy], { from: start }) : undefined;
    });
    return { inputs: gradients, parameters: {} };
  },
});

/** One output element; x is the channel, y the pixel. The first `A` channels come from a, the `B` after them from b. */
function join(this: KernelThis, a: Float32Array, b: Float32Array): number {
  let value = 0.0;
  if (this.thread.x < this.constants.A) value = a[this.thread.y * this.constants.A + this.thread.x];
  else value = b[this.thread.y * this.constants.B + this.thread.x - this.constants.A];
  return value;
}

/** Channels from `from` on of a tensor with C channels; x is the channel, y the pixel. */
function slice(this: KernelThis, x: Float32Array): number {
  return x[this.thread.y * this.constants.C + this.constants.from + this.thread.x];
}

registerPrimitive({
  name: 'concat',
  cost: (_, inputs, y) => traffic(0, inputs, y),
  lower({ inputs, output, scratch }) {
    const launches: Launch[] = [];
    let [joined, ...rest] = inputs;
    const pixels = elements(output.shape) / channels(output.shape);
    rest.forEach((next, i) => {
      const [A, B] = [channels(joined.shape), channels(next.shape)];
      const target = i === rest.length - 1 ? output : scratch(withChannels(output.shape, A + B));
      const kernel: Kernel = { name: 'concat', run: join, threads: [A + B, pixels], integers: { A, B } };
      launches.push({ kernel, inputs: [joined.name, next.name], output: target.name });
      joined = target;
    });
    return launches;
  },
  variants: [concatWasm],
});
registerPrimitive<{ from: number }>({
  name: 'concat.slice',
  cost: (_, __, y) => ({ flops: 0, bytes: 8 * elements(y) }),
  lower({ attributes: { from }, inputs: [x], output }) {
    const C = channels(output.shape);
    const kernel: Kernel = {
      name: 'concat.slice',
      run: slice,
      threads: [C, elements(output.shape) / C],
      integers: { C: channels(x.shape), from },
    };
    return [{ kernel, inputs: [x.name], output: output.name }];
  },
  variants: [sliceWasm],
});
