import type { Output } from '../terminal/output.ts';

/** Ended by Ctrl-C before anything was done: nothing more is said, and the status is 130. */
export class Interrupted extends Error {}

/** npm and a terminal both pass Ctrl-C on: what comes this soon after the first is the same key press. */
const sameMs = 500;

/** The first Ctrl-C (or SIGTERM) aborts the signal; a second one ends the process at once with status 130. */
export function onInterrupt(output: Output, message: string): { readonly signal: AbortSignal; close(): void } {
  const controller = new AbortController();
  let first = 0;
  const handle = () => {
    if (first > 0) {
      if (performance.now() - first < sameMs) return;
      output.clear();
      process.exit(130);
    }
    first = performance.now();
    output.warn(message);
    controller.abort();
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return {
    signal: controller.signal,
    close() {
      process.off('SIGINT', handle);
      process.off('SIGTERM', handle);
    },
  };
}
