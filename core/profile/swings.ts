import { resourcesOf } from './resources.ts';
import type { PipelineSnapshot } from './snapshot.ts';

/** Below these shares of the time, waits are what any pipeline has. */
const leastShare = 0.03;
/** What comes as close to its bound has nothing to gain from a queue. */
const closeToBound = 0.95;
/** With more of the time lost to swings, what anything but a queue would gain is not known. */
export const uncertainShare = 0.1;

/**
 * A pipeline whose speeds vary: now the device waits for batches, now the workers wait for room. A longer queue keeps what the
 * workers do in good times for the bad ones.
 */
export interface Swings {
  /** Batches that wait ahead of the device, as declared; 0 without a `prefetch`. */
  readonly ahead: number;
  /** Of the time: nothing for the device, no room for the workers. */
  readonly starved: number;
  readonly blocked: number;
  /** Times that the queue was full after it had been empty. Undefined where the swings were too short to be seen. */
  readonly count: number | undefined;
  /** Samples that the workers could have done, had there been room, a swing. */
  readonly itemsPerSwing: number;
}

export function swingsOf(snapshot: PipelineSnapshot): Swings | undefined {
  const { stages, places, elapsedMs, batch, itemsPerSecond } = snapshot;
  const forward = stages.find(({ name }) => name === 'forward');
  const maker = stages.find(({ workers, runs }) => workers && runs === 'workers');
  if (!forward || !maker || batch === 0) return undefined;
  const starved = forward.waitUpstreamMs / elapsedMs;
  const blocked = maker.waitDownstreamMs / elapsedMs / maker.parallel;
  if (starved < leastShare || blocked < leastShare) return undefined;
  if (resourcesOf(snapshot).some(({ perSecond }) => itemsPerSecond > closeToBound * perSecond)) return undefined;
  const queue = stages.find(({ name }) => name === 'prefetch') ?? forward;
  const count = fills(queue.depthOverTime.means, queue.peakDepth);
  const declared = Object.entries(places.declared).find(([name]) => name.startsWith('prefetch'))?.[1] ?? 0;
  // what a worker does in the time that it stood still
  const items = (maker.waitDownstreamMs / Math.max(maker.busyMs, 1e-9)) * maker.itemsOut;
  return { ahead: Math.round(declared / batch), starved, blocked, count: count || undefined, itemsPerSwing: items / Math.max(1, count) };
}

/** From below a quarter to above three. */
function fills(means: readonly number[], peak: number): number {
  let [count, empty] = [0, true];
  for (const mean of means) {
    if (mean < 0.25 * peak) empty = true;
    else if (empty && mean > 0.75 * peak) {
      empty = false;
      count++;
    }
  }
  return count;
}

/** Of the time, what a queue longer by so many samples saves: in each swing the device has that many more to go on with. */
export function savedBy(
  { starved, count = 1, itemsPerSwing }: Swings,
  { items, elapsedMs, stages }: PipelineSnapshot,
  more: number,
): number {
  const deviceMs = stages.filter(({ runs }) => runs === 'device').reduce((sum, { busyMs }) => sum + busyMs, 0);
  return Math.min(starved, (count * Math.min(more, itemsPerSwing) * (deviceMs / Math.max(1, items))) / elapsedMs);
}
