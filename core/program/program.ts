import type { Dtype, Initializer, Layout } from '../ops/op.ts';
import type { Shape } from '../shape.ts';

/**
 * A program is a training graph as plain data: tensors and, in three segments, the primitives that run on them in order.
 * It has names and numbers only (JSON in, JSON out); a plan gives it a device and memory.
 */
export type Segment = 'forward' | 'backward' | 'update';

export type TensorKind =
  | 'input' // written by the host before every pass: pixels, targets, hyperparameters
  | 'parameter'
  | 'state' // running statistics
  | 'optimizer' // momentum, Adam's moments
  | 'activation'
  | 'gradient'
  | 'result'; // read by the host after a pass: logits, loss and hit counts

export interface TensorEntry {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly kind: TensorKind;
  /** For parameters, state and optimizer tensors. */
  readonly layout?: Layout;
  readonly init?: Initializer;
}

export interface ProgramNode {
  /** The graph node it came from, for tables and traces: `layer1.0.conv1`. */
  readonly node: string;
  readonly primitive: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: readonly string[];
  readonly output: string;
  /** Inputs that it overwrites besides: what an optimizer keeps; the gradient that a fused node masks. */
  readonly writes?: readonly string[];
  readonly segment: Segment;
}

export interface Program {
  readonly tensors: Readonly<Record<string, TensorEntry>>;
  readonly nodes: readonly ProgramNode[];
  /** Parameter name → name of its gradient, in the graph's order. Empty for an evaluation program. */
  readonly gradients: Readonly<Record<string, string>>;
}
