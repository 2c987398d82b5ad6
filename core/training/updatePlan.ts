import type { Layout } from '../ops/op.ts';
import type { Optimizer } from '../optimizers/optimizer.ts';
import { type Plan, type PlanOptions, planFor } from '../plan/plan.ts';
import { ProgramBuilder } from '../program/builder.ts';
import { hyperLength, hyperName } from '../program/hyper.ts';
import type { Program } from '../program/program.ts';
import type { Shape } from '../shape.ts';

export interface UpdatePlan {
  readonly plan: Plan;
  /** The optimizer's tensors, `conv1.weight:momentum`. */
  readonly tensors: readonly { readonly name: string; readonly shape: Shape; readonly layout: Layout }[];
}

/** The optimizer's segment: one update per trained parameter, in the graph's order. */
export async function planUpdate(training: Program, optimizer: Optimizer, options: PlanOptions): Promise<UpdatePlan> {
  const builder = new ProgramBuilder();
  builder.segment = 'update';
  const hyper = builder.declare(hyperName, 'input', [hyperLength]);
  const tensors: UpdatePlan['tensors'][number][] = [];
  for (const [name, gradientName] of Object.entries(training.gradients)) {
    const entry = training.tensors[name]!;
    const { shape, layout = 'plain' } = entry;
    builder.declare(name, 'parameter', shape, { layout });
    const gradient = builder.declare(gradientName, 'gradient', shape);
    builder.node = name;
    optimizer.build(builder, { parameter: entry, gradient, hyper });
    for (const kept of optimizer.state) tensors.push({ name: `${name}:${kept}`, shape, layout });
  }
  return { plan: await planFor(builder.build(), options), tensors };
}
