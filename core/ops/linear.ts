/**
 * Fully connected layer:  y[n,o] = bias[o] + Σ_i x[n,i] · weight[i,o].
 * N rows, I inputs, O features. x [N,I], weight [I,O], bias [O], y [N,O].
 *
 * It runs on the convolution's kernels: a linear layer is a 1×1 convolution over one image of 1×N pixels with I channels.
 */
import { z } from 'zod';
import { fail } from '../errors.ts';
import { elements, type Shape, text } from '../shape.ts';
import { count, defaultInit, init } from './attributes.ts';
import type { ParameterSpec, Tensor } from './op.ts';
import { registerOp } from './registry.ts';

const attributes = z.strictObject({ features: count, bias: z.boolean().default(true), init });
export type LinearAttributes = z.output<typeof attributes>;

function outputShape(a: LinearAttributes, [x]: readonly Shape[], where: string): Shape {
  if (x.length !== 2) throw fail('graph', where, 'a matrix [N,features]', text(x), 'Put a flatten before it.');
  return [x[0], a.features];
}

function parameters(a: LinearAttributes, [x]: readonly Shape[]): ParameterSpec[] {
  const start = defaultInit(x[1]);
  const weight: ParameterSpec = {
    name: 'weight',
    role: 'parameter',
    shape: [x[1], a.features],
    layout: 'matrix',
    init: a.init?.weight ?? start,
  };
  const bias: ParameterSpec = { name: 'bias', role: 'parameter', shape: [a.features], layout: 'plain', init: a.init?.bias ?? start };
  return a.bias ? [weight, bias] : [weight];
}

export const linear = registerOp<LinearAttributes>({
  name: 'linear',
  attributes,
  inputs: ['x'],
  shape: outputShape,
  parameters,
  macs: (_, [x], y) => elements(y) * x[1],
  forward(program, { name, attributes: a, inputs: [x], parameters: { weight, bias } }) {
    const shape = outputShape(a, [x.shape], `linear "${name}"`);
    return { output: program.emit('linear', name, shape, bias ? [x, weight, bias] : [x, weight]) };
  },
  gradient(program, { name, inputs: [x], parameters: { weight, bias }, outputGradient: dy, needs }) {
    const gradients: Record<string, Tensor> = { weight: program.emit('linear.filterGradient', `${name}.dweight`, weight.shape, [x, dy]) };
    if (bias) gradients.bias = program.emit('linear.biasGradient', `${name}.dbias`, bias.shape, [dy]);
    const dx = needs[0] ? program.emit('linear.inputGradient', `${name}.dx`, x.shape, [dy, weight]) : undefined;
    return { inputs: [dx], parameters: gradients };
  },
});
