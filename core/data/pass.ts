import type { Demand } from './demand.ts';

/** What the sources under one `epochs` have in common while it subscribes to them. */
export interface Pass {
  readonly epoch: number;
  readonly seed: number;
  /** Made by the first source that subscribes, and used by all after it, so that the bound holds across epochs. */
  demand: Demand | undefined;
}

/**
 * The pass in which a source is being subscribed to, if any. RxJS has no context that travels from an operator up to its
 * source, but subscribing is synchronous, so a variable that is set only while `subscribe` runs reaches the source through
 * any operators between the two. A source that subscribes later (the second of a `concat`) is outside of the pass.
 */
let current: Pass | undefined;

/** Runs `subscribe` as part of `pass`; restores what was there before, also when it throws. */
export function withinPass<T>(pass: Pass, subscribe: () => T): T {
  const outer = current;
  current = pass;
  try {
    return subscribe();
  } finally {
    current = outer;
  }
}

/** Read by sources, synchronously when they are subscribed to. */
export function currentPass(): Pass | undefined {
  return current;
}
