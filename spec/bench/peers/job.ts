import { infer } from '../../../core/graph/infer.ts';
import { type Graph, macs } from '../../../core/index.ts';
import type { Shape } from '../../../core/shape.ts';
import { model } from '../../../models/index.ts';

/** A layer with everything that a peer needs to write it in its own words. */
export interface JobNode {
  readonly name: string;
  readonly op: string;
  /** With defaults filled in. */
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: readonly string[];
  /** NHWC. */
  readonly inputShapes: readonly Shape[];
  readonly output: Shape;
  readonly parameters: readonly JobParameter[];
}
export interface JobParameter {
  readonly name: string;
  /** The op's: `weight`, `running_mean`. */
  readonly local: string;
  readonly role: 'parameter' | 'state';
  /** HWIO filters, [in,out] matrices. */
  readonly shape: Shape;
  readonly layout: 'filter' | 'matrix' | 'plain';
}

/** One training step that every contender runs: the same graph, batch, loss (cross entropy) and optimizer. */
export interface Job {
  readonly model: string;
  readonly size: number;
  readonly batch: number;
  readonly threads: number;
  readonly device: string;
  readonly classes: number;
  readonly input: Shape;
  readonly output: string;
  readonly nodes: readonly JobNode[];
  /** Of a whole step by the usual count: a multiply-accumulate is two, and a backward pass is twice a forward pass. */
  readonly flops: number;
  readonly graph: Graph;
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
}
export interface JobOptions {
  readonly model: string;
  readonly size: number;
  readonly batch: number;
  readonly threads: number;
  readonly device: string;
  readonly classes: number;
  readonly channels: number;
}

export function makeJob({ channels, ...options }: JobOptions): Job {
  const graph = model(options.model, { classes: options.classes, channels, size: options.size });
  const { nodes } = infer(graph, options.batch);
  return {
    ...options,
    input: [options.batch, ...graph.input],
    output: graph.output,
    nodes: nodes.map(({ name, op, attributes, inputs, inputShapes, output, parameters }) => ({
      name,
      op: op.name,
      attributes: attributes as JobNode['attributes'],
      inputs,
      inputShapes,
      output,
      parameters: parameters.map(({ name, local, role, shape, layout }) => ({ name, local, role, shape, layout })),
    })),
    flops: 6 * macs(graph) * options.batch,
    graph,
    lr: 1e-4,
    momentum: 0.9,
    weightDecay: 1e-4,
  };
}

/** Ever smaller jobs for contenders that would need minutes for a step: one image, then smaller ones, as far as the model goes. */
export function smallerJobs(options: JobOptions): Job[] {
  const found: Job[] = [];
  for (const part of [1, 2, 4, 8]) {
    const size = Math.floor(options.size / part);
    if (size < 28) break;
    try {
      found.push(makeJob({ ...options, batch: 1, size }));
    } catch {
      // too small for this model
      break;
    }
  }
  return found;
}
