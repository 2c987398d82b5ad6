/** Rectifier: y = max(x, 0), elementwise on any shape. Source: Nair and Hinton 2010. */
import { z } from 'zod';
import type { Op } from './op.ts';

const attributes = z.strictObject({});

export const relu: Op<z.infer<typeof attributes>> = {
  name: 'relu',
  attributes,
  inputs: ['x'],
  shape: (_, [x]) => x,
  forward: (program, { name, inputs: [x] }) => ({ output: program.emit('relu', name, x.shape, [x]) }),
  // from the output, so that the input need not be kept: y > 0 exactly where x > 0
  gradient: (program, { name, output, outputGradient, needs }) => ({
    inputs: [needs[0] ? program.emit('relu.inputGradient', `${name}:dx`, output.shape, [output, outputGradient]) : undefined],
    parameters: {},
  }),
};
