import { elements, type Shape } from '../shape.ts';
import type { Graph } from './graph.ts';
import { infer } from './infer.ts';

export interface SummaryRow {
  readonly name: string;
  readonly op: string;
  /** For one image, without N: [height, width, channels] or [features]. */
  readonly output: Shape;
  readonly parameters: number;
  readonly macs: number;
}

/** How many numbers a graph trains: weights and biases, not running statistics. */
export function parameters(graph: Graph): number {
  return sum(summary(graph).map(row => row.parameters));
}

/** Multiply-accumulates of one image's forward pass, as papers count them: convolutions and linear layers only. */
export function macs(graph: Graph): number {
  return sum(summary(graph).map(row => row.macs));
}

/** One row a node, in the order in which they run. */
export function summary(graph: Graph): readonly SummaryRow[] {
  return infer(graph).nodes.map(node => ({
    name: node.name,
    op: node.op.name,
    output: node.output.slice(1),
    parameters: sum(node.parameters.filter(parameter => parameter.role === 'parameter').map(parameter => elements(parameter.shape))),
    macs: node.macs,
  }));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);
