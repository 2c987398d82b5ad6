/** conv2d.filterGradient: pad the input as the forward pass did, then correlate it with dy (formula in `correlateFilters.ts`). */
import type { Launch } from '../../kernels/kernel.ts';
import { traffic } from '../attributes.ts';
import type { LowerContext } from '../op.ts';
import { registerPrimitive } from '../registry.ts';
import { filterGradientBlocks } from '../variants/convWasmBlocks.ts';
import { filterGradientWasm } from '../variants/convWasmFilters.ts';
import { depthwiseFilterGradient } from '../variants/depthwise.ts';
import { strassenFilterGradient } from '../variants/strassenFilters.ts';
import { convFilterGradient } from '../variants/wgsl/conv2d.ts';
import { matrices } from '../variants/wgsl/matrices.ts';
import { winogradFilterGradient } from '../variants/winogradFilterGradient.ts';
import { stride2FilterGradient } from '../variants/winogradStride2FilterGradient.ts';
import { filterCorrelation } from './correlateFilters.ts';
import { flops, four, type WindowPlace } from './geometry.ts';
import { pad } from './rearrange.ts';

function lower({
  attributes: { stride, padding, dilation, groups },
  inputs: [x, dy],
  output,
  scratch,
}: LowerContext<WindowPlace>): Launch[] {
  const launches: Launch[] = [];
  const padded = pad('conv2d.pad', x, padding, scratch, launches);
  const windows = {
    input: four(padded.shape),
    output: four(dy.shape),
    kernel: [output.shape[0], output.shape[1]] as const,
    stride,
    dilation,
    groups,
  };
  return [...launches, ...filterCorrelation('conv2d.filterGradient', windows, padded.name, dy.name, { output, scratch })];
}

registerPrimitive<WindowPlace>({
  name: 'conv2d.filterGradient',
  cost: (_, inputs, dweight) => traffic(flops(dweight, inputs[1]), inputs, dweight),
  lower,
  variants: [
    depthwiseFilterGradient,
    ...winogradFilterGradient,
    stride2FilterGradient,
    filterGradientBlocks,
    strassenFilterGradient,
    filterGradientWasm, //
    convFilterGradient(matrices()),
    convFilterGradient(),
  ],
});
