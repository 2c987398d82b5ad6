import type { Batch } from '../data/sample.ts';
import type { Mode } from './compileOptions.ts';
import type { Pass } from './records.ts';

/**
 * Looks on while a model works, without a place in the pipeline: `model.watchers.add(watcher)`. A dashboard sees the pictures and
 * guesses of any pipeline this way. Both are called synchronously by `forward`; whoever wants something later copies or holds it.
 */
export interface Watcher {
  /** Before the batch's pixels are given back. */
  batch?(batch: Batch, mode: Mode): void;
  /** The logits can be read while the pass is held: `pass.lease.hold()`, and `release()` soon, since the next pass waits for it. */
  pass?(pass: Pass): void;
}
