/** Pieces that the ops' attribute schemas and shape rules are made of. */
import { z } from 'zod';
import { fail } from '../errors.ts';
import { elements, type Shape, text } from '../shape.ts';
import type { Cost, Initializer } from './op.ts';

/** One or more of something. */
export const count = z.number().int().min(1);
/** None or more of something. */
export const extent = z.number().int().min(0);
/** A window's [height, width]; one number stands for both. */
export const window2d = z
  .union([count, z.tuple([count, count])])
  .transform((size): readonly [number, number] => (typeof size === 'number' ? [size, size] : size));

const initializer: z.ZodType<Initializer> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant'), value: z.number() }),
  z.strictObject({ kind: z.literal('uniform'), bound: z.number().min(0) }),
  z.strictObject({ kind: z.literal('normal'), std: z.number().min(0) }),
]);
/** How a layer's weight and bias start, where PyTorch's default is not wanted. */
export const init = z.strictObject({ weight: initializer.optional(), bias: initializer.optional() }).optional();

/** PyTorch's default for convolutions and linear layers: kaiming_uniform(a = sqrt 5), which is uniform within 1/sqrt(fanIn). */
export const defaultInit = (fanIn: number): Initializer => ({ kind: 'uniform', bound: 1 / Math.sqrt(fanIn) });

/** The dimensions of an image batch [N,H,W,C], or an error that names `where`. */
export function image(shape: Shape, where: string): readonly [number, number, number, number] {
  if (shape.length !== 4) {
    throw fail('graph', where, 'an image batch [N,H,W,C]', text(shape), 'Move the node before the flatten, or feed it another node.');
  }
  return shape as readonly [number, number, number, number];
}

/** The error for a sliding window that finds no place in its input. */
export function windowTooLarge(where: string, window: readonly number[], padding: number, input: Shape): Error {
  const [, height, width] = input;
  return fail(
    'graph',
    where,
    `an input of at least ${window.join('x')} with its padding of ${padding} (dilation included)`,
    `${height}x${width} (input is ${text(input)})`,
    'Use a larger image, a smaller kernel, or more padding.',
  );
}

/** Four-byte operands that each cross memory once. */
export const traffic = (flops: number, inputs: readonly Shape[], output: Shape): Cost => ({
  flops,
  bytes: 4 * [...inputs, output].reduce((sum, shape) => sum + elements(shape), 0),
});
