import type { DeviceBuffer } from '../devices/device.ts';
import { fail } from '../errors.ts';
import type { Layout } from '../ops/op.ts';
import type { Optimizer } from '../optimizers/optimizer.ts';
import { type Plan, type PlanOptions, planFor } from '../plan/plan.ts';
import { ProgramBuilder } from '../program/builder.ts';
import { hyperLength, hyperName } from '../program/hyper.ts';
import { type Shape, same, text } from '../shape.ts';
import type { ModelMemory } from './modelMemory.ts';
import { type TensorData, torchShape } from './torchLayout.ts';

export interface UpdatePlan {
  readonly plan: Plan;
  /** The optimizer's tensors, `conv1.weight:momentum`. */
  readonly tensors: readonly { readonly name: string; readonly shape: Shape; readonly layout: Layout }[];
}

/**
 * The optimizer's segment: all trained parameters at once, as the flat tensors that they lie in (`flat.ts`). Only where the device
 * cannot bind them at once there are several.
 */
export async function planUpdate(memory: ModelMemory, optimizer: Optimizer, options: Omit<PlanOptions, 'placed'>): Promise<UpdatePlan> {
  const builder = new ProgramBuilder();
  builder.segment = 'update';
  const hyper = builder.declare(hyperName, 'input', [hyperLength]);
  const placed = new Map<string, DeviceBuffer>([[hyperName, memory.placed.get(hyperName)!]]);
  const kept = optimizer.state.map(state => memory.addFlat(`parameters:${state}`, name => `${name}:${state}`));
  for (const [i, { bytes, members }] of memory.ranges.entries()) {
    const name = memory.parameters[i]!.label;
    const shape = [bytes / 4];
    const parameter = builder.declare(name, 'parameter', shape);
    const gradient = builder.declare(`${name}:gradient`, 'gradient', shape);
    placed.set(parameter.name, memory.parameters[i]!);
    placed.set(gradient.name, memory.gradients[i]!);
    for (const [s, state] of optimizer.state.entries()) placed.set(`${name}:${state}`, kept[s]![i]!);
    builder.node = members.length === 1 ? members[0]!.name : `${members.length} parameters`;
    optimizer.build(builder, { parameter: builder.get(name), gradient, hyper });
  }
  const tensors = memory.ranges.flatMap(({ members }) =>
    members.flatMap(({ name, shape, layout }) => optimizer.state.map(state => ({ name: `${name}:${state}`, shape, layout }))),
  );
  return { plan: await planFor(builder.build(), { ...options, placed }), tensors };
}

/** That each of the optimizer's `tensors` is among what was saved, in its shape. */
export function checkOptimizerState(tensors: UpdatePlan['tensors'], state: ReadonlyMap<string, TensorData>): void {
  for (const { name, shape, layout } of tensors) {
    const [expected, got] = [torchShape(shape, layout), state.get(name)?.shape];
    if (got && same(got, expected)) continue;
    const fix = 'Resume with the optimizer and model that the state was saved with.';
    throw fail('data', `optimizer state "${name}"`, `shape ${text(expected)}`, got ? text(got) : 'nothing', fix);
  }
}
