import type { Graph } from '../graph/graph.ts';
import { imageInput } from '../graph/structure.ts';
import { type Plan, type PlanOptions, planFor } from '../plan/plan.ts';
import { editsLength, editsName, quantilesLength, quantilesName } from '../program/edits.ts';
import type { TensorEntry } from '../program/program.ts';
import type { Shape } from '../shape.ts';
import type { Conversion } from './batchEdits.ts';
import type { CompileOptions, Mode } from './compileOptions.ts';
import type { ModelMemory } from './modelMemory.ts';
import { modelProgram } from './modelProgram.ts';
import { explainShortage } from './shortage.ts';

/** The plans of one model's passes. They are made when they are first needed. */
export class ModelPlans {
  /** Of the tensor that they leave. */
  logits = '';
  readonly #plain = new Map<Mode, Promise<Plan>>();
  readonly #edited = new Map<string, Promise<Plan>>();

  constructor(
    readonly graph: Graph,
    readonly memory: ModelMemory,
    readonly options: CompileOptions,
    /** How kernels are chosen. */
    readonly lowering: Partial<PlanOptions>,
  ) {}

  /** Each with memory of its own: not those for edited images, which share it. */
  get all(): Promise<Plan>[] {
    return [...this.#plain.values()];
  }

  plain(mode: Mode): Promise<Plan> {
    let plan = this.#plain.get(mode);
    if (!plan) {
      // one after the other: all take their activations from the same pool
      plan = Promise.all(this.all).then(() => this.#make(mode));
      this.#plain.set(mode, plan);
    }
    return plan;
  }

  /**
   * The same with another conversion of the images' bytes to floats, for batches whose images are changed on the device: a row of edits an
   * image besides.
   */
  converting(mode: Mode, conversion: Conversion): Promise<Plan> {
    if (conversion === 'toFloat') return this.plain(mode);
    const key = `${mode} ${conversion}`;
    let plan = this.#edited.get(key);
    if (!plan) {
      plan = this.plain(mode).then(made => {
        const node = made.program.nodes.find(({ output }) => output === imageInput)!;
        const added = [input(editsName, [this.options.batch, editsLength(this.graph.input[2])])];
        if (conversion === 'toFloat.adjusted') added.push(input(quantilesName, [quantilesLength]));
        return made.replacing({ ...node, primitive: conversion, inputs: [...node.inputs, ...added.map(({ name }) => name)] }, added);
      });
      this.#edited.set(key, plan);
    }
    return plan;
  }

  async #make(mode: Mode): Promise<Plan> {
    const { graph, memory, options, lowering } = this;
    const { device } = options;
    const { program, keep, logits } = modelProgram(graph, options.batch, mode, options);
    this.logits = logits;
    const { placed, pool } = memory;
    try {
      if (mode === 'train') memory.addGradients(program.gradients);
      return await planFor(program, { device, placed, keep, pool, ...lowering });
    } catch (error) {
      throw await explainShortage(error, graph, options, lowering);
    }
  }

  /** When no plan is being made any more. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#plain.values(), ...this.#edited.values()]);
  }
}

const input = (name: string, shape: Shape): TensorEntry => ({ name, kind: 'input', shape, dtype: 'f32' });
