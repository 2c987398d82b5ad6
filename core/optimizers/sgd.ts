/**
 * Stochastic gradient descent as PyTorch's SGD (Sutskever et al. 2013 with the learning rate outside the momentum):
 *
 *   g = gradient + weightDecay · p
 *   b = momentum · b + (1 - dampening) · g,  at the first step b = g
 *   p = p - lr · g | lr · b | lr · (g + momentum · b)        without momentum | with | Nesterov
 */
import { fail } from '../errors.ts';
import type { Kernel, KernelFunction, KernelThis } from '../kernels/kernel.ts';
import { traffic } from '../ops/attributes.ts';
import { registerPrimitive } from '../ops/registry.ts';
import { hyperSlot } from '../program/hyper.ts';
import { elements } from '../shape.ts';
import { checkLearningRate, type LearningRate } from './learningRate.ts';
import { checkOption, keep, type Optimizer } from './optimizer.ts';

export interface SgdOptions {
  lr: LearningRate;
  momentum?: number;
  dampening?: number;
  nesterov?: boolean;
  weightDecay?: number;
}

export function sgd({ lr, momentum = 0, dampening = 0, nesterov = false, weightDecay = 0 }: SgdOptions): Optimizer {
  checkLearningRate(lr, 'sgd');
  checkOption('sgd', 'momentum', momentum, 0, 1);
  checkOption('sgd', 'dampening', dampening, 0, Number.POSITIVE_INFINITY);
  checkOption('sgd', 'weightDecay', weightDecay, 0, Number.POSITIVE_INFINITY);
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    const got = `momentum ${momentum} and dampening ${dampening}`;
    throw fail('usage', 'sgd', 'momentum above 0 and no dampening with nesterov', got, 'Set momentum: 0.9, or leave nesterov out.');
  }
  return {
    name: 'sgd',
    lr,
    state: momentum > 0 ? ['momentum'] : [],
    build(program, { parameter, gradient, hyper, decays = true }) {
      program.segment = 'update';
      const decay = decays ? weightDecay : 0;
      if (momentum === 0) {
        program.update('sgd', parameter, [parameter, gradient, hyper], { weightDecay: decay });
        return;
      }
      const buffer = keep(program, parameter, 'momentum');
      program.update('sgd.momentum', buffer, [buffer, parameter, gradient, hyper], { momentum, dampening, weightDecay: decay });
      if (nesterov) program.update('sgd.nesterov', parameter, [parameter, buffer, gradient, hyper], { momentum, weightDecay: decay });
      else program.update('sgd.step', parameter, [parameter, buffer, hyper]);
    },
  };
}

/** Without momentum. */
function descend(this: KernelThis, p: Float32Array, gradient: Float32Array, hyper: Float32Array): number {
  const g = gradient[this.thread.x] * hyper[this.constants.inverseLossScale] + this.constants.weightDecay * p[this.thread.x];
  return p[this.thread.x] - hyper[this.constants.lr] * g;
}

/** The next momentum buffer b. */
function accumulate(this: KernelThis, b: Float32Array, p: Float32Array, gradient: Float32Array, hyper: Float32Array): number {
  const g = gradient[this.thread.x] * hyper[this.constants.inverseLossScale] + this.constants.weightDecay * p[this.thread.x];
  return hyper[this.constants.step] < 0.5 ? g : this.constants.momentum * b[this.thread.x] + this.constants.share * g;
}

/** With momentum. */
function follow(this: KernelThis, p: Float32Array, b: Float32Array, hyper: Float32Array): number {
  return p[this.thread.x] - hyper[this.constants.lr] * b[this.thread.x];
}

/** With Nesterov's momentum. */
function lookAhead(this: KernelThis, p: Float32Array, b: Float32Array, gradient: Float32Array, hyper: Float32Array): number {
  const g = gradient[this.thread.x] * hyper[this.constants.inverseLossScale] + this.constants.weightDecay * p[this.thread.x];
  return p[this.thread.x] - hyper[this.constants.lr] * (g + this.constants.momentum * b[this.thread.x]);
}

type Rule = { momentum?: number; dampening?: number; weightDecay?: number };
/** `inout` is the first argument; the inputs of each are those of its function. */
const rules: readonly { name: string; run: KernelFunction; inout: string; flops: number }[] = [
  { name: 'sgd', run: descend, inout: 'p', flops: 5 },
  { name: 'sgd.momentum', run: accumulate, inout: 'b', flops: 6 },
  { name: 'sgd.step', run: follow, inout: 'p', flops: 2 },
  { name: 'sgd.nesterov', run: lookAhead, inout: 'p', flops: 7 },
];
for (const { name, run, inout, flops } of rules) {
  registerPrimitive<Rule>({
    name,
    inPlace: 0,
    cost: (_, inputs, output) => traffic(flops * elements(output), inputs, output),
    lower({ attributes: { momentum = 0, dampening = 0, weightDecay = 0 }, inputs, output }) {
      const { lr, step, inverseLossScale } = hyperSlot;
      const kernel: Kernel = {
        name,
        run,
        threads: [elements(output.shape)],
        integers: { lr, step, inverseLossScale },
        floats: { momentum, share: 1 - dampening, weightDecay },
        inout,
      };
      return [{ kernel, inputs: inputs.map(tensor => tensor.name), output: output.name }];
    },
  });
}
