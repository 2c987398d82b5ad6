/**
 * Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3), in PyTorch's convention:
 *   s_c = k + alpha / size * sum of x_j^2 over the window of `size` channels around c,   y_c = x_c * s_c^-beta
 * The paper does not divide alpha by size: its alpha = 1e-4 with n = 5 is `alpha: 5e-4` here.
 * Shapes: [N,H,W,C] to the same; anything with the channels last.
 */
import { z } from 'zod';
import type { Op } from './op.ts';

const attributes = z.strictObject({
  size: z.number().int().min(1),
  alpha: z.number().min(0).default(1e-4),
  beta: z.number().default(0.75),
  k: z.number().positive().default(1),
});

export const localResponseNorm: Op<z.infer<typeof attributes>> = {
  name: 'localResponseNorm',
  attributes,
  inputs: ['x'],
  shape: (_, [x]) => x,
  forward: (program, { name, attributes: { size, alpha, beta, k }, inputs: [x] }) => {
    const scale = program.emit('localResponseNorm.scale', `${name}:scale`, x.shape, [x], { size, alpha, k });
    return { output: program.emit('localResponseNorm', name, x.shape, [x, scale], { beta }), saved: { scale } };
  },
  gradient: (program, { name, attributes: { size, alpha, beta }, inputs: [x], output, saved: { scale }, outputGradient, needs }) => {
    if (!needs[0]) return { inputs: [undefined], parameters: {} };
    const inputs = [x, output, scale, outputGradient];
    return {
      inputs: [program.emit('localResponseNorm.inputGradient', `${name}:dx`, x.shape, inputs, { size, alpha, beta })],
      parameters: {},
    };
  },
};
