/** conv2d: pad the input, split grouped filters, multiply, merge the groups, add the bias, rectify; only the product for the plainest case. */
import type { Launch } from '../../kernels/kernel.ts';
import { traffic } from '../attributes.ts';
import { epilogue, type Fused } from '../fusion.ts';
import type { LowerContext } from '../op.ts';
import { registerPrimitive } from '../registry.ts';
import { conv2dWasm } from '../variants/convWasm.ts';
import { conv2dBlocks } from '../variants/convWasmBlocks.ts';
import { depthwiseForward } from '../variants/depthwise.ts';
import { strassenForward } from '../variants/strassen.ts';
import { convForward } from '../variants/wgsl/conv2d.ts';
import { matrices } from '../variants/wgsl/matrices.ts';
import { winogradForward } from '../variants/winograd.ts';
import { stride2Forward } from '../variants/winogradStride2.ts';
import { biasLaunch, correlation } from './correlate.ts';
import { flops, four, type WindowPlace } from './geometry.ts';
import { mergeGroups, pad, splitFilters } from './rearrange.ts';

function lower({
  attributes: { stride, padding, dilation, groups, relu },
  inputs: [x, weight, bias],
  output,
  scratch,
}: LowerContext<WindowPlace & Fused>): Launch[] {
  const launches: Launch[] = [];
  const padded = pad('conv2d.pad', x, padding, scratch, launches);
  const filters = splitFilters('conv2d.split', weight, groups, scratch, launches);
  const { target, after } = mergeGroups('conv2d.merge', output, groups, scratch);
  const kernel = correlation('conv2d', {
    input: four(padded.shape),
    output: four(output.shape),
    kernel: [weight.shape[0], weight.shape[1]],
    stride,
    dilation,
    groups,
  });
  launches.push({ kernel, inputs: [padded.name, filters.name], output: target.name }, ...after);
  if (bias) launches.push(biasLaunch('conv2d.bias', output, bias));
  launches.push(...epilogue('conv2d', output, { relu }));
  return launches;
}

registerPrimitive<WindowPlace & Fused>({
  name: 'conv2d',
  cost: (_, inputs, y) => traffic(flops(inputs[1], y), inputs, y),
  lower,
  variants: [
    depthwiseForward,
    ...winogradForward,
    stride2Forward,
    conv2dBlocks,
    strassenForward,
    conv2dWasm, //
    convForward(matrices()),
    convForward(),
  ],
});
