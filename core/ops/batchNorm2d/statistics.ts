/** Mean and biased variance per channel: the mean first, then the second moment around it, which loses no digits to cancellation. */
import type { KernelThis } from '../../kernels/kernel.ts';
import { elements } from '../../shape.ts';
import { traffic } from '../attributes.ts';
import { channelsOf, chunkKernel, chunksOf, combineKernel, pixelsOf } from '../channelSums.ts';
import { registerPrimitive } from '../registry.ts';
import { statisticsWasm } from '../variants/batchNormWasm.ts';
import { statisticsWgsl } from '../variants/wgsl/batchNormSums.ts';

/** Σ x - shift over a chunk; the shift is the channel's first value. */
function sumOfChunk(this: KernelThis, x: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.length; i++) {
    const pixel = this.thread.y * this.constants.length + i;
    if (pixel < this.constants.pixels) sum += x[pixel * this.constants.channels + this.thread.x] - x[this.thread.x];
  }
  return sum;
}

/** Row 0: shift. Row 1: mean of x - shift. */
function combineMean(this: KernelThis, sums: Float32Array, x: Float32Array): number {
  let sum = 0.0;
  for (let chunk = 0; chunk < this.constants.chunks; chunk++) sum += sums[chunk * this.constants.channels + this.thread.x];
  return this.thread.y < 1 ? x[this.thread.x] : sum / this.constants.pixels;
}

/** Σ (x - mean)² over a chunk. */
function squaresOfChunk(this: KernelThis, x: Float32Array, mean: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.length; i++) {
    const pixel = this.thread.y * this.constants.length + i;
    if (pixel < this.constants.pixels) {
      const centred =
        x[pixel * this.constants.channels + this.thread.x] - mean[this.thread.x] - mean[this.constants.channels + this.thread.x];
      sum += centred * centred;
    }
  }
  return sum;
}

/** Rows 0 and 1: the mean. Row 2: the variance. */
function combineVariance(this: KernelThis, sums: Float32Array, mean: Float32Array): number {
  let sum = 0.0;
  for (let chunk = 0; chunk < this.constants.chunks; chunk++) sum += sums[chunk * this.constants.channels + this.thread.x];
  const row = Math.min(this.thread.y, 1);
  return this.thread.y < 2 ? mean[row * this.constants.channels + this.thread.x] : sum / this.constants.pixels;
}

/** x → [3,C]: shift, mean - shift, biased variance. */
registerPrimitive({
  name: 'batchNorm2d.statistics',
  cost: (_, inputs, statistics) => traffic(6 * elements(inputs[0]), inputs, statistics),
  lower({ inputs: [x], output, scratch }) {
    const [C, { chunks }] = [channelsOf(x.shape), chunksOf(pixelsOf(x.shape))];
    const [sums, mean, squares] = [scratch([chunks, C]), scratch([2, C]), scratch([chunks, C])];
    const [first, second] = ['batchNorm2d.mean', 'batchNorm2d.variance'];
    return [
      { kernel: chunkKernel('batchNorm2d.sum', sumOfChunk, x.shape), inputs: [x.name], output: sums.name },
      { kernel: combineKernel(first, combineMean, x.shape, 2), inputs: [sums.name, x.name], output: mean.name },
      { kernel: chunkKernel('batchNorm2d.squares', squaresOfChunk, x.shape), inputs: [x.name, mean.name], output: squares.name },
      { kernel: combineKernel(second, combineVariance, x.shape, 3), inputs: [squares.name, mean.name], output: output.name },
    ];
  },
  variants: [statisticsWgsl, statisticsWasm],
});
