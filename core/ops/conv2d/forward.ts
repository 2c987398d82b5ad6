/** conv2d: pad the input, split grouped filters, multiply, and merge the groups; only the product for the plainest case. */
import type { Launch } from '../../kernels/kernel.ts';
import { traffic } from '../attributes.ts';
import { registerPrimitive } from '../registry.ts';
import { correlation } from './correlate.ts';
import { flops, four, type WindowPlace } from './geometry.ts';
import { mergeGroups, pad, splitFilters } from './rearrange.ts';

registerPrimitive<WindowPlace>({
  name: 'conv2d',
  cost: (_, inputs, y) => traffic(flops(inputs[1], y), inputs, y),
  lower({ attributes: { stride, padding, dilation, groups }, inputs: [x, weight, bias], output, scratch }) {
    const launches: Launch[] = [];
    const padded = pad('conv2d.pad', x, padding, scratch, launches);
    const filters = splitFilters('conv2d.split', weight, groups, scratch, launches);
    const { target, after } = mergeGroups('conv2d.merge', output, groups, scratch);
    const kernel = correlation(bias ? 'conv2d.biased' : 'conv2d', bias !== undefined, {
      input: four(padded.shape),
      output: four(output.shape),
      kernel: [weight.shape[0], weight.shape[1]],
      stride,
      dilation,
      groups,
    });
    const inputs = bias ? [padded.name, filters.name, bias.name] : [padded.name, filters.name];
    return [...launches, { kernel, inputs, output: target.name }, ...after];
  },
});
