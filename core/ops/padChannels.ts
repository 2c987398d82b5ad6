/**
 * Shortcut without parameters where a residual network halves its image and widens (option A of He, Zhang, Ren, Sun 2015,
 * section 3.3): every `stride`-th row and column, and zeros as the further channels, after the present ones.
 *
 *   y[n,p,q,k] = x[n, p·stride, q·stride, k] for k < C, else 0
 *
 * N images, H W input size, C channels, P Q output size, K output channels.
 */
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { elements, type Shape, text, windowOutput } from '../shape.ts';
import { count, image } from './attributes.ts';
import { registerOp, registerPrimitive } from './registry.ts';
import { padGradientWasm, padWasm } from './variants/rearrangeWasm.ts';

const attributes = z.strictObject({ stride: count.default(1), channels: count });
export type PadChannelsAttributes = z.output<typeof attributes>;

function outputShape(a: PadChannelsAttributes, [x]: readonly Shape[], where: string): Shape {
  const [batch, height, width, channels] = image(x, where);
  if (a.channels < channels) {
    throw fail(
      'graph',
      where,
      `an input of at most ${a.channels} channels`,
      `${channels} (input is ${text(x)})`,
      `Set channels to ${channels} or more.`,
    );
  }
  return [batch, windowOutput(height, 1, a.stride, 0), windowOutput(width, 1, a.stride, 0), a.channels];
}

export const padChannels = registerOp<PadChannelsAttributes>({
  name: 'padChannels',
  attributes,
  inputs: ['x'],
  shape: outputShape,
  forward(program, { name, attributes: a, inputs: [x] }) {
    return { output: program.emit('padChannels', name, outputShape(a, [x.shape], `padChannels "${name}"`), [x], { stride: a.stride }) };
  },
  gradient(program, { name, attributes: { stride }, inputs: [x], outputGradient: dy, needs }) {
    if (!needs[0]) return { inputs: [undefined], parameters: {} };
    return { inputs: [program.emit('padChannels.inputGradient', `${name}:dx`, x.shape, [dy], { stride })], parameters: {} };
  },
});

/** y[n,p,q,k]; x is k, y is q, z is n·P + p. The read is clamped, so that it stays inside the array for the zeros too. */
function pad(this: KernelThis, x: Float32Array): number {
  const n = Math.floor(this.thread.z / this.constants.P);
  const h = (this.thread.z - n * this.constants.P) * this.constants.stride;
  const pixel = (n * this.constants.H + h) * this.constants.W + this.thread.y * this.constants.stride;
  const last = this.constants.C - 1;
  const channel = Math.min(this.thread.x, last);
  let value = x[pixel * this.constants.C + channel];
  if (this.thread.x > last) value = 0.0;
  return value;
}

/** dx[n,h,w,c] = dy of the pixel that was copied, 0 for the skipped ones; x is c, y is w, z is n·H + h. */
function unpad(this: KernelThis, dy: Float32Array): number {
  const n = Math.floor(this.thread.z / this.constants.H);
  const h = this.thread.z - n * this.constants.H;
  const p = Math.floor(h / this.constants.stride);
  const q = Math.floor(this.thread.y / this.constants.stride);
  let value = dy[((n * this.constants.P + p) * this.constants.Q + q) * this.constants.K + this.thread.x];
  if (p * this.constants.stride < h) value = 0.0;
  if (q * this.constants.stride < this.thread.y) value = 0.0;
  return value;
}

/** Of the image only what is copied is read, of the wider one only the channels that the image has. */
const traffic = (whole: Shape, image: Shape, wide: Shape) => ({
  flops: 0,
  bytes: 4 * (elements(whole) + (elements(wide) / wide[3]) * image[3]),
});

registerPrimitive<{ stride: number }>({
  name: 'padChannels',
  cost: (_, [x], y) => traffic(y, x, y),
  lower({ attributes: { stride }, inputs: [x], output }) {
    const [N, P, Q, K] = output.shape;
    const [, H, W, C] = x.shape;
    const kernel: Kernel = { name: 'padChannels', run: pad, threads: [K, Q, N * P], integers: { P, H, W, C, stride } };
    return [{ kernel, inputs: [x.name], output: output.name }];
  },
  variants: [padWasm],
});
registerPrimitive<{ stride: number }>({
  name: 'padChannels.inputGradient',
  cost: (_, [dy], dx) => traffic(dx, dx, dy),
  lower({ attributes: { stride }, inputs: [dy], output }) {
    const [N, H, W, C] = output.shape;
    const [, P, Q, K] = dy.shape;
    const kernel: Kernel = { name: 'padChannels.inputGradient', run: unpad, threads: [C, W, N * H], integers: { H, P, Q, K, stride } };
    return [{ kernel, inputs: [dy.name], output: output.name }];
  },
  variants: [padGradientWasm],
});
