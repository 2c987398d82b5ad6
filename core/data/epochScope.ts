import type { Demand } from './demand.ts';
import type { PipelineState } from './pipelineState.ts';

/** What the sources under one `epochs` have in common while it subscribes to them. */
export interface EpochScope {
  readonly epoch: number;
  readonly seed: number;
  readonly from?: PipelineState;
  /** Sources that go on from it. */
  resumed?: number;
  /** Made by the first source that subscribes, and used by all after it, so that the bound holds across epochs. */
  demand: Demand | undefined;
}

/**
 * The epoch in which a source is being subscribed to, if any. RxJS has no context that travels from an operator up to its
 * source, but subscribing is synchronous, so a variable that is set only while `subscribe` runs reaches the source through
 * any operators between the two. A source that subscribes later (the second of a `concat`) is outside of the epoch.
 */
let current: EpochScope | undefined;

/** Runs `subscribe` as part of an epoch; restores what was there before, also when it throws. */
export function withinEpoch<T>(scope: EpochScope, subscribe: () => T): T {
  const outer = current;
  current = scope;
  try {
    return subscribe();
  } finally {
    current = outer;
  }
}

/** Read by sources, synchronously when they are subscribed to. */
export function currentEpoch(): EpochScope | undefined {
  return current;
}
