import { fail, show } from '../errors.ts';
import type { Tensor } from '../ops/op.ts';
import type { ProgramBuilder } from '../program/builder.ts';
import type { Corrections } from '../program/hyper.ts';
import type { TensorEntry } from '../program/program.ts';
import type { LearningRate } from './learningRate.ts';

/** One parameter to update. */
export interface Update {
  /** As declared in the program: what the optimizer keeps for it takes its shape and layout. */
  readonly parameter: TensorEntry;
  readonly gradient: Tensor;
  /** The step's numbers, `hyperTensor(program)`. */
  readonly hyper: Tensor;
  /** False exempts it from weight decay, as is done for biases and normalisation. True unless given. */
  readonly decays?: boolean;
}

/** A rule that moves parameters against their gradients, as PyTorch's optimizer of that name does. */
export interface Optimizer {
  readonly name: string;
  readonly lr: LearningRate;
  /** What it keeps for every parameter: tensor `PARAMETER:NAME` of kind 'optimizer', zero at first. */
  readonly state: readonly string[];
  /** Writes one parameter's update into segment 'update'. */
  build(program: ProgramBuilder, update: Update): void;
  /** What `fillHyper` needs besides the learning rate; `step` counts from 0. */
  corrections?(step: number): Corrections;
}

/** Declares what the optimizer keeps for a parameter. */
export function keep(program: ProgramBuilder, { name, shape, layout }: TensorEntry, state: string): Tensor {
  return program.declare(`${name}:${state}`, 'optimizer', shape, { layout, init: { kind: 'constant', value: 0 } });
}

/** Refuses an option outside [from, below). `where` names the optimizer. */
export function checkOption(where: string, option: string, value: number, from: number, below: number): void {
  if (typeof value === 'number' && value >= from && value < below) return;
  const range = below === Number.POSITIVE_INFINITY ? `a finite ${option} from ${from} up` : `${option} from ${from} to below ${below}`;
  throw fail('usage', where, range, show(value), `Change ${option}.`);
}
