/**
 * Mean over windows that divide the image into output × output cells, as PyTorch's AdaptiveAvgPool2d: row p covers
 * ⌊p·H/P⌋ ≤ h < ⌈(p+1)·H/P⌉, columns likewise; windows may overlap, and repeat when the image is smaller than the output.
 * N images, H W input size, C channels, P = Q output size.
 */
import { z } from 'zod';
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { elements, type Shape } from '../shape.ts';
import { count, image, traffic } from './attributes.ts';
import { registerOp, registerPrimitive } from './registry.ts';
import { adaptiveAvgPoolGradientWasm, adaptiveAvgPoolWasm } from './variants/poolsWasm.ts';

const attributes = z.strictObject({ output: count });
export type AdaptiveAvgPool2dAttributes = z.output<typeof attributes>;

function outputShape(a: AdaptiveAvgPool2dAttributes, [x]: readonly Shape[], where: string): Shape {
  const [batch, , , channels] = image(x, where);
  return [batch, a.output, a.output, channels];
}

export const adaptiveAvgPool2d = registerOp<AdaptiveAvgPool2dAttributes>({
  name: 'adaptiveAvgPool2d',
  attributes,
  inputs: ['x'],
  shape: outputShape,
  forward(program, { name, attributes: a, inputs: [x] }) {
    return { output: program.emit('adaptiveAvgPool2d', name, outputShape(a, [x.shape], `adaptiveAvgPool2d "${name}"`), [x]) };
  },
  gradient(program, { name, inputs: [x], outputGradient: dy, needs }) {
    if (!needs[0]) return { inputs: [undefined], parameters: {} };
    return { inputs: [program.emit('adaptiveAvgPool2d.inputGradient', `${name}:dx`, x.shape, [dy])], parameters: {} };
  },
});

/** y[n,p,q,c]; x is c, y is q, z is n·P + p. No window has more than `tall` rows and `wide` columns. */
function mean(this: KernelThis, x: Float32Array): number {
  const n = Math.floor(this.thread.z / this.constants.P);
  const p = this.thread.z - n * this.constants.P;
  const top = Math.floor((p * this.constants.H) / this.constants.P);
  const bottom = Math.floor(((p + 1) * this.constants.H + this.constants.P - 1) / this.constants.P);
  const left = Math.floor((this.thread.y * this.constants.W) / this.constants.Q);
  const right = Math.floor(((this.thread.y + 1) * this.constants.W + this.constants.Q - 1) / this.constants.Q);
  let sum = 0.0;
  let cells = 0.0;
  for (let r = 0; r < this.constants.tall; r++) {
    for (let s = 0; s < this.constants.wide; s++) {
      if (top + r < bottom && left + s < right) {
        sum += x[((n * this.constants.H + top + r) * this.constants.W + left + s) * this.constants.C + this.thread.x];
        cells += 1.0;
      }
    }
  }
  return sum / cells;
}

/** dy[n,p,q,c] / cells of its window: what each cell gets. Threads as above. */
function share(this: KernelThis, dy: Float32Array): number {
  const n = Math.floor(this.thread.z / this.constants.P);
  const p = this.thread.z - n * this.constants.P;
  const top = Math.floor((p * this.constants.H) / this.constants.P);
  const bottom = Math.floor(((p + 1) * this.constants.H + this.constants.P - 1) / this.constants.P);
  const left = Math.floor((this.thread.y * this.constants.W) / this.constants.Q);
  const right = Math.floor(((this.thread.y + 1) * this.constants.W + this.constants.Q - 1) / this.constants.Q);
  const cells = (bottom - top) * (right - left);
  return dy[(this.thread.z * this.constants.Q + this.thread.y) * this.constants.C + this.thread.x] / cells;
}

/** dx[n,h,w,c] = Σ shares of the windows ⌊h·P/H⌋ ≤ p < ⌈(h+1)·P/H⌉ that cover (h,w); x is c, y is w, z is n·H + h. */
function gather(this: KernelThis, shares: Float32Array): number {
  const n = Math.floor(this.thread.z / this.constants.H);
  const h = this.thread.z - n * this.constants.H;
  const firstP = Math.floor((h * this.constants.P) / this.constants.H);
  const endP = Math.floor(((h + 1) * this.constants.P + this.constants.H - 1) / this.constants.H);
  const firstQ = Math.floor((this.thread.y * this.constants.Q) / this.constants.W);
  const endQ = Math.floor(((this.thread.y + 1) * this.constants.Q + this.constants.W - 1) / this.constants.W);
  let sum = 0.0;
  for (let i = 0; i < this.constants.coverP; i++) {
    for (let j = 0; j < this.constants.coverQ; j++) {
      if (firstP + i < endP && firstQ + j < endQ) {
        sum += shares[((n * this.constants.P + firstP + i) * this.constants.Q + firstQ + j) * this.constants.C + this.thread.x];
      }
    }
  }
  return sum;
}

/** The longest run from ⌊i·length/parts⌋ to ⌈(i+1)·length/parts⌉ for any i. */
function longest(length: number, parts: number): number {
  let most = 1;
  for (let i = 0; i < parts; i++) most = Math.max(most, Math.ceil(((i + 1) * length) / parts) - Math.floor((i * length) / parts));
  return most;
}

registerPrimitive({
  name: 'adaptiveAvgPool2d',
  cost: (_, inputs, y) => traffic(elements(inputs[0]), inputs, y),
  lower({ inputs: [x], output }) {
    const [N, P, Q, C] = output.shape;
    const [, H, W] = x.shape;
    const integers = { P, Q, C, H, W, tall: longest(H, P), wide: longest(W, Q) };
    const kernel: Kernel = { name: 'adaptiveAvgPool2d', run: mean, threads: [C, Q, N * P], integers };
    return [{ kernel, inputs: [x.name], output: output.name }];
  },
  variants: [adaptiveAvgPoolWasm],
});
registerPrimitive({
  name: 'adaptiveAvgPool2d.inputGradient',
  cost: (_, inputs, dx) => traffic(elements(dx), inputs, dx),
  lower({ inputs: [dy], output, scratch }) {
    const [N, H, W, C] = output.shape;
    const [, P, Q] = dy.shape;
    const shares = scratch(dy.shape);
    const divide: Kernel = { name: 'adaptiveAvgPool2d.share', run: share, threads: [C, Q, N * P], integers: { P, Q, C, H, W } };
    const collect: Kernel = {
      name: 'adaptiveAvgPool2d.inputGradient',
      run: gather,
      threads: [C, W, N * H],
      integers: { P, Q, C, H, W, coverP: longest(P, H), coverQ: longest(Q, W) },
    };
    return [
      { kernel: divide, inputs: [dy.name], output: shares.name },
      { kernel: collect, inputs: [shares.name], output: output.name },
    ];
  },
  variants: [adaptiveAvgPoolGradientWasm],
});
