/** conv2d.biasGradient:  dbias[o] = Σ_{n,p,q} dy[n,p,q,o], in the two stages of `channelSums.ts`. */
import type { KernelThis, Launch } from '../../kernels/kernel.ts';
import { elements } from '../../shape.ts';
import { traffic } from '../attributes.ts';
import { chunkKernel, chunksOf, combineKernel, pixelsOf } from '../channelSums.ts';
import { type Fused, maskLaunch, withMask } from '../fusion.ts';
import type { LowerContext } from '../op.ts';
import { registerPrimitive } from '../registry.ts';
import { channelSumsWasm } from '../variants/channelSumsWasm.ts';
import { channelSumsWgsl } from '../variants/wgsl/channelSums.ts';

/** partial[chunk, o]; x is o, y is the chunk. */
function sumPixels(this: KernelThis, dy: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.length; i++) {
    const pixel = this.thread.y * this.constants.length + i;
    if (pixel < this.constants.pixels) sum += dy[pixel * this.constants.channels + this.thread.x];
  }
  return sum;
}

/** dbias[o] = Σ_chunk partial[chunk, o]; x is o. */
function sumChunks(this: KernelThis, partial: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.chunks; i++) sum += partial[i * this.constants.channels + this.thread.x];
  return sum;
}

/** The launches from dy [...,O], with `mask` also y [...,O], to its sums per channel [O]; also a linear layer's bias gradient. */
export function lowerChannelSums(name: string, { attributes: { mask }, inputs: [dy, y], output, scratch }: LowerContext<Fused>): Launch[] {
  const partial = scratch([chunksOf(pixelsOf(dy.shape)).chunks, output.shape[0]]);
  return [
    ...(mask ? [maskLaunch(name, dy, y)] : []),
    { kernel: chunkKernel(`${name}.chunks`, sumPixels, dy.shape), inputs: [dy.name], output: partial.name },
    { kernel: combineKernel(name, sumChunks, dy.shape), inputs: [partial.name], output: output.name },
  ];
}

registerPrimitive<Fused>({
  name: 'conv2d.biasGradient',
  cost: (attributes, inputs, dbias) => withMask(traffic(elements(inputs[0]), inputs, dbias), attributes, inputs[0]),
  lower: context => lowerChannelSums('conv2d.biasGradient', context),
  variants: [channelSumsWgsl('conv2d.biasGradient'), channelSumsWasm('conv2d.biasGradient')],
});
