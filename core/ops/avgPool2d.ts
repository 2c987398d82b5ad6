/**
 * Mean over sliding windows, as PyTorch's AvgPool2d:
 *
 *   y[n,p,q,c] = Σ_{r,s} x[n, p·stride + r − padding, q·stride + s − padding, c] / divisor(p,q)
 *
 * The divisor counts a window's cells inside the image, with `countIncludePad` inside the padded image; cells that ceil
 * mode lets hang over its far edge never count. N images, H W input size, C channels, K kernel, P Q output size.
 */
import { z } from 'zod';
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { elements } from '../shape.ts';
import { count, extent, traffic } from './attributes.ts';
import { pooledShape } from './maxPool2d.ts';
import { registerOp, registerPrimitive } from './registry.ts';
import { avgPoolGradientWasm, avgPoolWasm } from './variants/poolsWasm.ts';

const attributes = z
  .strictObject({
    kernel: count,
    stride: count.optional(),
    padding: extent.default(0),
    ceilMode: z.boolean().default(false),
    countIncludePad: z.boolean().default(true),
  })
  .transform(a => ({ ...a, stride: a.stride ?? a.kernel }));
export type AvgPool2dAttributes = z.output<typeof attributes>;

export const avgPool2d = registerOp<AvgPool2dAttributes>({
  name: 'avgPool2d',
  attributes,
  inputs: ['x'],
  shape: pooledShape,
  forward(program, { name, attributes: a, inputs: [x] }) {
    return { output: program.emit('avgPool2d', name, pooledShape(a, [x.shape], `avgPool2d "${name}"`), [x], place(a)) };
  },
  gradient(program, { name, attributes: a, inputs: [x], outputGradient: dy, needs }) {
    if (!needs[0]) return { inputs: [undefined], parameters: {} };
    return { inputs: [program.emit('avgPool2d.inputGradient', `${name}:dx`, x.shape, [dy], place(a))], parameters: {} };
  },
});

type Place = {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly countIncludePad: boolean;
};
const place = ({ kernel, stride, padding, countIncludePad }: AvgPool2dAttributes): Place => ({ kernel, stride, padding, countIncludePad });

/** y[n,p,q,c]; x is c, y is q, z is n·P + p. Cells from `first` to `rowEnd`, `columnEnd` count, in coordinates of the padded image. */
function mean(this: KernelThis, x: Float32Array): number {
  const n = Math.floor(this.thread.z / this.constants.P);
  const top = (this.thread.z - n * this.constants.P) * this.constants.stride;
  const left = this.thread.y * this.constants.stride;
  let sum = 0.0;
  let cells = 0.0;
  for (let r = 0; r < this.constants.K; r++) {
    for (let s = 0; s < this.constants.K; s++) {
      const h = top + r - this.constants.padding;
      const w = left + s - this.constants.padding;
      if (h >= 0 && h < this.constants.H && w >= 0 && w < this.constants.W) {
        sum += x[((n * this.constants.H + h) * this.constants.W + w) * this.constants.C + this.thread.x];
      }
      if (top + r >= this.constants.first && top + r < this.constants.rowEnd) {
        if (left + s >= this.constants.first && left + s < this.constants.columnEnd) cells += 1.0;
      }
    }
  }
  return sum / cells;
}

/** dy[n,p,q,c] / divisor(p,q): what each cell of the window gets. Threads as above. */
function share(this: KernelThis, dy: Float32Array): number {
  const n = Math.floor(this.thread.z / this.constants.P);
  const top = (this.thread.z - n * this.constants.P) * this.constants.stride;
  const left = this.thread.y * this.constants.stride;
  let rows = 0.0;
  let columns = 0.0;
  for (let r = 0; r < this.constants.K; r++) {
    if (top + r >= this.constants.first && top + r < this.constants.rowEnd) rows += 1.0;
    if (left + r >= this.constants.first && left + r < this.constants.columnEnd) columns += 1.0;
  }
  return dy[(this.thread.z * this.constants.Q + this.thread.y) * this.constants.C + this.thread.x] / (rows * columns);
}

/**
 * dx[n,h,w,c] = Σ shares of the windows that cover (h,w); x is c, y is w, z is n·H + h. Of all windows only the last
 * `reach` = ⌈K/stride⌉ that start at or before an element can cover it.
 */
function gather(this: KernelThis, shares: Float32Array): number {
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
        sum += shares[((n * this.constants.P + p) * this.constants.Q + q) * this.constants.C + this.thread.x];
      }
    }
  }
  return sum;
}

/** Which cells the divisor counts, in coordinates of the padded image. */
const counted = (a: Place, H: number, W: number) =>
  a.countIncludePad
    ? { first: 0, rowEnd: H + 2 * a.padding, columnEnd: W + 2 * a.padding }
    : { first: a.padding, rowEnd: H + a.padding, columnEnd: W + a.padding };

registerPrimitive<Place>({
  name: 'avgPool2d',
  cost: (a, inputs, y) => traffic(elements(y) * a.kernel * a.kernel, inputs, y),
  lower({ attributes: a, inputs: [x], output }) {
    const [N, P, Q, C] = output.shape;
    const [, H, W] = x.shape;
    const integers = { P, C, H, W, K: a.kernel, stride: a.stride, padding: a.padding, ...counted(a, H, W) };
    const kernel: Kernel = { name: 'avgPool2d', run: mean, threads: [C, Q, N * P], integers };
    return [{ kernel, inputs: [x.name], output: output.name }];
  },
  variants: [avgPoolWasm],
});
registerPrimitive<Place>({
  name: 'avgPool2d.inputGradient',
  cost: (a, inputs, dx) => traffic(elements(inputs[0]) * a.kernel * a.kernel, inputs, dx),
  lower({ attributes: a, inputs: [dy], output, scratch }) {
    const [N, H, W, C] = output.shape;
    const [, P, Q] = dy.shape;
    const shares = scratch(dy.shape);
    const window = { C, P, Q, K: a.kernel, stride: a.stride };
    const divide: Kernel = {
      name: 'avgPool2d.share',
      run: share,
      threads: [C, Q, N * P],
      integers: { ...window, ...counted(a, H, W) },
    };
    const collect: Kernel = {
      name: 'avgPool2d.inputGradient',
      run: gather,
      threads: [C, W, N * H],
      integers: { ...window, H, padding: a.padding, reach: Math.ceil(a.kernel / a.stride) },
    };
    return [
      { kernel: divide, inputs: [dy.name], output: shares.name },
      { kernel: collect, inputs: [shares.name], output: output.name },
    ];
  },
  variants: [avgPoolGradientWasm],
});
