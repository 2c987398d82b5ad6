import type { z } from 'zod';
import type { Kernel, Launch } from '../kernels/kernel.ts';
import type { Variant } from '../kernels/variant.ts';
import type { ProgramBuilder } from '../program/builder.ts';
import type { Shape } from '../shape.ts';

/** Multiply-accumulates counted as two FLOPs; bytes if every operand crossed memory exactly once. */
export interface Cost {
  readonly flops: number;
  readonly bytes: number;
}

export type Dtype = 'f32' | 'u8';
/** A tensor of a program, by name. */
export interface Tensor {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: Dtype;
}

/**
 * A primitive is the unit that a program is made of: one output, a cost, and its gpu.js kernels. Every direction of an op
 * (`conv2d`, `conv2d.inputGradient`, `conv2d.filterGradient`) is a primitive of its own, and a variant replaces exactly one.
 */
export interface Primitive<A = unknown> {
  readonly name: string;
  /** Index of the input that the output overwrites (optimizer updates, running statistics), if any. */
  readonly inPlace?: number;
  /** Inputs of the output's shape that it could overwrite instead of a tensor of its own: what attribute `inPlace` may say. */
  readonly overwrites?: readonly number[];
  cost(attributes: A, inputs: readonly Shape[], output: Shape): Cost;
  /** The definition: gpu.js kernels in the order they run. `scratch` names a temporary tensor. Runs on every device. */
  lower(context: LowerContext<A>): Launch[];
  /** Tuned replacements, tried in order; `lower` is their oracle and the fallback. */
  readonly variants?: readonly Variant<A>[];
}
export interface LowerContext<A> {
  readonly attributes: A;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  scratch(shape: Shape): Tensor;
}

/** How a parameter starts: PyTorch's initialisers, computed from a counter-based stream. */
export type Initializer =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'uniform'; readonly bound: number }
  | { readonly kind: 'normal'; readonly std: number };

/** Where PyTorch's layout differs from ours: `filter` is OIHW outside and HWIO inside, `matrix` [out,in] and [in,out]. */
export type Layout = 'filter' | 'matrix' | 'plain';

/** A tensor that a layer owns. Trained parameters get gradients; state (running statistics) does not. */
export interface ParameterSpec {
  /** PyTorch's name within the layer: `weight`, `bias`, `running_mean`. */
  readonly name: string;
  readonly role: 'parameter' | 'state';
  /** Our layout. */
  readonly shape: Shape;
  readonly layout: Layout;
  readonly init: Initializer;
}

/** What an op sees of its node while it writes forward or backward primitives into a program. */
export interface NodeContext<A> {
  readonly name: string;
  readonly attributes: A;
  readonly inputs: readonly Tensor[];
  readonly parameters: Readonly<Record<string, Tensor>>;
  readonly mode: 'train' | 'evaluate';
}
export interface BackwardContext<A> extends NodeContext<A> {
  readonly output: Tensor;
  /** What `forward` returned under these names. */
  readonly saved: Readonly<Record<string, Tensor>>;
  readonly outputGradient: Tensor;
  /** Whether input i needs a gradient (the image does not). */
  readonly needs: readonly boolean[];
}
export interface Gradients {
  /** One per input; undefined where `needs` is false. */
  readonly inputs: readonly (Tensor | undefined)[];
  readonly parameters: Readonly<Record<string, Tensor>>;
}

/** A layer of a graph. One file per op in `core/ops/` is the whole truth about it. */
export interface Op<A = unknown> {
  readonly name: string;
  readonly attributes: z.ZodType<A>;
  /** Names of its inputs, or 'many' (two or more of any number). */
  readonly inputs: readonly string[] | 'many';
  /** Output shape for one batch; throws a MillraceError of kind 'graph' that names `where` if the inputs do not fit. */
  shape(attributes: A, inputs: readonly Shape[], where: string): Shape;
  parameters?(attributes: A, inputs: readonly Shape[]): readonly ParameterSpec[];
  /** Multiply-accumulates of the forward pass, as papers count them: convolutions and linear layers only. */
  macs?(attributes: A, inputs: readonly Shape[], output: Shape): number;
  /** Writes the forward primitives; returns the output and what the gradient wants to keep. */
  forward(program: ProgramBuilder, node: NodeContext<A>): { output: Tensor; saved?: Readonly<Record<string, Tensor>> };
  /** Writes the backward primitives, or the literal 'none'. */
  readonly gradient: 'none' | ((program: ProgramBuilder, node: BackwardContext<A>) => Gradients);
}

export type { Kernel, Launch, Variant };
