import type { PipelineState } from '../data/pipelineState.ts';
import type { Batch, SharedLease } from '../data/sample.ts';
import type { CompiledModel } from './compiledModel.ts';

/** One batch on its way through forward and backward. While its lease is held, the model's activations are its own. */
export interface Pass {
  readonly model: CompiledModel;
  readonly mode: 'train' | 'evaluate';
  /** The batch without its pixels: they are on the device by now. */
  readonly batch: Omit<Batch, 'cells' | 'lease'>;
  /** [N, classes] of the samples in the batch, row after row. Reading waits for the device. */
  logits(): Promise<Float32Array>;
  readonly lease: SharedLease;
  /** When the batch arrived at `forward`, for the step's duration. */
  readonly startedMs: number;
}

/** One update of the weights. */
export interface Step {
  /** 1-based, over the whole run. */
  readonly step: number;
  readonly epoch: number;
  /** Of the batch within its epoch, 0-based. */
  readonly index: number;
  readonly images: number;
  /** Mean over the batch. */
  readonly loss: number;
  /** Shares of the batch, 0..1. */
  readonly top1: number;
  readonly top5: number;
  readonly lr: number;
  /** With loss scaling: the factor of this step, and whether its gradients overflowed, so that the weights were left alone. */
  readonly lossScale?: number;
  readonly skipped?: boolean;
  /** Since the step before (or since its batch arrived, for the first). */
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Samples of the epoch that had arrived when this batch was full, bad ones too. */
  readonly consumed: number;
  /** Where the pipeline stood then: a source or `epochs` with `from: state` goes on behind this step. */
  readonly state: PipelineState;
}

export interface Evaluation {
  readonly images: number;
  readonly loss: number;
  /** ILSVRC's measures, 0..1: the label is the best, or among the five best. */
  readonly top1: number;
  readonly top5: number;
  /** Mean cost of the best guess, and of the cheapest among the five best, where `evaluate` was given a cost. */
  readonly cost1?: number;
  readonly cost5?: number;
  readonly seconds: number;
  readonly imagesPerSecond: number;
}
