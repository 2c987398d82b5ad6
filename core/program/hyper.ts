/**
 * Numbers that change every step live in one small input tensor, `hyper`, so that a new learning rate or step rebuilds
 * nothing: the host fills it before each pass and kernels read it.
 */
import type { Tensor } from '../ops/op.ts';
import { hash, purpose } from '../random.ts';
import type { ProgramBuilder } from './builder.ts';

export const hyperName = 'hyper';

/** Where each number stands. All are exact in f32 except the learning rate and Adam's factors, which are rounded once. */
export const hyperSlot = {
  /** Learning rate of this step. */
  lr: 0,
  /** Updates done before this one, since the optimizer's state began: 0 at the first. Exact up to 2^24. */
  step: 1,
  /** Low and high 24 bits of a hash of (seed, step): the stream of this step's dropout masks. */
  maskLow: 2,
  maskHigh: 4,
  /** Optimizers multiply gradients by it: 1 / lossScale. */
  inverseLossScale: 3,
  /** The loss's gradient is multiplied by it, a power of two, so that scaling back is exact. */
  lossScale: 5,
  /** Adam: lr / (1 - beta1^t), computed by the host in f64. */
  stepSize: 6,
  /** Adam: 1 / sqrt(1 - beta2^t). */
  momentFactor: 7,
} as const;
export const hyperLength = 8;

export interface HyperValues {
  lr: number;
  step: number;
  /** Any 32-bit integer. */
  seed: number;
  lossScale?: number;
  /** From `Optimizer.corrections(step)`. */
  corrections?: Corrections;
}

/** Bias corrections at one step, in f64. */
export interface Corrections {
  /** 1 - beta1^t */
  first: number;
  /** 1 - beta2^t */
  second: number;
}

/** Writes a step's numbers into the host's copy of the tensor; the caller sends it to the device once per step. */
export function fillHyper(
  target: Float32Array,
  { lr, step, seed, lossScale = 1, corrections = { first: 1, second: 1 } }: HyperValues,
): void {
  target[hyperSlot.lr] = lr;
  target[hyperSlot.step] = step;
  target[hyperSlot.maskLow] = hash(purpose.dropout, seed, step, 0) & 0xffffff;
  target[hyperSlot.maskHigh] = hash(purpose.dropout, seed, step, 1) & 0xffffff;
  target[hyperSlot.inverseLossScale] = 1 / lossScale;
  target[hyperSlot.lossScale] = lossScale;
  target[hyperSlot.stepSize] = lr / corrections.first;
  target[hyperSlot.momentFactor] = 1 / Math.sqrt(corrections.second);
}

/** The program's `hyper` tensor, declared at first use. */
export function hyperTensor(program: ProgramBuilder): Tensor {
  return program.has(hyperName) ? program.get(hyperName) : program.declare(hyperName, 'input', [hyperLength]);
}
