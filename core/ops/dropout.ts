/**
 * Dropout (Srivastava et al. 2014), inverted as in PyTorch: in training each element is zero with `probability` and
 * otherwise divided by 1 - probability; in evaluation the op is the identity and writes nothing into the program.
 *
 * The mask is a function of (seed, step, node, element) alone, the same on every device bit for bit, and computed again for
 * the gradient instead of stored.
 */
import { z } from 'zod';
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { hyperSlot, hyperTensor } from '../program/hyper.ts';
import { hash, purpose } from '../random.ts';
import { elements } from '../shape.ts';
import { traffic } from './attributes.ts';
import { registerOp, registerPrimitive } from './registry.ts';
import { elementwiseWasm } from './variants/elementwiseWasm.ts';

const attributes = z.strictObject({ probability: z.number().min(0).lt(1).default(0.5) });
export type DropoutAttributes = z.output<typeof attributes>;

export const dropout = registerOp<DropoutAttributes>({
  name: 'dropout',
  attributes,
  inputs: ['x'],
  shape: (_, [x]) => x,
  forward(program, { name, attributes: { probability }, inputs: [x], mode }) {
    if (mode === 'evaluate' || probability === 0) return { output: x };
    return { output: program.emit('dropout', name, x.shape, [x, hyperTensor(program)], { probability, key: nodeKey(name) }) };
  },
  gradient(program, { name, attributes: { probability }, outputGradient: dy, mode, needs }) {
    if (!needs[0]) return { inputs: [undefined], parameters: {} };
    if (mode === 'evaluate' || probability === 0) return { inputs: [dy], parameters: {} };
    const dx = program.emit('dropout', `${name}:dx`, dy.shape, [dy, hyperTensor(program)], { probability, key: nodeKey(name) });
    return { inputs: [dx], parameters: {} };
  },
});

/** The node's own stream of masks: 24 bits of a hash of its name. */
function nodeKey(name: string): number {
  return hash(purpose.dropout, ...Array.from(name, letter => letter.codePointAt(0)!)) & 0xffffff;
}

/**
 * A hash of 32-bit words, made of rounds  h ← halves of g(h + word) swapped,  g(x) = x · (2x + 1) mod 2^32: RC6's permutation
 * (Rivest, Robshaw, Sidney and Yin 1998), which multiplies and adds alone. Node and step make two keys in five rounds; keys
 * and half the element's index make two draws of 16 bits in four, for that element and its neighbour. Each word is kept as its upper and lower 16 bits, and products are made from bytes, so that every number is an integer
 * below 2^24, f32 computes it exactly and all devices agree. Dividing is not exact on every device, but multiplying by a power of
 * two is: 0.0000152587890625 is 1/65536, 0.00390625 is 1/256.
 */
