import { readFileSync } from 'node:fs';

/**
 * CPU time of the main thread so far, in milliseconds; undefined where the system does not tell (only Linux does). The event loop's own
 * utilization counts as busy also when the thread waits for a core, which it does where workers take all of them.
 */
export function mainThreadCpuMs(): number | undefined {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return undefined;
  }
}
