/**
 * Whom the main thread works for. Stages call each other inside `next`, so the time of one lies inside that of another; here each
 * moment is charged to one of them. A stage says `charge(meter.main)` when it begins, `charge(meter.behind)` before it hands on, and
 * gives back what `charge` returned when the call ends. Nothing may be charged across an `await`.
 */
export interface Account {
  ms: number;
}
let current: Account | undefined;
let since = 0;

/** From now on time is charged to `account`, or to nobody. Returns to whom it was before. */
export function charge(account: Account | undefined): Account | undefined {
  const now = performance.now();
  if (current) current.ms += now - since;
  since = now;
  const before = current;
  current = account;
  return before;
}
