/**
 * Adam (Kingma and Ba 2015) as PyTorch's Adam, with weight decay added to the gradient:
 *
 *   g = gradient + weightDecay · p,   m = beta1 · m + (1 - beta1) · g,   v = beta2 · v + (1 - beta2) · g²
 *   p = p - lr / (1 - beta1^t) · m / (sqrt(v) / sqrt(1 - beta2^t) + eps)        t = 1 at the first step
 *
 * The bias corrections are the host's, in f64 (`hyperSlot.stepSize`, `hyperSlot.momentFactor`).
 */
import { fail, show } from '../errors.ts';
import type { Kernel, KernelFunction, KernelThis } from '../kernels/kernel.ts';
import { traffic } from '../ops/attributes.ts';
import { registerPrimitive } from '../ops/registry.ts';
import { hyperSlot } from '../program/hyper.ts';
import { elements } from '../shape.ts';
import { checkLearningRate, type LearningRate } from './learningRate.ts';
import { checkOption, keep, type Optimizer } from './optimizer.ts';
import { updateWasm } from './wasm.ts';
import { slots, updateWgsl } from './wgsl.ts';

export interface AdamOptions {
  lr: LearningRate;
  /** How slowly the moments of the gradient move. */
  betas?: readonly [number, number];
  eps?: number;
  weightDecay?: number;
}

export function adam({ lr, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 }: AdamOptions): Optimizer {
  return adaptive('adam', { lr, betas, eps, weightDecay }, decay => ({ gradientDecay: decay, parameterDecay: 0 }));
}

/** Adam and AdamW, which differ in where the decay goes: into the gradient, or straight into the parameter. */
export function adaptive(
  name: string,
  { lr, betas, eps, weightDecay }: Required<AdamOptions>,
  place: (decay: number) => { gradientDecay: number; parameterDecay: number },
): Optimizer {
  checkLearningRate(lr, name);
  if (!Array.isArray(betas) || betas.length !== 2) throw fail('usage', name, 'two betas', show(betas), 'For instance betas: [0.9, 0.999].');
  const [beta1, beta2] = betas;
  checkOption(name, 'betas[0]', beta1, 0, 1);
  checkOption(name, 'betas[1]', beta2, 0, 1);
  checkOption(name, 'eps', eps, 0, Number.POSITIVE_INFINITY);
  checkOption(name, 'weightDecay', weightDecay, 0, Number.POSITIVE_INFINITY);
  return {
    name,
    lr,
    state: ['firstMoment', 'secondMoment'],
    build(program, { parameter, gradient, hyper, decays = true }) {
      program.segment = 'update';
      const { gradientDecay, parameterDecay } = place(decays ? weightDecay : 0);
      const first = keep(program, parameter, 'firstMoment');
      const second = keep(program, parameter, 'secondMoment');
      const rule = { beta1, beta2, eps, gradientDecay, parameterDecay };
      program.update('adam', parameter, [parameter, first, second, gradient, hyper], rule, [first, second]);
    },
    corrections: step => ({ first: 1 - beta1 ** (step + 1), second: 1 - beta2 ** (step + 1) }),
  };
}

function moveFirst(this: KernelThis, m: Float32Array, p: Float32Array, gradient: Float32Array, hyper: Float32Array): number {
  const g = gradient[this.thread.x] * hyper[this.constants.inverseLossScale] + this.constants.weightDecay * p[this.thread.x];
  return this.constants.beta * m[this.thread.x] + this.constants.share * g;
}

function moveSecond(this: KernelThis, v: Float32Array, p: Float32Array, gradient: Float32Array, hyper: Float32Array): number {
  const g = gradient[this.thread.x] * hyper[this.constants.inverseLossScale] + this.constants.weightDecay * p[this.thread.x];
  return this.constants.beta * v[this.thread.x] + this.constants.share * g * g;
}

/** `weightDecay` is AdamW's: p shrinks by lr · weightDecay before the step. */
function descend(this: KernelThis, p: Float32Array, m: Float32Array, v: Float32Array, hyper: Float32Array): number {
  const kept = p[this.thread.x] - hyper[this.constants.lr] * this.constants.weightDecay * p[this.thread.x];
  const deviation = Math.sqrt(v[this.thread.x]) * hyper[this.constants.momentFactor] + this.constants.eps;
  return kept - (hyper[this.constants.stepSize] * m[this.thread.x]) / deviation;
}

type Rule = { beta1: number; beta2: number; eps: number; gradientDecay: number; parameterDecay: number };

/** parameter, first moment, second moment, gradient, hyper → parameter; the moments are overwritten, too. */
registerPrimitive<Rule>({
  name: 'adam',
  inPlace: 0,
  cost: (_, inputs, output) => traffic(20 * elements(output), [...inputs, output, output], output),
  lower({ attributes: { beta1, beta2, eps, gradientDecay, parameterDecay }, inputs, output }) {
    const [p, m, v, gradient, hyper] = inputs.map(tensor => tensor.name);
    const { lr, inverseLossScale, stepSize, momentFactor } = hyperSlot;
    const kernel = (name: string, run: KernelFunction, inout: string, floats: Record<string, number>): Kernel => ({
      name,
      run,
      threads: [elements(output.shape)],
      integers: { lr, inverseLossScale, stepSize, momentFactor },
      floats,
      inout,
    });
    const first = kernel('adam.firstMoment', moveFirst, 'm', { beta: beta1, share: 1 - beta1, weightDecay: gradientDecay });
    const second = kernel('adam.secondMoment', moveSecond, 'v', { beta: beta2, share: 1 - beta2, weightDecay: gradientDecay });
    return [
      { kernel: first, inputs: [m, p, gradient, hyper], output: m },
      { kernel: second, inputs: [v, p, gradient, hyper], output: v },
      { kernel: kernel('adam', descend, 'p', { eps, weightDecay: parameterDecay }), inputs: [p, m, v, hyper], output: p },
    ];
  },
  variants: [
    updateWasm('adam', 'adam', 2, ({ beta1, beta2, eps, gradientDecay, parameterDecay }) => [
      beta1,
      1 - beta1,
      beta2,
      1 - beta2,
      eps,
      gradientDecay,
      parameterDecay,
    ]),
    updateWgsl('adam', ['m', 'v'], ({ beta1, beta2, eps, gradientDecay, parameterDecay }) => [
      `let g = raw + ${gradientDecay} * p;`,
      `let first = ${beta1} * m[at] + ${1 - beta1} * g;`,
      `let second = ${beta2} * v[at] + ${1 - beta2} * g * g;`,
      'm[at] = first;',
      'v[at] = second;',
      `let kept = p - ${slots.lr} * ${parameterDecay} * p;`,
      `let value = kept - (${slots.stepSize} * first) / (sqrt(second) * ${slots.momentFactor} + ${eps});`,
    ]),
  ],
});
