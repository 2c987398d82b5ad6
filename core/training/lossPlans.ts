import type { Loss } from '../losses/loss.ts';
import { type Plan, type PlanOptions, planFor } from '../plan/plan.ts';
import { ProgramBuilder } from '../program/builder.ts';
import { hyperLength, hyperName } from '../program/hyper.ts';
import type { Program } from '../program/program.ts';
import type { Mode } from './compileOptions.ts';
import type { ModelMemory } from './modelMemory.ts';
import { lossGradient } from './modelProgram.ts';

export interface LossPlan {
  readonly plan: Plan;
  /** Name of the tensor with what the host reads. */
  readonly result: string;
}
/** What a loss is to work on. */
interface LossCase {
  readonly mode: Mode;
  /** Whether samples have second targets. */
  readonly mixed: boolean;
  readonly logits: string;
}

/** The plans of one model's losses, which lie between its forward and its backward pass. */
export class LossPlans {
  /** By what they run. */
  readonly #plans = new Map<string, Promise<LossPlan>>();
  /** By mode and whether batches are mixed. */
  readonly #known: Record<string, WeakMap<Loss, Promise<LossPlan>>> = {};

  constructor(
    readonly memory: ModelMemory,
    readonly batch: number,
    readonly options: Omit<PlanOptions, 'placed' | 'keep' | 'pool'>,
  ) {}

  get all(): Promise<LossPlan>[] {
    return [...this.#plans.values()];
  }

  /** Loss objects are made freely (one an epoch, say): what they write decides whether there is a plan already. */
  plan(loss: Loss, { mode, mixed, logits: name }: LossCase, main: Promise<Plan>): Promise<LossPlan> {
    this.#known[`${mode} ${mixed}`] ??= new WeakMap();
    const known = this.#known[`${mode} ${mixed}`]!;
    const found = known.get(loss);
    if (found) return found;
    const made = main.then(({ lowered }) => {
      const builder = new ProgramBuilder();
      const logits = builder.declare(name, 'activation', lowered.tensors.get(name)!.shape);
      const targets = builder.declare('targets', 'input', [this.batch]);
      const hyper = builder.declare(hyperName, 'input', [hyperLength]);
      const extra = (name: string) => builder.declare(name, 'input', [this.batch]);
      const second = mixed ? { targets: extra('mixedTargets'), weights: extra('mixedWeights') } : undefined;
      const { result, gradient } = loss.build(builder, { logits, targets, mixed: second, hyper, train: mode === 'train' });
      const program = builder.build();
      const key = JSON.stringify(program.nodes);
      let plan = this.#plans.get(key);
      if (!plan) {
        plan = this.#place(program, result.name, gradient?.name);
        this.#plans.set(key, plan);
      }
      return plan;
    });
    known.set(loss, made);
    return made;
  }

  async #place(program: Program, result: string, gradient: string | undefined): Promise<LossPlan> {
    const { memory } = this;
    const placed = new Map(memory.placed);
    if (gradient) placed.set(gradient, memory.bufferOf(lossGradient));
    try {
      return { plan: await planFor(program, { ...this.options, placed, pool: memory.addPool() }), result };
    } finally {
      // what is new is the model's now: targets, the result, whatever the loss keeps
      for (const [name, buffer] of placed) if (name !== gradient) memory.placed.set(name, buffer);
    }
  }
}