function mask(this: KernelThis, x: Float32Array, hyper: Float32Array): number {
  const pair = Math.floor(this.thread.x / 2);
  const isSecond = this.thread.x - pair * 2;
  const pairUpper = Math.floor(pair / 65536);
  const pairLower = pair - pairUpper * 65536;
  const lowUpper = Math.floor(hyper[this.constants.maskLow] * 0.0000152587890625);
  const lowLower = hyper[this.constants.maskLow] - 65536.0 * lowUpper;
  const highUpper = Math.floor(hyper[this.constants.maskHigh] * 0.0000152587890625);
  const highLower = hyper[this.constants.maskHigh] - 65536.0 * highUpper;
  let upper = 40503.0;
  let lower = 31161.0;
  let firstUpper = 0.0;
  let firstLower = 0.0;
  let secondUpper = 0.0;
  let secondLower = 0.0;
  for (let round = 0; round < 9; round++) {
    let wordUpper = 0.0;
    let wordLower = 0.0;
    if (round === 0) {
      wordUpper = this.constants.nodeUpper;
      wordLower = this.constants.nodeLower;
    }
    if (round === 3) {
      firstUpper = upper;
      firstLower = lower;
    }
    if (round === 1 || round === 3) {
      wordUpper = lowUpper;
      wordLower = lowLower;
    }
    if (round === 2 || round === 4) {
      wordUpper = highUpper;
      wordLower = highLower;
    }
    if (round === 5) {
      secondUpper = upper;
      secondLower = lower;
      upper = firstUpper;
      lower = firstLower;
      wordUpper = pairUpper;
      wordLower = pairLower;
    }
    if (round === 6 || round === 8) {
      wordUpper = secondUpper;
      wordLower = secondLower;
    }
    if (round === 7) {
      wordUpper = firstUpper;
      wordLower = firstLower;
    }
    lower = lower + wordLower;
    const carried = Math.floor(lower * 0.0000152587890625);
    lower = lower - 65536.0 * carried;
    upper = upper + wordUpper + carried;
    upper = upper - 65536.0 * Math.floor(upper * 0.0000152587890625);
    // 2x + 1
    let twiceLower = 2.0 * lower + 1.0;
    const over = Math.floor(twiceLower * 0.0000152587890625);
    twiceLower = twiceLower - 65536.0 * over;
    let twiceUpper = 2.0 * upper + over;
    twiceUpper = twiceUpper - 65536.0 * Math.floor(twiceUpper * 0.0000152587890625);
    // the lower halves' product has 32 bits, of those with an upper half only the last 16 count
    const b = Math.floor(lower * 0.00390625);
    const a = lower - 256.0 * b;
    const d = Math.floor(upper * 0.00390625);
    const c = upper - 256.0 * d;
    const far = b * twiceLower;
    const farUpper = Math.floor(far * 0.00390625);
    const near = a * twiceLower + 256.0 * (far - 256.0 * farUpper);
    const nearUpper = Math.floor(near * 0.0000152587890625);
    const left = a * twiceUpper;
    const leftFar = b * twiceUpper;
    const right = c * twiceLower;
    const rightFar = d * twiceLower;
    let product = nearUpper + farUpper;
    product = product + (left - 65536.0 * Math.floor(left * 0.0000152587890625));
    product = product + 256.0 * (leftFar - 256.0 * Math.floor(leftFar * 0.00390625));
    product = product + (right - 65536.0 * Math.floor(right * 0.0000152587890625));
    product = product + 256.0 * (rightFar - 256.0 * Math.floor(rightFar * 0.00390625));
    upper = near - 65536.0 * nearUpper;
    lower = product - 65536.0 * Math.floor(product * 0.0000152587890625);
  }
  let drawn = upper;
  if (isSecond > 0) drawn = lower;
  return drawn < this.constants.threshold ? 0.0 : x[this.thread.x] * this.constants.factor;
}

/** What is drawn has 16 bits; below the threshold it is dropped. So probabilities are rounded to multiples of 1/65536. */
const threshold = (probability: number): number => Math.min(Math.round(probability * 2 ** 16), 2 ** 16 - 1);

const dropoutWasm = elementwiseWasm<{ probability: number; key: number }>('dropout', 'dropout', ({ probability, key }) => [
  hyperSlot.maskLow,
  hyperSlot.maskHigh,
  key,
  threshold(probability),
  1 / (1 - probability),
]);

registerPrimitive<{ probability: number; key: number }>({
  name: 'dropout',
  cost: (_, inputs, y) => traffic(500 * elements(y), inputs, y),
  lower({ attributes: { probability, key }, inputs: [x, hyper], output }) {
    const kernel: Kernel = {
      name: 'dropout',
      run: mask,
      threads: [elements(x.shape)],
      integers: { maskLow: hyperSlot.maskLow, maskHigh: hyperSlot.maskHigh },
      floats: {
        nodeUpper: key >>> 16,
        nodeLower: key & 0xffff,
        threshold: threshold(probability),
        factor: 1 / (1 - probability),
      },
    };
    return [{ kernel, inputs: [x.name, hyper.name], output: output.name }];
  },
  variants: [dropoutWasm],
});
