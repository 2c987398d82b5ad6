/** y = (x - mean) / sqrt(variance + eps) · weight + bias, with the batch's statistics or the running ones. */
import type { Kernel, KernelThis } from '../../kernels/kernel.ts';
import { elements } from '../../shape.ts';
import { traffic } from '../attributes.ts';
import { pixelThreads } from '../channelSums.ts';
import { epilogue, type Fused } from '../fusion.ts';
import { registerPrimitive } from '../registry.ts';
import { batchNormEvaluateWasm, batchNormWasm } from '../variants/batchNormWasm.ts';
import { batchNormEvaluateWgsl, batchNormWgsl } from '../variants/wgsl/batchNormApply.ts';

/** x is the channel, y the pixel of an image, z the image; `statistics` is [shift, offset, variance]. */
function normalise(this: KernelThis, x: Float32Array, statistics: Float32Array, weight: Float32Array, bias: Float32Array): number {
  const at = (this.thread.z * this.constants.area + this.thread.y) * this.constants.C + this.thread.x;
  const factor = weight[this.thread.x] / Math.sqrt(statistics[2 * this.constants.C + this.thread.x] + this.constants.eps);
  return (x[at] - statistics[this.thread.x] - statistics[this.constants.C + this.thread.x]) * factor + bias[this.thread.x];
}

/** Threads as above. */
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

/** x, statistics [3,C] | running mean [C], running variance [C]; weight, bias; the residual if there is one. */
for (const [name, run, own, variants] of [
  ['batchNorm2d', normalise, 4, [batchNormWgsl, batchNormWasm]],
  ['batchNorm2d.evaluate', normaliseRunning, 5, [batchNormEvaluateWgsl, batchNormEvaluateWasm]],
] as const) {
  registerPrimitive<{ eps: number } & Fused>({
    name,
    cost: ({ relu }, inputs, y) => traffic((inputs.length - own + (relu ? 5 : 4)) * elements(y), inputs, y),
    lower({ attributes, inputs, output }) {
      const { threads, area } = pixelThreads(output.shape);
      const kernel: Kernel = { name, run, threads, integers: { C: threads[0], area }, floats: { eps: attributes.eps } };
      const plain = { kernel, inputs: inputs.slice(0, own).map(tensor => tensor.name), output: output.name };
      return [plain, ...epilogue(name, output, attributes, inputs[own])];
    },
    variants,
  });
}
