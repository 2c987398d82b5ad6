import type { Device } from '../devices/device.ts';
import type { LossScaling } from './lossScale.ts';
import type { Precision } from './precision.ts';

export interface CompileOptions {
  readonly device: Device;
  /** Images of one pass. */
  readonly batch: number;
  /** Decides the initial weights and the dropout masks. */
  readonly seed?: number;
  /** Parameters that keep their values: transfer learning. */
  readonly frozen?: (parameter: string) => boolean;
  /** False keeps to the ops' own gpu.js kernels. */
  readonly variants?: boolean;
  /** True keeps from variants that round otherwise than a sum in another order does: Winograd's, Strassen's. */
  readonly exact?: boolean;
  /** 'f32' unless given. 'mixed' throws a MillraceError of kind 'device' where the device has no 16-bit matrices. */
  readonly precision?: Precision;
  /** Multiplies the loss's gradient so that small ones survive 16-bit floats; steps that overflow are left out. Always on with 'mixed'. */
  readonly lossScaling?: LossScaling;
  /** False keeps every layer a launch of its own with memory of its own: no fusion, nothing in place. */
  readonly fuse?: boolean;
}

export type Mode = 'train' | 'evaluate';

/** What the loss left on the device: means and counts over the samples of one pass. */
export interface LossResult {
  readonly loss: number;
  /** Hits, not shares. */
  readonly top1: number;
  readonly top5: number;
  readonly samples: number;
}
