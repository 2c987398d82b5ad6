/**
 * The two sums that all gradients of a batch norm need, over all pixels, per channel:
 *   dbias = Σ dy,   dweight = Σ dy · (x - mean) / sqrt(variance + eps).
 */
import type { Kernel, KernelFunction, KernelThis } from '../../kernels/kernel.ts';
import { elements, type Shape } from '../../shape.ts';
import { traffic } from '../attributes.ts';
import { channelsOf, chunksOf, combineKernel, pixelsOf } from '../channelSums.ts';
import { type Fused, maskLaunch, withMask } from '../fusion.ts';
import { registerPrimitive } from '../registry.ts';
import { gradientSumsEvaluateWasm, gradientSumsWasm, parameterGradientWasm } from '../variants/batchNormWasm.ts';
import { gradientSumsWgsl } from '../variants/wgsl/batchNormSums.ts';

/** [Σ dy, Σ dy (x - mean)] over chunk z; x is the channel. */
function sumsOfChunk(this: KernelThis, x: Float32Array, dy: Float32Array, statistics: Float32Array): [number, number, number, number] {
  let sum = 0.0;
  let products = 0.0;
  for (let i = 0; i < this.constants.length; i++) {
    const pixel = this.thread.z * this.constants.length + i;
    if (pixel < this.constants.pixels) {
      const at = pixel * this.constants.channels + this.thread.x;
      sum += dy[at];
      products += dy[at] * (x[at] - statistics[this.thread.x] - statistics[this.constants.channels + this.thread.x]);
    }
  }
  return [sum, products, 0.0, 0.0];
}

/** As above, of dy where the forward pass's result is above 0. */
function gatedSumsOfChunk(
  this: KernelThis,
  x: Float32Array,
  dy: Float32Array,
  statistics: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
): [number, number, number, number] {
  const factor = weight[this.thread.x] / Math.sqrt(statistics[2 * this.constants.channels + this.thread.x] + this.constants.eps);
  let sum = 0.0;
  let products = 0.0;
  for (let i = 0; i < this.constants.length; i++) {
    const pixel = this.thread.z * this.constants.length + i;
    if (pixel < this.constants.pixels) {
      const at = pixel * this.constants.channels + this.thread.x;
      const centred = x[at] - statistics[this.thread.x] - statistics[this.constants.channels + this.thread.x];
      const gradient = centred * factor + bias[this.thread.x] > 0.0 ? dy[at] : 0.0;
      sum += gradient;
      products += gradient * centred;
    }
  }
  return [sum, products, 0.0, 0.0];
}

/** As the first, with a mean of one row. */
function sumsOfChunkRunning(this: KernelThis, x: Float32Array, dy: Float32Array, mean: Float32Array): [number, number, number, number] {
  let sum = 0.0;
  let products = 0.0;
  for (let i = 0; i < this.constants.length; i++) {
    const pixel = this.thread.z * this.constants.length + i;
    if (pixel < this.constants.pixels) {
      const at = pixel * this.constants.channels + this.thread.x;
      sum += dy[at];
      products += dy[at] * (x[at] - mean[this.thread.x]);
    }
  }
  return [sum, products, 0.0, 0.0];
}

/** Row 0: Σ dy. Row 1: dweight. */
function combineSums(this: KernelThis, sums: Float32Array, variance: Float32Array): number {
  let sum = 0.0;
  for (let chunk = 0; chunk < this.constants.chunks; chunk++) {
    sum += sums[(2 * chunk + this.thread.y) * this.constants.channels + this.thread.x];
  }
  const deviation = Math.sqrt(variance[this.constants.varianceAt + this.thread.x] + this.constants.eps);
  return this.thread.y < 1 ? sum : sum / deviation;
}

const twoSums = (name: string, run: KernelFunction, shape: Shape, eps: number): Kernel => {
  const [channels, pixels] = [channelsOf(shape), pixelsOf(shape)];
  const { chunks, length } = chunksOf(pixels);
  return { name, run, threads: [channels, 1, chunks], rows: 2, integers: { channels, pixels, length }, floats: { eps } };
};
const combine = (name: string, shape: Shape, eps: number, varianceAt: number): Kernel => {
  const kernel = combineKernel(name, combineSums, shape, 2, { eps });
  return { ...kernel, integers: { ...kernel.integers, varianceAt } };
};

/** x, dy, statistics [3,C]; then weight and bias with `gate`; y with `mask`, and the other gradient with `sum` → [2,C]: Σ dy, dweight. */
registerPrimitive<{ eps: number } & Fused>({
  name: 'batchNorm2d.gradientSums',
  cost: (attributes, inputs, sums) => withMask(traffic(5 * elements(inputs[0]), inputs, sums), attributes, inputs[1]),
  lower({ attributes: { eps, gate, mask }, inputs: [x, dy, statistics, ...more], output, scratch }) {
    const name = 'batchNorm2d.gradientSums';
    const C = channelsOf(x.shape);
    const sums = scratch([chunksOf(pixelsOf(x.shape)).chunks, 2, C]);
    const inputs = [x.name, dy.name, statistics.name, ...(gate ? more.map(tensor => tensor.name) : [])];
    return [
      ...(mask ? [maskLaunch(name, dy, more[0], more[1])] : []),
      { kernel: twoSums(`${name}.chunks`, gate ? gatedSumsOfChunk : sumsOfChunk, x.shape, eps), inputs, output: sums.name },
      { kernel: combine(name, x.shape, eps, 2 * C), inputs: [sums.name, statistics.name], output: output.name },
    ];
  },
  variants: [gradientSumsWgsl, gradientSumsWasm],
});

/** x, dy, running mean, running variance → [2,C]: Σ dy, dweight. */
registerPrimitive<{ eps: number }>({
  name: 'batchNorm2d.evaluate.gradientSums',
  cost: (_, inputs, sums) => traffic(5 * elements(inputs[0]), inputs, sums),
  lower({ attributes: { eps }, inputs: [x, dy, mean, variance], output, scratch }) {
    const name = 'batchNorm2d.evaluate.gradientSums';
    const sums = scratch([chunksOf(pixelsOf(x.shape)).chunks, 2, channelsOf(x.shape)]);
    const inputs = [x.name, dy.name, mean.name];
    return [
      { kernel: twoSums(`${name}.chunks`, sumsOfChunkRunning, x.shape, eps), inputs, output: sums.name },
      { kernel: combine(name, x.shape, eps, 0), inputs: [sums.name, variance.name], output: output.name },
    ];
  },
  variants: [gradientSumsEvaluateWasm],
});

function takeRow(this: KernelThis, sums: Float32Array): number {
  return sums[this.constants.at + this.thread.x];
}

/** The sums [2,C] → one row of them, [C]: the gradient of the bias is row 0, that of the weight row 1. */
registerPrimitive<{ row: 0 | 1 }>({
  name: 'batchNorm2d.parameterGradient',
  cost: (_, __, gradient) => ({ flops: 0, bytes: 8 * elements(gradient) }),
  lower({ attributes: { row }, inputs: [sums], output }) {
    const C = elements(output.shape);
    const kernel: Kernel = { name: 'batchNorm2d.parameterGradient', run: takeRow, threads: [C], integers: { at: row * C } };
    return [{ kernel, inputs: [sums.name], output: output.name }];
  },
  variants: [parameterGradientWasm],
});
