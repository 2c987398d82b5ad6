/** dweight = Σ dy · (x - mean) / sqrt(variance + eps),   dbias = Σ dy: sums over all pixels, per channel. */
import type { KernelThis } from '../../kernels/kernel.ts';
import { elements } from '../../shape.ts';
import { traffic } from '../attributes.ts';
import { channelsOf, chunkKernel, chunksOf, combineKernel, pixelsOf } from '../channelSums.ts';
import { lowerChannelSums } from '../conv2d/biasGradient.ts';
import { registerPrimitive } from '../registry.ts';

/** Σ dy (x - mean) over a chunk; `mean` is [shift, offset]. */
function productsOfChunk(this: KernelThis, x: Float32Array, dy: Float32Array, mean: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.length; i++) {
    const pixel = this.thread.y * this.constants.length + i;
    if (pixel < this.constants.pixels) {
      const at = pixel * this.constants.channels + this.thread.x;
      sum += dy[at] * (x[at] - mean[this.thread.x] - mean[this.constants.channels + this.thread.x]);
    }
  }
  return sum;
}

/** As above, with a mean of one row. */
function productsOfChunkRunning(this: KernelThis, x: Float32Array, dy: Float32Array, mean: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.length; i++) {
    const pixel = this.thread.y * this.constants.length + i;
    if (pixel < this.constants.pixels) {
      const at = pixel * this.constants.channels + this.thread.x;
      sum += dy[at] * (x[at] - mean[this.thread.x]);
    }
  }
  return sum;
}

function combineProducts(this: KernelThis, sums: Float32Array, variance: Float32Array): number {
  let sum = 0.0;
  for (let chunk = 0; chunk < this.constants.chunks; chunk++) sum += sums[chunk * this.constants.channels + this.thread.x];
  return sum / Math.sqrt(variance[this.thread.x] + this.constants.eps);
}

/** x, dy, mean, variance → [C]. */
for (const [name, products] of [
  ['batchNorm2d.weightGradient', productsOfChunk],
  ['batchNorm2d.evaluate.weightGradient', productsOfChunkRunning],
] as const) {
  registerPrimitive<{ eps: number }>({
    name,
    cost: (_, inputs, dweight) => traffic(4 * elements(inputs[0]), inputs, dweight),
    lower({ attributes: { eps }, inputs: [x, dy, mean, variance], output, scratch }) {
      const sums = scratch([chunksOf(pixelsOf(x.shape)).chunks, channelsOf(x.shape)]);
      return [
        { kernel: chunkKernel(`${name}.products`, products, x.shape), inputs: [x.name, dy.name, mean.name], output: sums.name },
        { kernel: combineKernel(name, combineProducts, x.shape, 1, { eps }), inputs: [sums.name, variance.name], output: output.name },
      ];
    },
  });
}
/** dy → [C]. */
registerPrimitive({
  name: 'batchNorm2d.biasGradient',
  cost: (_, inputs, dbias) => traffic(elements(inputs[0]), inputs, dbias),
  lower: context => lowerChannelSums('batchNorm2d.biasGradient', context),
});
