import type { Output } from '../terminal/output.ts';

/** Ended by Ctrl-C before anything was done: nothing more is said, and the status is 130. */
export class Interrupted extends Error {}

/** npm and a terminal both pass Ctrl-C on: what comes this soon after the first is the same key press. */
const sameMs = 500;

/**
 * The first Ctrl-C (or SIGTERM) aborts the signal; a second one ends the process at once with status 130. On Ctrl-Z the live lines
 * make room for the shell until the process goes on.
 */
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
  const stop = () => {
    output.hide();
    process.kill(process.pid, 'SIGSTOP');
  };
  const goOn = () => output.show();
  const handlers = [
    ['SIGINT', handle],
    ['SIGTERM', handle],
    // of a job that nobody looks at it is the system's
    ...(output.live
      ? ([
          ['SIGTSTP', stop],
          ['SIGCONT', goOn],
        ] as const)
      : []),
  ] as const;
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return {
    signal: controller.signal,
    close() {
      for (const [signal, handler] of handlers) process.off(signal, handler);
    },
  };
}
