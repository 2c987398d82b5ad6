/** y = (x - mean) / sqrt(variance + eps) · weight + bias, with the batch's statistics or the running ones. */
import type { Kernel, KernelThis } from '../../kernels/kernel.ts';
import { elements } from '../../shape.ts';
import { traffic } from '../attributes.ts';
import { pixelThreads } from '../channelSums.ts';
import { registerPrimitive } from '../registry.ts';

/** x is the channel, y the pixel of an image, z the image; `mean` is [shift, offset]. */
function normalise(
  this: KernelThis,
  x: Float32Array,
  mean: Float32Array,
  variance: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
): number {
  const at = (this.thread.z * this.constants.area + this.thread.y) * this.constants.C + this.thread.x;
  const factor = weight[this.thread.x] / Math.sqrt(variance[this.thread.x] + this.constants.eps);
  return (x[at] - mean[this.thread.x] - mean[this.constants.C + this.thread.x]) * factor + bias[this.thread.x];
}

/** Threads as above; `mean` is [C]. */
function normaliseRunning(
  this: KernelThis,
  x: Float32Array,
  mean: Float32Array,
  variance: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
): number {
  const at = (this.thread.z * this.constants.area + this.thread.y) * this.constants.C + this.thread.x;
  const factor = weight[this.thread.x] / Math.sqrt(variance[this.thread.x] + this.constants.eps);
  return (x[at] - mean[this.thread.x]) * factor + bias[this.thread.x];
}

for (const [name, run] of [
  ['batchNorm2d', normalise],
  ['batchNorm2d.evaluate', normaliseRunning],
] as const) {
  registerPrimitive<{ eps: number }>({
    name,
    cost: (_, inputs, y) => traffic(4 * elements(y), inputs, y),
    lower({ attributes: { eps }, inputs, output }) {
      const { threads, area } = pixelThreads(output.shape);
      const kernel: Kernel = { name, run, threads, integers: { C: threads[0], area }, floats: { eps } };
      return [{ kernel, inputs: inputs.map(tensor => tensor.name), output: output.name }];
    },
  });
}
