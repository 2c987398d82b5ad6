import type { Program, TensorKind } from '../program/program.ts';
import { bytesOf } from './lower.ts';

/** What a training step needs, in bytes. */
export interface MemoryUse {
  /** Parameters and running statistics. */
  readonly weights: number;
  /** The optimizer's tensors; 0 before the first update. */
  readonly optimizer: number;
  /** Of the trained parameters. */
  readonly gradients: number;
  /** What the backward pass must find: `keptBytes`. */
  readonly kept: number;
  /** The sum of the four: no plan that keeps what it needs, rather than computing it again, can do with less. */
  readonly lowerBound: number;
  /** What the plans have placed, without scratch. */
  readonly peak: number;
  /** Temporary memory inside kernels: tensors of definitions and variants that fit nowhere else, and the compute threads' own. */
  readonly scratch: number;
}

/** Bytes of the tensors of one kind. */
export function bytesOfKinds({ tensors }: Program, kinds: readonly TensorKind[]): number {
  return Object.values(tensors).reduce((sum, tensor) => sum + (kinds.includes(tensor.kind) ? bytesOf(tensor) : 0), 0);
}

/** Bytes of all gradients of parameters. */
export function gradientBytes({ tensors, gradients }: Program): number {
  return Object.values(gradients).reduce((sum, name) => sum + bytesOf(tensors[name]), 0);
}

/**
 * Bytes that live at the boundary between forward and backward: every tensor that the forward segment writes and the backward
 * segment reads, and the gradient that the loss hands over. Weights, and what the host writes, are not among them.
 */
export function keptBytes({ tensors, nodes, gradients }: Program): number {
  const written = new Set<string>();
  const kept = new Set<string>();
  for (const { segment, output } of nodes) if (segment === 'forward') written.add(output);
  const computed = new Set(nodes.map(({ output }) => output));
  const registered = new Set(Object.values(gradients));
  for (const { segment, inputs } of nodes) {
    if (segment !== 'backward') continue;
    for (const name of inputs) {
      const { kind } = tensors[name];
      if (kind === 'activation' && written.has(name)) kept.add(name);
      if (kind === 'gradient' && !computed.has(name) && !registered.has(name)) kept.add(name);
    }
  }
  return [...kept].reduce((sum, name) => sum + bytesOf(tensors[name]), 0);
}
