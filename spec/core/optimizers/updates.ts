import type { Optimizer } from '../../../core/optimizers/index.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { fillHyper, hyperLength, hyperName, hyperTensor } from '../../../core/program/hyper.ts';
import { interpret, type Runner } from '../ops/run.ts';

export interface UpdateOptions {
  lr?: number;
  run?: Runner;
  lossScale?: number;
  decays?: boolean;
  /** Number of the first step, for a run that goes on; `state` is what the last one left. */
  from?: number;
  state?: Record<string, ArrayLike<number>>;
}

/** Updates one parameter with given gradients, a step each: its values after every step, and the optimizer's tensors. */
export async function updates(
  optimizer: Optimizer,
  start: ArrayLike<number>,
  gradients: readonly ArrayLike<number>[],
  options: UpdateOptions = {},
) {
  const { lr = optimizer.lr as number, run = interpret({ strict: true }), lossScale, decays, from = 0 } = options;
  const program = new ProgramBuilder();
  const parameter = program.declare('p', 'parameter', [start.length], { layout: 'plain' });
  const gradient = program.declare('dp', 'gradient', [start.length]);
  optimizer.build(program, { parameter: program.get(parameter.name), gradient, hyper: hyperTensor(program), decays });
  const built = program.build();
  const kept = Object.values(built.tensors).filter(({ kind }) => kind === 'optimizer');
  let values: Record<string, ArrayLike<number>> = { p: start };
  for (const { name, shape } of kept) values[name] = options.state?.[name] ?? new Float64Array(shape[0]);
  const after: number[][] = [];
  for (const [i, given] of gradients.entries()) {
    const hyper = new Float32Array(hyperLength);
    fillHyper(hyper, { lr, step: from + i, seed: 0, lossScale, corrections: optimizer.corrections?.(from + i) });
    values = await run(built, { ...values, dp: given, [hyperName]: hyper });
    after.push(Array.from(values.p));
  }
  return { after, program: built, state: Object.fromEntries(kept.map(({ name }) => [name, Array.from(values[name])])) };
}
