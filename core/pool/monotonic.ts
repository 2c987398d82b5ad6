/** Milliseconds of a clock that all threads of the process share; `performance.now()` begins anew in each of them. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Add it to the time of that clock for this thread's `performance.now()`. */
export const toThisThread = performance.now() - monotonicMs();
