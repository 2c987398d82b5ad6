/**
 * Cross entropy of a softmax with label smoothing (Szegedy et al. 2016, section 7), as PyTorch's cross_entropy with
 * reduction 'mean', and with it the hits. N samples of C logits z, target t, smoothing e:
 *
 *   loss_n = log Σ_j exp z_j - (1 - e) z_t - e / C · Σ_j z_j         loss = Σ loss_n / samples
 *   dz_j   = (exp z_j / Σ_i exp z_i - (1 - e) [j = t] - e / C) / samples
 *
 * A mixed sample with a second target u of weight w has (1 - w) z_t + w z_u in place of z_t, and likewise in its gradient.
 *
 * Every term is taken relative to the row's largest logit, so that nothing overflows. A sample with a negative target counts
 * nowhere. NaN or infinity among a sample's logits, or a target without a logit, gives a loss that is not finite.
 */
import { fail, show } from '../errors.ts';
import type { Kernel, KernelThis, Quad } from '../kernels/kernel.ts';
import { traffic } from '../ops/attributes.ts';
import { registerPrimitive } from '../ops/registry.ts';
import { rowLargest, rowSum } from '../ops/softmax.ts';
import { rowsWasm } from '../ops/variants/rowsWasm.ts';
import { crossEntropySamplesWgsl, rowLargestWgsl, rowSumWgsl } from '../ops/variants/wgsl/rows.ts';
import { hyperSlot } from '../program/hyper.ts';
import { elements, type Shape, text } from '../shape.ts';
import { type Loss, resultLength, resultSlot } from './loss.ts';

export interface CrossEntropyOptions {
  /** 0..1: this share of the target is spread evenly over all classes. */
  labelSmoothing?: number;
}

export function crossEntropy({ labelSmoothing = 0 }: CrossEntropyOptions = {}): Loss {
  const where = 'crossEntropy';
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw fail('usage', where, 'labelSmoothing from 0 to 1', show(labelSmoothing), 'Common values are 0 and 0.1.');
  }
  return {
    name: 'crossEntropy',
    takesMixed: true,
    build(program, { logits, targets, mixed, hyper, train }) {
      if (logits.shape.length !== 2) {
        throw fail('graph', where, 'logits of shape [N,classes]', text(logits.shape), 'End the graph with a linear layer after a flatten.');
      }
      const N = logits.shape[0];
      if (elements(targets.shape) !== N) {
        throw fail(
          'graph',
          where,
          `${N} targets, one a row of the logits ${text(logits.shape)}`,
          text(targets.shape),
          'Use one batch size for both.',
        );
      }
      program.segment = 'forward';
      program.node = 'loss';
      const largest = program.emit('crossEntropy.largest', 'loss:largest', [N], [logits]);
      const sum = program.emit('crossEntropy.sum', 'loss:sum', [N], [logits, largest]);
      const hard = program.emit('crossEntropy.samples', 'loss:samples', [4, N], [logits, targets, largest, sum], { labelSmoothing });
      const both = mixed && [targets, mixed.targets, mixed.weights];
      const samples = both
        ? program.emit('crossEntropy.mixedSamples', 'loss:mixedSamples', [4, N], [hard, logits, ...both], { labelSmoothing })
        : hard;
      const result = program.emit('crossEntropy', 'loss', [resultLength], [samples], {}, 'result');
      if (!train) return { result };
      program.segment = 'backward';
      const inputs = [logits, targets, largest, sum, result, hyper];
      const gradient = program.emit('crossEntropy.gradient', 'loss:dlogits', logits.shape, inputs, { labelSmoothing });
      if (!both) return { result, gradient };
      const mixedInputs = [gradient, ...both, result, hyper];
      const mixedGradient = program.emit('crossEntropy.mixedGradient', 'loss:mixedDlogits', logits.shape, mixedInputs, { labelSmoothing });
      return { result, gradient: mixedGradient };
    },
  };
}

/**
 * Four rows for sample x: its loss, whether the target is first, whether it is among the first five, whether it counts.
 * Of equal logits the lower index is first. A logit that compares with nothing (NaN) stands before the target, also the
 * target's own: then it is no hit, even with fewer than five classes (`five` is at most C).
 */
