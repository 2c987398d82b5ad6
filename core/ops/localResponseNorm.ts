/**
 * Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3), in PyTorch's convention:
 *
 *   s_c = k + alpha / size · Σ x_j²  over the window of `size` channels around c,     y_c = x_c · s_c^-beta
 *
 * The paper does not divide alpha by size: its alpha = 1e-4 with n = 5 is `alpha: 5e-4` here.
 * Shapes: [N,H,W,C] or [N,C], to the same. The window of c starts at c - floor(size / 2) and is cut at both ends.
 */
import { z } from 'zod';
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { elements } from '../shape.ts';
import { count, traffic } from './attributes.ts';
import { pixelThreads } from './channelSums.ts';
import { registerOp, registerPrimitive } from './registry.ts';
import { normGradientWasm, normWasm, scaleWasm } from './variants/localResponseNormWasm.ts';

const attributes = z.strictObject({
  size: count,
  alpha: z.number().min(0).default(1e-4),
  beta: z.number().default(0.75),
  /** Positive, so that s is and has a logarithm. */
  k: z.number().positive().default(1),
});
export type LocalResponseNormAttributes = z.output<typeof attributes>;

export const localResponseNorm = registerOp<LocalResponseNormAttributes>({
  name: 'localResponseNorm',
  attributes,
  inputs: ['x'],
  shape: (_, [x]) => x,
  forward(program, { name, attributes: { size, alpha, beta, k }, inputs: [x] }) {
    const scale = program.emit('localResponseNorm.scale', `${name}:scale`, x.shape, [x], { size, alpha, k });
    return { output: program.emit('localResponseNorm', name, x.shape, [x, scale], { beta }), saved: { scale } };
  },
  gradient(program, { name, attributes: { size, alpha, beta }, inputs: [x], output, saved: { scale }, outputGradient: dy, needs }) {
    if (!needs[0]) return { inputs: [undefined], parameters: {} };
    const dx = program.emit('localResponseNorm.inputGradient', `${name}:dx`, x.shape, [x, output, scale, dy], { size, alpha, beta });
    return { inputs: [dx], parameters: {} };
  },
});

/** s[n,h,w,c]; x is c, y and z the pixel. */
function scaleOf(this: KernelThis, x: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.size; i++) {
    const channel = this.thread.x - this.constants.before + i;
    if (channel >= 0 && channel < this.constants.C) {
      const value = x[(this.thread.z * this.constants.area + this.thread.y) * this.constants.C + channel];
      sum += value * value;
    }
  }
  return this.constants.k + this.constants.alpha * sum;
}

/** A power of s as exp and log: s is positive, and pow differs between devices. */
function normalise(this: KernelThis, x: Float32Array, scale: Float32Array): number {
  return x[this.thread.x] * Math.exp(-this.constants.beta * Math.log(scale[this.thread.x]));
}

/**
 * From dy_c/dx_j = [c = j] s_c^-beta - 2 beta alpha/size · x_c x_j s_c^(-beta - 1) for j in c's window:
 *   dx_j = dy_j s_j^-beta - 2 beta alpha/size · x_j · Σ dy_c y_c / s_c  over the channels c whose window holds j,
 * which is the window mirrored: `before` counts size - 1 - floor(size / 2) here.
 */
function inputGradient(this: KernelThis, x: Float32Array, y: Float32Array, scale: Float32Array, dy: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.size; i++) {
    const channel = this.thread.x - this.constants.before + i;
    if (channel >= 0 && channel < this.constants.C) {
      const other = (this.thread.z * this.constants.area + this.thread.y) * this.constants.C + channel;
      sum += (dy[other] * y[other]) / scale[other];
    }
  }
  const at = (this.thread.z * this.constants.area + this.thread.y) * this.constants.C + this.thread.x;
  return dy[at] * Math.exp(-this.constants.beta * Math.log(scale[at])) - this.constants.factor * x[at] * sum;
}

const before = (size: number): number => Math.floor(size / 2);

registerPrimitive<{ size: number; alpha: number; k: number }>({
  name: 'localResponseNorm.scale',
  cost: ({ size }, inputs, scale) => traffic((2 * size + 2) * elements(scale), inputs, scale),
  lower({ attributes: { size, alpha, k }, inputs: [x], output }) {
    const { threads, area } = pixelThreads(x.shape);
    const integers = { C: threads[0], area, size, before: before(size) };
    const kernel: Kernel = { name: 'localResponseNorm.scale', run: scaleOf, threads, integers, floats: { alpha: alpha / size, k } };
    return [{ kernel, inputs: [x.name], output: output.name }];
  },
  variants: [scaleWasm],
});
registerPrimitive<{ beta: number }>({
  name: 'localResponseNorm',
  cost: (_, inputs, y) => traffic(4 * elements(y), inputs, y),
  lower({ attributes: { beta }, inputs: [x, scale], output }) {
    const kernel: Kernel = { name: 'localResponseNorm', run: normalise, threads: [elements(x.shape)], floats: { beta } };
    return [{ kernel, inputs: [x.name, scale.name], output: output.name }];
  },
  variants: [normWasm],
});
registerPrimitive<{ size: number; alpha: number; beta: number }>({
  name: 'localResponseNorm.inputGradient',
  cost: ({ size }, inputs, dx) => traffic((3 * size + 7) * elements(dx), inputs, dx),
  lower({ attributes: { size, alpha, beta }, inputs: [x, y, scale, dy], output }) {
    const { threads, area } = pixelThreads(x.shape);
    const kernel: Kernel = {
      name: 'localResponseNorm.inputGradient',
      run: inputGradient,
      threads,
      integers: { C: threads[0], area, size, before: size - 1 - before(size) },
      floats: { beta, factor: (2 * beta * alpha) / size },
    };
    return [{ kernel, inputs: [x.name, y.name, scale.name, dy.name], output: output.name }];
  },
  variants: [normGradientWasm],
});
