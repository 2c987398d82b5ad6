/**
 * Fully connected layer:  y[n,o] = bias[o] + Σ_i x[n,i] · weight[i,o].
 * N rows, I inputs, O features. x [N,I], weight [I,O], bias [O], y [N,O].
 *
 * It runs on the convolution's kernels: a linear layer is a 1×1 convolution over one image of 1×N pixels with I channels.
 */
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { KernelThis, Launch } from '../kernels/kernel.ts';
import { elements, type Shape, text } from '../shape.ts';
import { count, defaultInit, init, traffic } from './attributes.ts';
import { lowerChannelSums } from './conv2d/biasGradient.ts';
import { biasLaunch, correlation } from './conv2d/correlate.ts';
import { filterCorrelation } from './conv2d/correlateFilters.ts';
import { epilogue, type Fused, withMask } from './fusion.ts';
import type { LowerContext, ParameterSpec, Tensor } from './op.ts';
import { registerOp, registerPrimitive } from './registry.ts';
import { channelSumsWasm } from './variants/channelSumsWasm.ts';
import { linearFilterGradientWasm, linearInputGradientWasm, linearWasm } from './variants/linearWasm.ts';
import { channelSumsWgsl } from './variants/wgsl/channelSums.ts';
import { linearFilterGradient, linearForward, linearInputGradient } from './variants/wgsl/linear.ts';
import { matrices } from './variants/wgsl/matrices.ts';

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
    const gradients: Record<string, Tensor> = { weight: program.emit('linear.filterGradient', `${name}:dweight`, weight.shape, [x, dy]) };
    if (bias) gradients.bias = program.emit('linear.biasGradient', `${name}:dbias`, bias.shape, [dy]);
    const dx = needs[0] ? program.emit('linear.inputGradient', `${name}:dx`, x.shape, [dy, weight]) : undefined;
    return { inputs: [dx], parameters: gradients };
  },
});

/** transposed[o, i] = weight[i, o]; x is i, y is o. */
function transpose(this: KernelThis, weight: Float32Array): number {
  return weight[this.thread.x * this.constants.O + this.thread.y];
}

/** A matrix product of N rows as a 1×1 convolution. */
const asConvolution = (N: number, I: number, O: number) => ({
  input: [1, 1, N, I] as const,
  output: [1, 1, N, O] as const,
  kernel: [1, 1] as const,
  stride: 1,
  dilation: 1,
  groups: 1,
});
const flops = ([I, O]: Shape, [N]: Shape): number => 2 * N * I * O;

function lower({ attributes: { relu }, inputs: [x, weight, bias], output }: LowerContext<Fused>): Launch[] {
  const [I, O] = weight.shape;
  const kernel = correlation('linear', asConvolution(x.shape[0], I, O));
  const product = { kernel, inputs: [x.name, weight.name], output: output.name };
  return [product, ...(bias ? [biasLaunch('linear.bias', output, bias)] : []), ...epilogue('linear', output, { relu })];
}
registerPrimitive<Fused>({
  name: 'linear',
  cost: (_, inputs, y) => traffic(flops(inputs[1], y), inputs, y),
  lower,
  variants: [linearForward(matrices()), linearForward(), linearWasm],
});
function lowerInputGradient({ inputs: [dy, weight], output, scratch }: LowerContext<unknown>): Launch[] {
  const [I, O] = weight.shape;
  const transposed = scratch([O, I]);
  const turn = { name: 'linear.transpose', run: transpose, threads: [I, O] as const, integers: { O } };
  const product = correlation('linear.inputGradient', asConvolution(dy.shape[0], O, I));
  return [
    { kernel: turn, inputs: [weight.name], output: transposed.name },
    { kernel: product, inputs: [dy.name, transposed.name], output: output.name },
  ];
}
registerPrimitive({
  name: 'linear.inputGradient',
  cost: (_, inputs, dx) => traffic(flops(inputs[1], dx), inputs, dx),
  lower: lowerInputGradient,
  variants: [linearInputGradient(matrices()), linearInputGradient(), linearInputGradientWasm],
});
function lowerFilterGradient({ inputs: [x, dy], output, scratch }: LowerContext<unknown>): Launch[] {
  const [I, O] = output.shape;
  return filterCorrelation('linear.filterGradient', asConvolution(x.shape[0], I, O), x.name, dy.name, { output, scratch });
}
registerPrimitive({
  name: 'linear.filterGradient',
  cost: (_, inputs, dweight) => traffic(flops(dweight, inputs[0]), inputs, dweight),
  lower: lowerFilterGradient,
  variants: [linearFilterGradient(matrices()), linearFilterGradient(), linearFilterGradientWasm],
});
registerPrimitive<Fused>({
  name: 'linear.biasGradient',
  cost: (attributes, inputs, dbias) => withMask(traffic(elements(inputs[0]), inputs, dbias), attributes, inputs[0]),
  lower: context => lowerChannelSums('linear.biasGradient', context),
  variants: [channelSumsWgsl('linear.biasGradient'), channelSumsWasm('linear.biasGradient')],
});
