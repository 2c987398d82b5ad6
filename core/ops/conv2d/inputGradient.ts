/**
 * conv2d.inputGradient: what each input element contributed to.
 *
 *   dx[n,h,w,c] = Σ dy[n,p,q,o] · weight[r,s,c,o]   over p·stride + r·dilation − padding = h, q and s likewise
 *
 * That is a convolution of stride 1 over dy, its pixels `stride` apart with zeros between and around them, with the filters
 * turned and transposed. Input rows and columns that no window touched get zero.
 * A 1×1 kernel multiplies first and moves the products apart after, as zeros need no product.
 */
import type { Launch } from '../../kernels/kernel.ts';
import { traffic } from '../attributes.ts';
import type { LowerContext } from '../op.ts';
import { registerPrimitive } from '../registry.ts';
import { inputGradientWasm } from '../variants/convWasm.ts';
import { depthwiseInputGradient } from '../variants/depthwise.ts';
import { strassenInputGradient } from '../variants/strassen.ts';
import { convInputGradient } from '../variants/wgsl/conv2d.ts';
import { matrices } from '../variants/wgsl/matrices.ts';
import { winogradInputGradient } from '../variants/winograd.ts';
import { stride2InputGradient } from '../variants/winogradStride2InputGradient.ts';
import { correlation } from './correlate.ts';
import { type Four, flops, four, type WindowPlace } from './geometry.ts';
import { mergeGroups, spread, turnFilters } from './rearrange.ts';

function lower({
  attributes: { stride, padding, dilation, groups },
  inputs: [dy, weight],
  output,
  scratch,
}: LowerContext<WindowPlace>): Launch[] {
  const launches: Launch[] = [];
  const [N, H, W, C] = output.shape;
  const [, P, Q, O] = dy.shape;
  const [R, S] = weight.shape;
  const filters = turnFilters('conv2d.turn', weight, groups, scratch, launches);
  const product = (input: Four, size: Four, kernel: readonly [number, number]) =>
    correlation('conv2d.inputGradient', { input, output: size, kernel, stride: 1, dilation, groups });

  if (R === 1 && S === 1) {
    const direct = stride === 1 && padding === 0;
    const products = direct ? output : scratch([N, P, Q, C]);
    const { target, after } = mergeGroups('conv2d.mergeGradient', products, groups, scratch);
    launches.push(
      { kernel: product(four(dy.shape), [N, P, Q, C], [1, 1]), inputs: [dy.name, filters.name], output: target.name },
      ...after,
    );
    if (!direct) {
      launches.push(spread('conv2d.spread', products, { height: H, width: W, step: stride, lead: [0, 0], trim: padding }, output));
    }
    return launches;
  }

  const lead = [dilation * (R - 1), dilation * (S - 1)] as const;
  const [height, width] = [H + lead[0], W + lead[1]];
  const apart = scratch([N, height, width, O]);
  launches.push(spread('conv2d.spread', dy, { height, width, step: stride, lead, trim: padding }, apart));
  const { target, after } = mergeGroups('conv2d.mergeGradient', output, groups, scratch);
  const kernel = product(four(apart.shape), four(output.shape), [R, S]);
  return [...launches, { kernel, inputs: [apart.name, filters.name], output: target.name }, ...after];
}

registerPrimitive<WindowPlace>({
  name: 'conv2d.inputGradient',
  cost: (_, inputs, dx) => traffic(flops(inputs[1], inputs[0]), inputs, dx),
  lower,
  variants: [
    depthwiseInputGradient,
    ...winogradInputGradient,
    stride2InputGradient,
    strassenInputGradient,
    inputGradientWasm, //
    convInputGradient(matrices()),
    convInputGradient(),
  ],
});
