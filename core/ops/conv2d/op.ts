/**
 * Two-dimensional convolution (cross-correlation, as PyTorch's Conv2d).
 *
 *   y[n,p,q,o] = bias[o] + Σ_{r,s,c} x[n, p·stride + r·dilation − padding, q·stride + s·dilation − padding, group(o)·C/g + c] · weight[r,s,c,o]
 *
 * N images, C channels, H W input size, O filters, R S kernel, P Q output size, g groups.
 * x [N,H,W,C], weight [R,S,C/g,O], bias [O], y [N,P,Q,O].
 */
import { z } from 'zod';
import { fail } from '../../errors.ts';
import { elements, type Shape, text, windowOutput } from '../../shape.ts';
import { count, defaultInit, extent, image, init, window2d, windowTooLarge } from '../attributes.ts';
import type { ParameterSpec, Tensor } from '../op.ts';
import { registerOp } from '../registry.ts';
import './biasGradient.ts';
import './filterGradient.ts';
import './forward.ts';
import './inputGradient.ts';

const attributes = z.strictObject({
  filters: count,
  kernel: window2d,
  stride: count.default(1),
  padding: extent.default(0),
  dilation: count.default(1),
  groups: count.default(1),
  bias: z.boolean().default(true),
  init,
});
export type Conv2dAttributes = z.output<typeof attributes>;

function outputShape(a: Conv2dAttributes, inputs: readonly Shape[], where: string): Shape {
  const [batch, height, width, channels] = image(inputs[0], where);
  if (channels % a.groups !== 0) {
    throw fail(
      'graph',
      where,
      `input channels that ${a.groups} groups divide`,
      `${channels} channels (input is ${text(inputs[0])})`,
      `Set groups to a divisor of ${channels}, or change the channels of the node before.`,
    );
  }
  if (a.filters % a.groups !== 0) {
    throw fail('graph', where, `filters that ${a.groups} groups divide`, `${a.filters} filters`, 'Change groups or filters.');
  }
  const p = windowOutput(height, a.kernel[0], a.stride, a.padding, a.dilation);
  const q = windowOutput(width, a.kernel[1], a.stride, a.padding, a.dilation);
  if (p < 1 || q < 1) {
    const reach = a.kernel.map(size => a.dilation * (size - 1) + 1);
    throw windowTooLarge(where, reach, a.padding, inputs[0]);
  }
  return [batch, p, q, a.filters];
}

function parameters(a: Conv2dAttributes, [x]: readonly Shape[]): ParameterSpec[] {
  const channels = x[3] / a.groups;
  const start = defaultInit(a.kernel[0] * a.kernel[1] * channels);
  const weight: ParameterSpec = {
    name: 'weight',
    role: 'parameter',
    shape: [...a.kernel, channels, a.filters],
    layout: 'filter',
    init: a.init?.weight ?? start,
  };
  const bias: ParameterSpec = { name: 'bias', role: 'parameter', shape: [a.filters], layout: 'plain', init: a.init?.bias ?? start };
  return a.bias ? [weight, bias] : [weight];
}

export const conv2d = registerOp<Conv2dAttributes>({
  name: 'conv2d',
  attributes,
  inputs: ['x'],
  shape: outputShape,
  parameters,
  macs: (a, [x], y) => elements(y) * a.kernel[0] * a.kernel[1] * (x[3] / a.groups),
  forward(program, { name, attributes: a, inputs: [x], parameters: { weight, bias } }) {
    const shape = outputShape(a, [x.shape], `conv2d "${name}"`);
    return { output: program.emit('conv2d', name, shape, bias ? [x, weight, bias] : [x, weight], place(a)) };
  },
  gradient(program, { name, attributes: a, inputs: [x], parameters: { weight, bias }, outputGradient: dy, needs }) {
    const gradients: Record<string, Tensor> = {
      weight: program.emit('conv2d.filterGradient', `${name}:dweight`, weight.shape, [x, dy], place(a)),
    };
    if (bias) gradients.bias = program.emit('conv2d.biasGradient', `${name}:dbias`, bias.shape, [dy]);
    const dx = needs[0] ? program.emit('conv2d.inputGradient', `${name}:dx`, x.shape, [dy, weight], place(a)) : undefined;
    return { inputs: [dx], parameters: gradients };
  },
});

/** What the primitives need to know beyond the shapes. */
const place = ({ stride, padding, dilation, groups }: Conv2dAttributes) => ({ stride, padding, dilation, groups });
