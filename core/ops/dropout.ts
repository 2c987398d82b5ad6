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
 * A Feistel network on four words a, b, c, d of 12 bits (type 2 of Zheng, Matsumoto and Imai 1989) whose round function is
 * the middle of a square, as Widynski's squares generator has it (2020). The words start as the element and the node, the
 * keys are the step's. Every number is an integer below 2^24, so that f32 computes it exactly and all devices agree. Dividing
 * is not exact on every device, but multiplying by a power of two is: 0.000244140625 is 1/4096, 0.015625 is 1/64.
 */
function mask(this: KernelThis, x: Float32Array, hyper: Float32Array): number {
  const block = Math.floor(this.thread.x / 4096);
  const far = Math.floor(block / 4096);
  let a = this.thread.x - block * 4096;
  let b = block - far * 4096;
  let c = Math.floor(hyper[this.constants.maskLow] * 0.000244140625);
  let d = Math.floor(hyper[this.constants.maskHigh] * 0.000244140625);
  let key0 = hyper[this.constants.maskLow] - 4096.0 * c;
  let key1 = hyper[this.constants.maskHigh] - 4096.0 * d;
  c = c + this.constants.nodeLow + far;
  c = c - 4096.0 * Math.floor(c * 0.000244140625);
  d = d + this.constants.nodeHigh;
  d = d - 4096.0 * Math.floor(d * 0.000244140625);
  for (let round = 0; round < this.constants.rounds; round++) {
    let left = a + key0;
    left = left - 4096.0 * Math.floor(left * 0.000244140625);
    let right = c + key1;
    right = right - 4096.0 * Math.floor(right * 0.000244140625);
    const mixedB = b + left + Math.floor(left * left * 0.015625);
    const mixedD = d + right + Math.floor(right * right * 0.015625);
    b = c;
    d = a;
    a = mixedB - 4096.0 * Math.floor(mixedB * 0.000244140625);
    c = mixedD - 4096.0 * Math.floor(mixedD * 0.000244140625);
    key0 = key0 + 2531.0;
    key0 = key0 - 4096.0 * Math.floor(key0 * 0.000244140625);
    key1 = key1 + 3001.0;
    key1 = key1 - 4096.0 * Math.floor(key1 * 0.000244140625);
  }
  return a * 4096.0 + c < this.constants.threshold ? 0.0 : x[this.thread.x] * this.constants.factor;
}

/** What is drawn has 24 bits; below the threshold it is dropped. */
const threshold = (probability: number): number => Math.round(probability * 2 ** 24);
const words = (key: number): [low: number, high: number] => [key & 0xfff, key >>> 12];

const dropoutWasm = elementwiseWasm<{ probability: number; key: number }>('dropout', 'dropout', ({ probability, key }) => [
  hyperSlot.maskLow,
  hyperSlot.maskHigh,
  ...words(key),
  threshold(probability),
  1 / (1 - probability),
]);

registerPrimitive<{ probability: number; key: number }>({
  name: 'dropout',
  cost: (_, inputs, y) => traffic(320 * elements(y), inputs, y),
  lower({ attributes: { probability, key }, inputs: [x, hyper], output }) {
    const [nodeLow, nodeHigh] = words(key);
    const kernel: Kernel = {
      name: 'dropout',
      run: mask,
      threads: [elements(x.shape)],
      integers: { maskLow: hyperSlot.maskLow, maskHigh: hyperSlot.maskHigh, rounds: 10 },
      floats: {
        nodeLow,
        nodeHigh,
        threshold: threshold(probability),
        factor: 1 / (1 - probability),
      },
    };
    return [{ kernel, inputs: [x.name, hyper.name], output: output.name }];
  },
  variants: [dropoutWasm],
});
