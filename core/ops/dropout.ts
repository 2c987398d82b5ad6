/**
 * Dropout (Srivastava et al. 2014), inverted as in PyTorch: in training each element is zero with `probability` and
 * otherwise divided by 1 - probability; in evaluation the op is the identity and writes nothing into the program.
 */
import { z } from 'zod';
import { hyperTensor } from '../program/hyper.ts';
import { hash, purpose } from '../random.ts';
import type { Op } from './op.ts';

const attributes = z.strictObject({ probability: z.number().min(0).lt(1).default(0.5) });

/** The node's own stream of masks: 24 bits of a hash of its name. */
function nodeKey(name: string): number {
  return hash(purpose.dropout, ...Array.from(name, letter => letter.codePointAt(0)!)) & 0xffffff;
}

export const dropout: Op<z.infer<typeof attributes>> = {
  name: 'dropout',
  attributes,
  inputs: ['x'],
  shape: (_, [x]) => x,
  forward: (program, { name, attributes: { probability }, inputs: [x], mode }) => {
    if (mode === 'evaluate' || probability === 0) return { output: x };
    return { output: program.emit('dropout', name, x.shape, [x, hyperTensor(program)], { probability, key: nodeKey(name) }) };
  },
  // the same mask on the gradient, computed again instead of stored
  gradient: (program, { name, attributes: { probability }, outputGradient, mode, needs }) => {
    if (!needs[0]) return { inputs: [undefined], parameters: {} };
    if (mode === 'evaluate' || probability === 0) return { inputs: [outputGradient], parameters: {} };
    const masked = program.emit('dropout', `${name}:dx`, outputGradient.shape, [outputGradient, hyperTensor(program)], {
      probability,
      key: nodeKey(name),
    });
    return { inputs: [masked], parameters: {} };
  },
};
