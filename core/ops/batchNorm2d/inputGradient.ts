/**
 * With x̂ = (x - mean) / sqrt(variance + eps) and n pixels a channel, in training
 *   dx = weight / sqrt(variance + eps) · (dy - dbias / n - x̂ · dweight / n),
 * since mean and variance depend on x; in evaluation they do not, and dx = weight / sqrt(variance + eps) · dy.
 */
import type { Kernel, KernelThis } from '../../kernels/kernel.ts';
import { elements } from '../../shape.ts';
import { traffic } from '../attributes.ts';
import { pixelsOf, pixelThreads } from '../channelSums.ts';
import { registerPrimitive } from '../registry.ts';

/** x is the channel, y the pixel of an image, z the image; `mean` is [shift, offset]. */
function throughStatistics(
  this: KernelThis,
  x: Float32Array,
  dy: Float32Array,
  mean: Float32Array,
  variance: Float32Array,
  weight: Float32Array,
  dweight: Float32Array,
  dbias: Float32Array,
): number {
  const at = (this.thread.z * this.constants.area + this.thread.y) * this.constants.C + this.thread.x;
  const inverse = 1.0 / Math.sqrt(variance[this.thread.x] + this.constants.eps);
  const normal = (x[at] - mean[this.thread.x] - mean[this.constants.C + this.thread.x]) * inverse;
  const correction = (dbias[this.thread.x] + normal * dweight[this.thread.x]) / this.constants.pixels;
  return weight[this.thread.x] * inverse * (dy[at] - correction);
}

function scaleGradient(this: KernelThis, dy: Float32Array, variance: Float32Array, weight: Float32Array): number {
  const at = (this.thread.z * this.constants.area + this.thread.y) * this.constants.C + this.thread.x;
  return (dy[at] * weight[this.thread.x]) / Math.sqrt(variance[this.thread.x] + this.constants.eps);
}

for (const [name, run, flops] of [
  ['batchNorm2d.inputGradient', throughStatistics, 8],
  ['batchNorm2d.evaluate.inputGradient', scaleGradient, 2],
] as const) {
  registerPrimitive<{ eps: number }>({
    name,
    cost: (_, inputs, dx) => traffic(flops * elements(dx), inputs, dx),
    lower({ attributes: { eps }, inputs, output }) {
      const { threads, area } = pixelThreads(output.shape);
      const floats = { eps, pixels: pixelsOf(output.shape) };
      const kernel: Kernel = { name, run, threads, integers: { C: threads[0], area }, floats };
      return [{ kernel, inputs: inputs.map(tensor => tensor.name), output: output.name }];
    },
  });
}
