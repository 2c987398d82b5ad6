/**
 * The conversion of the images' bytes, the first thing a program does: not an op of graphs, but what `input` means there.
 *
 *   y[n,h,w,c] = (x[n,h,w,c] / 255 - mean[c]) · inverse[c]
 *
 * x u8 [N,H,W,C], normalization [2,C] with the means in row 0 and 1/standard deviation in row 1, y f32.
 */
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { elements } from '../shape.ts';
import { pixelThreads } from './channelSums.ts';
import { registerPrimitive } from './registry.ts';
import { toFloatWasm } from './variants/toFloatWasm.ts';

/** x is the channel, y the pixel of an image, z the image. A product instead of / 255, which devices round differently. */
function normalise(this: KernelThis, x: Float32Array, normalization: Float32Array): number {
  const at = (this.thread.z * this.constants.area + this.thread.y) * this.constants.C + this.thread.x;
  return (x[at] * this.constants.unit - normalization[this.thread.x]) * normalization[this.constants.C + this.thread.x];
}

registerPrimitive({
  name: 'toFloat',
  cost: (_, [x, normalization], y) => ({ flops: 3 * elements(y), bytes: elements(x) + 4 * elements(normalization) + 4 * elements(y) }),
  lower({ inputs: [x, normalization], output }) {
    const { threads, area } = pixelThreads(x.shape);
    const kernel: Kernel = { name: 'toFloat', run: normalise, threads, integers: { C: threads[0], area }, floats: { unit: 1 / 255 } };
    return [{ kernel, inputs: [x.name, normalization.name], output: output.name }];
  },
  variants: [toFloatWasm],
});
