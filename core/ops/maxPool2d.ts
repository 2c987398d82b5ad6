/**
 * Maximum over sliding windows, as PyTorch's MaxPool2d (padding never wins, ceil mode, overlapping windows).
 *
 *   y[n,p,q,c] = max_{r,s} x[n, p·stride + r − padding, q·stride + s − padding, c]
 *
 * N images, H W input size, C channels, K kernel, P Q output size. Training keeps the winner's place r·K + s of every
 * window (the first of equals, as PyTorch), so that the gradient is a gather over the windows that cover an element.
 */
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { elements, type Shape, windowOutput } from '../shape.ts';
import { count, extent, image, traffic, windowTooLarge } from './attributes.ts';
import type { LowerContext } from './op.ts';
import { registerOp, registerPrimitive } from './registry.ts';
import { maxPoolGradientWasm, maxPoolIndicesWasm, maxPoolWasm } from './variants/poolsWasm.ts';

const attributes = z
  .strictObject({ kernel: count, stride: count.optional(), padding: extent.default(0), ceilMode: z.boolean().default(false) })
  .transform(a => ({ ...a, stride: a.stride ?? a.kernel }));
export type MaxPool2dAttributes = z.output<typeof attributes>;

/** Output shape of a pooling window; also the average's. */
export function pooledShape(
  a: { kernel: number; stride: number; padding: number; ceilMode: boolean },
  [x]: readonly Shape[],
  where: string,
): Shape {
  const [batch, height, width, channels] = image(x, where);
  if (a.padding > a.kernel / 2) {
    throw fail('graph', where, `padding of at most half the kernel ${a.kernel}`, `${a.padding}`, 'Lower the padding.');
  }
  const p = windowOutput(height, a.kernel, a.stride, a.padding, 1, a.ceilMode);
  const q = windowOutput(width, a.kernel, a.stride, a.padding, 1, a.ceilMode);
  if (p < 1 || q < 1) throw windowTooLarge(where, [a.kernel, a.kernel], a.padding, x);
  return [batch, p, q, channels];
}

export const maxPool2d = registerOp<MaxPool2dAttributes>({
  name: 'maxPool2d',
  attributes,
  inputs: ['x'],
  shape: pooledShape,
  forward(program, { name, attributes: a, inputs: [x], mode }) {
    const shape = pooledShape(a, [x.shape], `maxPool2d "${name}"`);
    const output = program.emit('maxPool2d', name, shape, [x], place(a));
    if (mode === 'evaluate') return { output };
    return { output, saved: { indices: program.emit('maxPool2d.indices', `${name}:indices`, shape, [x], place(a)) } };
  },
  gradient(program, { name, attributes: a, inputs: [x], saved, outputGradient: dy, needs }) {
    if (!needs[0]) return { inputs: [undefined], parameters: {} };
    return { inputs: [program.emit('maxPool2d.inputGradient', `${name}:dx`, x.shape, [dy, saved.indices], place(a))], parameters: {} };
  },
});

type Place = {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
};
const place = ({ kernel, stride, padding }: MaxPool2dAttributes): Place => ({ kernel, stride, padding });

/** y[n,p,q,c]; x is c, y is q, z is n·P + p. */
function maximum(this: KernelThis, x: Float32Array): number {
  const n = Math.floor(this.thread.z / this.constants.P);
  const top = (this.thread.z - n * this.constants.P) * this.constants.stride;
  const left = this.thread.y * this.constants.stride;
  let best = -3.4028234e38;
  for (let r = 0; r < this.constants.K; r++) {
    for (let s = 0; s < this.constants.K; s++) {
      const h = top + r - this.constants.padding;
      const w = left + s - this.constants.padding;
      if (h >= 0 && h < this.constants.H && w >= 0 && w < this.constants.W) {
        const value = x[((n * this.constants.H + h) * this.constants.W + w) * this.constants.C + this.thread.x];
        if (value > best) best = value;
      }
    }
  }
  return best;
}

