import { SubscriptionScope } from '../subscriptionScope.ts';
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

/** The epoch in which a source is being subscribed to, if any. */
export const epochScope = new SubscriptionScope<EpochScope>();
