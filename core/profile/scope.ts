import type { MeterSet } from '../meter.ts';

/** What `profile` wants to know of the pipeline that it subscribes to: the meters of its first source. */
export interface ProfileScope {
  meters: MeterSet | undefined;
}

/** Set only while `subscribe` runs, as the epoch is (`core/data/epochScope.ts`). */
let current: ProfileScope | undefined;

export function withinProfile<T>(scope: ProfileScope, subscribe: () => T): T {
  const outer = current;
  current = scope;
  try {
    return subscribe();
  } finally {
    current = outer;
  }
}

/** A source is being subscribed to, and reports to these meters. */
export function profiled(meters: MeterSet): void {
  if (current) current.meters ??= meters;
}
