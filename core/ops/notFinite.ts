/**
 * Counts numbers that are not finite: with loss scaling, gradients that overflowed must not reach the weights. The first stage
 * gives each of a fixed number of threads every so many elements; the second adds up what they found.
 */
import type { KernelThis } from '../kernels/kernel.ts';
import { elements } from '../shape.ts';
import { traffic } from './attributes.ts';
import { registerPrimitive } from './registry.ts';
import { notFiniteWgsl } from './variants/wgsl/notFinite.ts';

/** Partial counts of `notFinite`. */
export const notFiniteParts = 512;
/** Below the largest float, so that no compiler takes the comparison for always true. */
const largest = 3e38;

/** Of the elements x, x + parts, x + 2 parts, …: how many are NaN, infinite or above 3e38. */
function count(this: KernelThis, values: Float32Array): number {
  let found = 0.0;
  for (let i = 0; i < this.constants.length; i++) {
    const at = i * this.constants.parts + this.thread.x;
    if (at < this.constants.n) found += Math.abs(values[at]) < this.constants.largest ? 0.0 : 1.0;
  }
  return found;
}

function addUp(this: KernelThis, parts: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.parts; i++) sum += parts[i];
  return sum;
}

/** Values of any shape → [notFiniteParts]. */
registerPrimitive({
  name: 'notFinite',
  cost: (_, inputs, parts) => traffic(elements(inputs[0]), inputs, parts),
  lower({ inputs: [values], output }) {
    const n = elements(values.shape);
    const integers = { n, parts: notFiniteParts, length: Math.ceil(n / notFiniteParts) };
    const kernel = { name: 'notFinite', run: count, threads: [notFiniteParts] as const, integers, floats: { largest } };
    return [{ kernel, inputs: [values.name], output: output.name }];
  },
  variants: [notFiniteWgsl],
});
/** [notFiniteParts] → [1]. */
registerPrimitive({
  name: 'notFinite.total',
  cost: (_, inputs, total) => traffic(elements(inputs[0]), inputs, total),
  lower({ inputs: [parts], output }) {
    const kernel = { name: 'notFinite.total', run: addUp, threads: [1] as const, integers: { parts: notFiniteParts } };
    return [{ kernel, inputs: [parts.name], output: output.name }];
  },
});
