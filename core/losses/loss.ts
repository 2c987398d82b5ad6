import type { Tensor } from '../ops/op.ts';
import type { ProgramBuilder } from '../program/builder.ts';

/** What a loss leaves in its result tensor, four floats that the host reads after a pass. */
export const resultSlot = {
  /** Mean over the samples. */
  loss: 0,
  /** Samples whose target has the largest logit. */
  top1: 1,
  /** Samples whose target is among the five largest. */
  top5: 2,
  /** Samples; the rest of the batch was padding. */
  samples: 3,
} as const;
export const resultLength = 4;

export interface LossInputs {
  /** [N, classes]. */
  readonly logits: Tensor;
  /** f32 [N]: class indices; a negative one says that there is no such sample (a partial batch). */
  readonly targets: Tensor;
  /** f32 [N] each: second targets, and their weights from 0 to 1; the first ones have the rest. Counted as hits are the first. */
  readonly mixed?: { readonly targets: Tensor; readonly weights: Tensor };
  /** The step's numbers, `hyperTensor(program)`. */
  readonly hyper: Tensor;
  /** Whether to write the gradient, too. */
  readonly train: boolean;
}

/** The end of a program: from logits and targets to a number and its gradient. */
export interface Loss {
  readonly name: string;
  /** True if `build` heeds `mixed`. */
  readonly takesMixed?: boolean;
  /**
   * Writes its primitives: the result in segment 'forward', the gradient of the logits in segment 'backward', where it
   * leaves the program. The gradient is that of the mean, times `hyperSlot.lossScale`.
   */
  build(program: ProgramBuilder, inputs: LossInputs): { readonly result: Tensor; readonly gradient?: Tensor };
}
