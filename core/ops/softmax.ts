/** Softmax over the last axis: y_j = exp(x_j - max x) / sum_i exp(x_i - max x). Any shape with at least one axis. */
import { z } from 'zod';
import type { Op } from './op.ts';

const attributes = z.strictObject({});

export const softmax: Op<z.infer<typeof attributes>> = {
  name: 'softmax',
  attributes,
  inputs: ['x'],
  shape: (_, [x]) => x,
  forward: (program, { name, inputs: [x] }) => ({ output: program.emit('softmax', name, x.shape, [x]) }),
  gradient: (program, { name, output, outputGradient, needs }) => ({
    inputs: [needs[0] ? program.emit('softmax.inputGradient', `${name}:dx`, output.shape, [output, outputGradient]) : undefined],
    parameters: {},
  }),
};
