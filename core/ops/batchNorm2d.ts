/**
 * Batch normalisation (Ioffe and Szegedy 2015) as PyTorch computes it: y = (x - mean) / sqrt(variance + eps) * weight + bias.
 * Training takes mean and biased variance of the batch, per channel, and moves the running statistics towards the mean and
 * the unbiased variance by `momentum`; evaluation takes the running statistics. Shapes: [N,H,W,C] or [N,C], to the same.
 */
import { z } from 'zod';
import { fail } from '../errors.ts';
import { elements, text } from '../shape.ts';
import type { Op } from './op.ts';

const attributes = z.strictObject({
  eps: z.number().positive().default(1e-5),
  momentum: z.number().min(0).max(1).default(0.1),
});

export const batchNorm2d: Op<z.infer<typeof attributes>> = {
  name: 'batchNorm2d',
  attributes,
  inputs: ['x'],
  shape: (_, [x], where) => {
    if (x.length === 4 || x.length === 2) return x;
    throw fail('graph', where, 'an input of shape [N,H,W,C] or [N,C]', text(x), 'Put it after a convolution or a linear layer.');
  },
  parameters: (_, [x]) => {
    const shape = [x[x.length - 1]];
    return [
      { name: 'weight', role: 'parameter', shape, layout: 'plain', init: { kind: 'constant', value: 1 } },
      { name: 'bias', role: 'parameter', shape, layout: 'plain', init: { kind: 'constant', value: 0 } },
      { name: 'running_mean', role: 'state', shape, layout: 'plain', init: { kind: 'constant', value: 0 } },
      { name: 'running_var', role: 'state', shape, layout: 'plain', init: { kind: 'constant', value: 1 } },
    ];
  },
  forward: (program, { name, attributes: { eps, momentum }, inputs: [x], parameters, mode }) => {
    const { weight, bias, running_mean, running_var } = parameters;
    if (mode === 'evaluate') {
      return { output: program.emit('batchNorm2d.evaluate', name, x.shape, [x, running_mean, running_var, weight, bias], { eps }) };
    }
    const channels = x.shape[x.shape.length - 1];
    if (elements(x.shape) === channels) {
      const where = `batchNorm2d "${name}"`;
      throw fail('graph', where, 'more than one value per channel when training', text(x.shape), 'Use a larger batch or a larger image.');
    }
    const mean = program.emit('batchNorm2d.mean', `${name}:mean`, [2, channels], [x]);
    const variance = program.emit('batchNorm2d.variance', `${name}:variance`, [channels], [x, mean]);
    const count = elements(x.shape) / channels;
    program.update('batchNorm2d.runningMean', running_mean, [running_mean, mean], { momentum });
    program.update('batchNorm2d.runningVariance', running_var, [running_var, variance], { momentum, count });
    return { output: program.emit('batchNorm2d', name, x.shape, [x, mean, variance, weight, bias], { eps }), saved: { mean, variance } };
  },
  gradient: (program, { name, attributes: { eps }, inputs: [x], parameters, mode, saved, outputGradient: dy, needs }) => {
    const { weight: w, running_mean, running_var } = parameters;
    const trained = mode === 'train';
    const direction = trained ? 'batchNorm2d' : 'batchNorm2d.evaluate';
    const mean = trained ? saved.mean : running_mean;
    const variance = trained ? saved.variance : running_var;
    const weight = program.emit(`${direction}.weightGradient`, `${name}:dweight`, w.shape, [x, dy, mean, variance], { eps });
    const bias = program.emit('batchNorm2d.biasGradient', `${name}:dbias`, w.shape, [dy]);
    const inputs = trained ? [x, dy, mean, variance, w, weight, bias] : [dy, variance, w];
    const dx = needs[0] ? program.emit(`${direction}.inputGradient`, `${name}:dx`, x.shape, inputs, { eps }) : undefined;
    return { inputs: [dx], parameters: { weight, bias } };
  },
};
