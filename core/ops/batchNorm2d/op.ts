/**
 * Batch normalisation (Ioffe and Szegedy 2015) as PyTorch computes it, per channel over all pixels of all images:
 *
 *   y = (x - mean) / sqrt(variance + eps) · weight + bias
 *
 * Training takes mean and biased variance of the batch, and moves the running statistics towards the mean and the unbiased
 * variance by `momentum`; evaluation takes the running statistics. Shapes: [N,H,W,C] or [N,C], to the same.
 *
 * The batch's statistics are one tensor of three rows, [shift, offset, variance]. The mean is shift + offset: the channel's first
 * value and the mean distance from it. In f32 that keeps the digits of x - mean when the mean is large beside the deviation,
 * where one rounded mean would lose them.
 */
import { z } from 'zod';
import { fail } from '../../errors.ts';
import { type Shape, text } from '../../shape.ts';
import { init } from '../attributes.ts';
import { channelsOf, pixelsOf } from '../channelSums.ts';
import type { Initializer, ParameterSpec } from '../op.ts';
import { registerOp } from '../registry.ts';
import './forward.ts';
import './gradientSums.ts';
import './inputGradient.ts';
import './running.ts';
import './statistics.ts';

const attributes = z.strictObject({
  eps: z.number().positive().default(1e-5),
  momentum: z.number().min(0).max(1).default(0.1),
  init,
});
export type BatchNorm2dAttributes = z.output<typeof attributes>;

function parameters({ init: start }: BatchNorm2dAttributes, [x]: readonly Shape[]): ParameterSpec[] {
  const each = (name: string, role: 'parameter' | 'state', value: number, chosen?: Initializer): ParameterSpec => ({
    name,
    role,
    shape: [channelsOf(x)],
    layout: 'plain',
    init: chosen ?? { kind: 'constant', value },
  });
  return [
    each('weight', 'parameter', 1, start?.weight),
    each('bias', 'parameter', 0, start?.bias),
    each('running_mean', 'state', 0),
    each('running_var', 'state', 1),
  ];
}

export const batchNorm2d = registerOp<BatchNorm2dAttributes>({
  name: 'batchNorm2d',
  attributes,
  inputs: ['x'],
  shape(_, [x], where) {
    if (x.length === 4 || x.length === 2) return x;
    throw fail('graph', where, 'an input of shape [N,H,W,C] or [N,C]', text(x), 'Put it after a convolution or a linear layer.');
  },
  parameters,
  forward(program, { name, attributes: { eps, momentum }, inputs: [x], parameters, mode }) {
    const { weight, bias, running_mean, running_var } = parameters;
    if (mode === 'evaluate') {
      return { output: program.emit('batchNorm2d.evaluate', name, x.shape, [x, running_mean, running_var, weight, bias], { eps }) };
    }
    const [channels, pixels] = [channelsOf(x.shape), pixelsOf(x.shape)];
    if (pixels === 1) {
      const where = `batchNorm2d "${name}"`;
      throw fail('graph', where, 'more than one value per channel when training', text(x.shape), 'Use a larger batch or a larger image.');
    }
    const statistics = program.emit('batchNorm2d.statistics', `${name}:statistics`, [3, channels], [x]);
    program.update('batchNorm2d.runningMean', running_mean, [running_mean, statistics], { momentum });
    program.update('batchNorm2d.runningVariance', running_var, [running_var, statistics], { momentum, pixels });
    return { output: program.emit('batchNorm2d', name, x.shape, [x, statistics, weight, bias], { eps }), saved: { statistics } };
  },
  gradient(
    program,
    { name, attributes: { eps }, inputs: [x], parameters: { weight: w, ...running }, mode, saved, outputGradient: dy, needs },
  ) {
    const kind = mode === 'evaluate' ? 'batchNorm2d.evaluate' : 'batchNorm2d';
    const statistics = mode === 'evaluate' ? [running.running_mean, running.running_var] : [saved.statistics];
    const sums = program.emit(`${kind}.gradientSums`, `${name}:sums`, [2, channelsOf(x.shape)], [x, dy, ...statistics], { eps });
    const row = (local: string, index: 0 | 1) =>
      program.emit('batchNorm2d.parameterGradient', `${name}:d${local}`, w.shape, [sums], { row: index });
    const parameters = { weight: row('weight', 1), bias: row('bias', 0) };
    if (!needs[0]) return { inputs: [undefined], parameters };
    const read = mode === 'evaluate' ? [dy, running.running_var, w] : [x, dy, saved.statistics, w, sums];
    return { inputs: [program.emit(`${kind}.inputGradient`, `${name}:dx`, x.shape, read, { eps })], parameters };
  },
});