/** The winner's place r·K + s in its window; threads as above. */
function winner(this: KernelThis, x: Float32Array): number {
  const n = Math.floor(this.thread.z / this.constants.P);
  const top = (this.thread.z - n * this.constants.P) * this.constants.stride;
  const left = this.thread.y * this.constants.stride;
  let best = -3.4028234e38;
  let at = -1.0;
  for (let r = 0; r < this.constants.K; r++) {
    for (let s = 0; s < this.constants.K; s++) {
      const h = top + r - this.constants.padding;
      const w = left + s - this.constants.padding;
      if (h >= 0 && h < this.constants.H && w >= 0 && w < this.constants.W) {
        const value = x[((n * this.constants.H + h) * this.constants.W + w) * this.constants.C + this.thread.x];
        if (value > best) {
          best = value;
          at = r * this.constants.K + s;
        }
      }
    }
  }
  return at;
}

/**
 * dx[n,h,w,c] = Σ dy of the windows that (h,w) won; x is c, y is w, z is n·H + h. Of all windows only the last
 * `reach` = ⌈K/stride⌉ that start at or before an element can cover it.
 */
function toWinners(this: KernelThis, dy: Float32Array, indices: Float32Array): number {
  const n = Math.floor(this.thread.z / this.constants.H);
  const h = this.thread.z - n * this.constants.H + this.constants.padding;
  const w = this.thread.y + this.constants.padding;
  const lastP = Math.floor(h / this.constants.stride);
  const lastQ = Math.floor(w / this.constants.stride);
  let sum = 0.0;
  for (let i = 0; i < this.constants.reach; i++) {
    for (let j = 0; j < this.constants.reach; j++) {
      const p = lastP - i;
      const q = lastQ - j;
      const r = h - p * this.constants.stride;
      const s = w - q * this.constants.stride;
      if (p >= 0 && p < this.constants.P && q >= 0 && q < this.constants.Q && r < this.constants.K && s < this.constants.K) {
        const at = ((n * this.constants.P + p) * this.constants.Q + q) * this.constants.C + this.thread.x;
        if (indices[at] === r * this.constants.K + s) sum += dy[at];
      }
    }
  }
  return sum;
}

const overWindows = (name: string, run: Kernel['run'], { attributes: a, inputs: [x], output }: LowerContext<Place>) => {
  const [N, P, Q, C] = output.shape;
  const [, H, W] = x.shape;
  const integers = { P, C, H, W, K: a.kernel, stride: a.stride, padding: a.padding };
  return [{ kernel: { name, run, threads: [C, Q, N * P] as const, integers }, inputs: [x.name], output: output.name }];
};

registerPrimitive<Place>({
  name: 'maxPool2d',
  cost: (a, inputs, y) => traffic(elements(y) * a.kernel * a.kernel, inputs, y),
  lower: context => overWindows('maxPool2d', maximum, context),
  variants: [maxPoolWasm],
});
registerPrimitive<Place>({
  name: 'maxPool2d.indices',
  cost: (a, inputs, y) => traffic(elements(y) * a.kernel * a.kernel, inputs, y),
  lower: context => overWindows('maxPool2d.indices', winner, context),
  variants: [maxPoolIndicesWasm],
});
registerPrimitive<Place>({
  name: 'maxPool2d.inputGradient',
  cost: (_, inputs, dx) => traffic(elements(inputs[0]), inputs, dx),
  lower({ attributes: a, inputs: [dy, indices], output }) {
    const [N, H, W, C] = output.shape;
    const [, P, Q] = dy.shape;
    const reach = Math.ceil(a.kernel / a.stride);
    const integers = { H, C, P, Q, K: a.kernel, stride: a.stride, padding: a.padding, reach };
    const kernel: Kernel = { name: 'maxPool2d.inputGradient', run: toWinners, threads: [C, W, N * H], integers };
    return [{ kernel, inputs: [dy.name, indices.name], output: output.name }];
  },
  variants: [maxPoolGradientWasm],
});