function judge(this: KernelThis, logits: Float32Array, targets: Float32Array, largest: Float32Array, sum: Float32Array): Quad {
  const target = targets[this.thread.x];
  let own = 0.0;
  let found = 0.0;
  let spread = 0.0;
  for (let j = 0; j < this.constants.C; j++) {
    const logit = logits[this.thread.x * this.constants.C + j];
    own += target === j ? logit : 0.0;
    found += target === j ? 1.0 : 0.0;
    spread += largest[this.thread.x] - logit;
  }
  let ahead = 0.0;
  for (let j = 0; j < this.constants.C; j++) {
    const logit = logits[this.thread.x * this.constants.C + j];
    ahead += logit < own || (logit === own && j >= target) ? 0.0 : 1.0;
  }
  const counts = target < 0.0 ? 0.0 : 1.0;
  // found is 1, or 0 for a target without a logit, which must not pass as a loss
  const hard = (largest[this.thread.x] - own) / found;
  const loss = Math.log(sum[this.thread.x]) + this.constants.confidence * hard + this.constants.smoothing * spread;
  return [target < 0.0 ? 0.0 : loss, ahead < 1.0 ? counts : 0.0, ahead < this.constants.five ? counts : 0.0, counts];
}

/** Element x of the result: the sum of row x, for the loss divided by the number of samples. */
function total(this: KernelThis, samples: Float32Array): number {
  let sum = 0.0;
  let counted = 0.0;
  for (let n = 0; n < this.constants.N; n++) {
    sum += samples[this.thread.x * this.constants.N + n];
    counted += samples[this.constants.counts * this.constants.N + n];
  }
  return this.thread.x < 1 ? sum / Math.max(counted, 1.0) : sum;
}

/** x is the class, y the sample. */
function gradient(
  this: KernelThis,
  logits: Float32Array,
  targets: Float32Array,
  largest: Float32Array,
  sum: Float32Array,
  result: Float32Array,
  hyper: Float32Array,
): number {
  const at = this.thread.y * this.constants.C + this.thread.x;
  const share = Math.exp(logits[at] - largest[this.thread.y]) / sum[this.thread.y];
  const wanted = (targets[this.thread.y] === this.thread.x ? this.constants.confidence : 0.0) + this.constants.smoothing;
  const scale = hyper[this.constants.lossScale] / Math.max(result[this.constants.counts], 1.0);
  return targets[this.thread.y] < 0.0 ? 0.0 : (share - wanted) * scale;
}

/** Rows as `judge` leaves them, the loss of row 0 with the second target's share of it. */
function mixedSample(
  this: KernelThis,
  samples: Float32Array,
  logits: Float32Array,
  targets: Float32Array,
  seconds: Float32Array,
  shares: Float32Array,
): number {
  const first = targets[this.thread.x];
  const second = seconds[this.thread.x];
  let own = 0.0;
  let other = 0.0;
  let found = 0.0;
  for (let j = 0; j < this.constants.C; j++) {
    const logit = logits[this.thread.x * this.constants.C + j];
    own += first === j ? logit : 0.0;
    other += second === j ? logit : 0.0;
    found += second === j ? 1.0 : 0.0;
  }
  const value = samples[this.thread.y * this.constants.N + this.thread.x];
  const more = (this.constants.confidence * shares[this.thread.x] * (own - other)) / found;
  return this.thread.y < 1 && first >= 0.0 ? value + more : value;
}

/** x is the class, y the sample. */
function mixedGradient(
  this: KernelThis,
  gradients: Float32Array,
  targets: Float32Array,
  seconds: Float32Array,
  shares: Float32Array,
  result: Float32Array,
  hyper: Float32Array,
): number {
  const value = gradients[this.thread.y * this.constants.C + this.thread.x];
  const first = targets[this.thread.y];
  const moved = (first === this.thread.x ? 1.0 : 0.0) - (seconds[this.thread.y] === this.thread.x ? 1.0 : 0.0);
  const scale = hyper[this.constants.lossScale] / Math.max(result[this.constants.counts], 1.0);
  return first < 0.0 ? value : value + this.constants.confidence * shares[this.thread.y] * moved * scale;
}

type Smoothing = { labelSmoothing: number };
const weights = ({ labelSmoothing }: Smoothing, C: number) => ({ confidence: 1 - labelSmoothing, smoothing: labelSmoothing / C });
const samplesOf = ([logits]: readonly Shape[]): number => logits[0];

