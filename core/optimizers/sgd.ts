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
import type { Tensor } from '../ops/op.ts';
import { registerPrimitive } from '../ops/registry.ts';
import { hyperSlot } from '../program/hyper.ts';
import { elements } from '../shape.ts';
import { checkLearningRate, type LearningRate } from './learningRate.ts';
import { checkOption, keep, type Optimizer } from './optimizer.ts';
import { updateWasm } from './wasm.ts';
import { slots, updateWgsl } from './wgsl.ts';

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
      const rule = { momentum, dampening, weightDecay: decay, nesterov };
      program.update('sgd.momentum', parameter, [parameter, buffer, gradient, hyper], rule, [buffer]);
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

type Plain = { weightDecay: number };
type Momentum = { momentum: number; dampening: number; weightDecay: number; nesterov: boolean };

const { lr, step, inverseLossScale } = hyperSlot;
/** A kernel that overwrites its first argument. */
const kernel = (name: string, run: KernelFunction, inout: string, { shape }: Tensor, floats: Record<string, number>): Kernel => ({
  name,
  run,
  threads: [elements(shape)],
  integers: { lr, step, inverseLossScale },
  floats,
  inout,
});

/** parameter, gradient, hyper → parameter. */
registerPrimitive<Plain>({
  name: 'sgd',
  inPlace: 0,
  cost: (_, inputs, output) => traffic(5 * elements(output), inputs, output),
  lower({ attributes: { weightDecay }, inputs, output }) {
    const run = kernel('sgd', descend, 'p', output, { weightDecay });
    return [{ kernel: run, inputs: inputs.map(tensor => tensor.name), output: output.name }];
  },
  variants: [
    updateWasm('sgd', 'sgd', 0, ({ weightDecay }) => [weightDecay]),
    updateWgsl('sgd', [], ({ weightDecay }) => [`let value = p - ${slots.lr} * (raw + ${weightDecay} * p);`]),
  ],
});
/** parameter, momentum buffer, gradient, hyper → parameter; the buffer is overwritten, too. */
registerPrimitive<Momentum>({
  name: 'sgd.momentum',
  inPlace: 0,
  cost: (_, inputs, output) => traffic(8 * elements(output), [...inputs, output], output),
  lower({ attributes: { momentum, dampening, weightDecay, nesterov }, inputs: [p, b, gradient, hyper], output }) {
    const accumulated = kernel('sgd.accumulate', accumulate, 'b', b, { momentum, share: 1 - dampening, weightDecay });
    const moved = nesterov
      ? {
          kernel: kernel('sgd.nesterov', lookAhead, 'p', p, { momentum, weightDecay }),
          inputs: [p.name, b.name, gradient.name, hyper.name],
        }
      : { kernel: kernel('sgd.momentum', follow, 'p', p, {}), inputs: [p.name, b.name, hyper.name] };
    return [
      { kernel: accumulated, inputs: [b.name, p.name, gradient.name, hyper.name], output: b.name },
      { ...moved, output: output.name },
    ];
  },
  variants: [
    updateWasm('sgd.momentum', 'sgdMomentum', 1, ({ momentum, dampening, weightDecay, nesterov }) => [
      momentum,
      1 - dampening,
      weightDecay,
      nesterov ? 1 : 0,
    ]),
    updateWgsl('sgd.momentum', ['b'], ({ momentum, dampening, weightDecay, nesterov }) => [
      `let g = raw + ${weightDecay} * p;`,
      `let next = select(${momentum} * b[at] + ${1 - dampening} * g, g, ${slots.step} < 0.5);`,
      'b[at] = next;',
      `let value = p - ${slots.lr} * ${nesterov ? `(g + ${momentum} * next)` : 'next'};`,
    ]),
  ],
});
