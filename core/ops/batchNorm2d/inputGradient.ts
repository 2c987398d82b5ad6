/**
 * With x̂ = (x - mean) / sqrt(variance + eps) and n pixels a channel, in training
 *   dx = weight / sqrt(variance + eps) · (dy - dbias / n - x̂ · dweight / n),
 * since mean and variance depend on x; in evaluation they do not, and dx = weight / sqrt(variance + eps) · dy.
 */
import type { Kernel, KernelThis } from '../../kernels/kernel.ts';
import { elements } from '../../shape.ts';
import { traffic } from '../attributes.ts';
import { pixelsOf, pixelThreads } from '../channelSums.ts';
import type { Fused } from '../fusion.ts';
import { registerPrimitive } from '../registry.ts';
import { inputGradientEvaluateWasm, inputGradientWasm } from '../variants/batchNormWasm.ts';
import { batchNormGradientWgsl } from '../variants/wgsl/batchNormApply.ts';

/** x is the channel, y the pixel of an image, z the image; `statistics` is [shift, offset, variance], `sums` [dbias, dweight]. */
function throughStatistics(
  this: KernelThis,
  x: Float32Array,
  dy: Float32Array,
  statistics: Float32Array,
  weight: Float32Array,
  sums: Float32Array,
): number {
  const at = (this.thread.z * this.constants.area + this.thread.y) * this.constants.C + this.thread.x;
  const inverse = 1.0 / Math.sqrt(statistics[2 * this.constants.C + this.thread.x] + this.constants.eps);
  const normal = (x[at] - statistics[this.thread.x] - statistics[this.constants.C + this.thread.x]) * inverse;
  const correction = (sums[this.thread.x] + normal * sums[this.constants.C + this.thread.x]) / this.constants.pixels;
  return weight[this.thread.x] * inverse * (dy[at] - correction);
}

/** As above, of dy where the forward pass's result is above 0: computed as there, so that it is the same number. */
function throughGate(
  this: KernelThis,
  x: Float32Array,
  dy: Float32Array,
  statistics: Float32Array,
  weight: Float32Array,
  sums: Float32Array,
  bias: Float32Array,
): number {
  const at = (this.thread.z * this.constants.area + this.thread.y) * this.constants.C + this.thread.x;
  const deviation = Math.sqrt(statistics[2 * this.constants.C + this.thread.x] + this.constants.eps);
  const inverse = 1.0 / deviation;
  const factor = weight[this.thread.x] / deviation;
  const centred = x[at] - statistics[this.thread.x] - statistics[this.constants.C + this.thread.x];
  const gradient = centred * factor + bias[this.thread.x] > 0.0 ? dy[at] : 0.0;
  const correction = (sums[this.thread.x] + centred * inverse * sums[this.constants.C + this.thread.x]) / this.constants.pixels;
  return weight[this.thread.x] * inverse * (gradient - correction);
}

function scaleGradient(this: KernelThis, dy: Float32Array, variance: Float32Array, weight: Float32Array): number {
  const at = (this.thread.z * this.constants.area + this.thread.y) * this.constants.C + this.thread.x;
  return (dy[at] * weight[this.thread.x]) / Math.sqrt(variance[this.thread.x] + this.constants.eps);
}

/** x, dy, statistics [3,C], weight, sums [2,C]; bias with `gate` → dx. `inPlace: 1` overwrites dy, 0 the x that nobody reads any more. */
registerPrimitive<{ eps: number } & Fused>({
  name: 'batchNorm2d.inputGradient',
  overwrites: [1, 0],
  cost: (_, inputs, dx) => traffic(8 * elements(dx), inputs, dx),
  lower({ attributes: { eps, gate, inPlace }, inputs, output }) {
    const { threads, area } = pixelThreads(output.shape);
    const kernel: Kernel = {
      name: 'batchNorm2d.inputGradient',
      run: gate ? throughGate : throughStatistics,
      threads,
      integers: { C: threads[0], area },
      floats: { eps, pixels: pixelsOf(output.shape) },
      ...(inPlace !== undefined && { inout: inPlace === 0 ? 'x' : 'dy' }),
    };
    return [{ kernel, inputs: inputs.map(tensor => tensor.name), output: output.name }];
  },
  variants: [batchNormGradientWgsl, inputGradientWasm],
});

/** dy, running variance, weight → dx. */
registerPrimitive<{ eps: number }>({
  name: 'batchNorm2d.evaluate.inputGradient',
  cost: (_, inputs, dx) => traffic(2 * elements(dx), inputs, dx),
  lower({ attributes: { eps }, inputs, output }) {
    const { threads, area } = pixelThreads(output.shape);
    const name = 'batchNorm2d.evaluate.inputGradient';
    const kernel: Kernel = { name, run: scaleGradient, threads, integers: { C: threads[0], area }, floats: { eps } };
    return [{ kernel, inputs: inputs.map(tensor => tensor.name), output: output.name }];
  },
  variants: [inputGradientEvaluateWasm],
});