/** logits → [N]. */
registerPrimitive({
  name: 'crossEntropy.largest',
  cost: (_, inputs, largest) => traffic(elements(inputs[0]), inputs, largest),
  lower({ inputs: [logits], output }) {
    const [N, C] = logits.shape;
    const kernel: Kernel = { name: 'crossEntropy.largest', run: rowLargest, threads: [N], integers: { C } };
    return [{ kernel, inputs: [logits.name], output: output.name }];
  },
  variants: [
    rowLargestWgsl('crossEntropy.largest'),
    rowsWasm('crossEntropy.largest', 'rowLargest', samplesOf, (_, [logits]) => [logits[1]]),
  ],
});
/** logits, largest → [N]. */
registerPrimitive({
  name: 'crossEntropy.sum',
  cost: (_, inputs, sum) => traffic(3 * elements(inputs[0]), inputs, sum),
  lower({ inputs: [logits, largest], output }) {
    const [N, C] = logits.shape;
    const kernel: Kernel = { name: 'crossEntropy.sum', run: rowSum, threads: [N], integers: { C } };
    return [{ kernel, inputs: [logits.name, largest.name], output: output.name }];
  },
  variants: [rowSumWgsl('crossEntropy.sum'), rowsWasm('crossEntropy.sum', 'rowSum', samplesOf, (_, [logits]) => [logits[1]])],
});
/** logits, targets, largest, sum → [4,N]. */
registerPrimitive<Smoothing>({
  name: 'crossEntropy.samples',
  cost: (_, inputs, samples) => traffic(4 * elements(inputs[0]), inputs, samples),
  lower({ attributes, inputs, output }) {
    const [N, C] = inputs[0].shape;
    const floats = { ...weights(attributes, C), five: Math.min(5, C) };
    const kernel: Kernel = { name: 'crossEntropy.samples', run: judge, threads: [N, 1], rows: 4, integers: { C }, floats };
    return [{ kernel, inputs: inputs.map(tensor => tensor.name), output: output.name }];
  },
  variants: [
    crossEntropySamplesWgsl,
    rowsWasm('crossEntropy.samples', 'judge', samplesOf, (attributes, [[N, C]]) => {
      const { confidence, smoothing } = weights(attributes, C);
      return [N, C, confidence, smoothing, Math.min(5, C)];
    }),
  ],
});
/** samples [4,N] → result [4]. */
registerPrimitive({
  name: 'crossEntropy',
  cost: (_, inputs, result) => traffic(elements(inputs[0]), inputs, result),
  lower({ inputs: [samples], output }) {
    const integers = { N: samples.shape[1], counts: resultSlot.samples };
    const kernel: Kernel = { name: 'crossEntropy', run: total, threads: [resultLength], integers };
    return [{ kernel, inputs: [samples.name], output: output.name }];
  },
});
/** logits, targets, largest, sum, result, hyper → [N,C]. */
registerPrimitive<Smoothing>({
  name: 'crossEntropy.gradient',
  cost: (_, inputs, dlogits) => traffic(5 * elements(dlogits), inputs, dlogits),
  lower({ attributes, inputs, output }) {
    const [N, C] = output.shape;
    const integers = { C, counts: resultSlot.samples, lossScale: hyperSlot.lossScale };
    const kernel: Kernel = { name: 'crossEntropy.gradient', run: gradient, threads: [C, N], integers, floats: weights(attributes, C) };
    return [{ kernel, inputs: inputs.map(tensor => tensor.name), output: output.name }];
  },
  variants: [
    rowsWasm('crossEntropy.gradient', 'crossEntropyGradient', samplesOf, (attributes, [[, C]]) => {
      const { confidence, smoothing } = weights(attributes, C);
      return [C, confidence, smoothing];
    }),
  ],
});
/** samples [4,N], logits, targets, second targets, their weights → [4,N]. */
registerPrimitive<Smoothing>({
  name: 'crossEntropy.mixedSamples',
  cost: (_, inputs, samples) => traffic(elements(inputs[1]), inputs, samples),
  lower({ attributes, inputs, output }) {
    const [N, C] = inputs[1].shape;
    const floats = { confidence: 1 - attributes.labelSmoothing };
    const kernel: Kernel = { name: 'crossEntropy.mixedSamples', run: mixedSample, threads: [N, 4], integers: { N, C }, floats };
    return [{ kernel, inputs: inputs.map(tensor => tensor.name), output: output.name }];
  },
});
/** dlogits, targets, second targets, their weights, result, hyper → [N,C]. */
registerPrimitive<Smoothing>({
  name: 'crossEntropy.mixedGradient',
  cost: (_, inputs, dlogits) => traffic(3 * elements(dlogits), inputs, dlogits),
  lower({ attributes, inputs, output }) {
    const [N, C] = output.shape;
    const integers = { C, counts: resultSlot.samples, lossScale: hyperSlot.lossScale };
    const floats = { confidence: 1 - attributes.labelSmoothing };
    const kernel: Kernel = { name: 'crossEntropy.mixedGradient', run: mixedGradient, threads: [C, N], integers, floats };
    return [{ kernel, inputs: inputs.map(tensor => tensor.name), output: output.name }];
  },
});
