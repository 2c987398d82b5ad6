import type { PipelineSnapshot, Verdict } from '../../core/index.ts';
import type { Events, Memory } from './protocol.ts';

/** Takes from a snapshot and its verdict what the page shows. */
export function lookAt(
  { elapsedMs, steps, machine, places, slots, stages, device }: PipelineSnapshot,
  { limits, text }: Verdict,
  memory: Memory,
): Events['look'] {
  return {
    look: {
      ...{ elapsedMs, steps, machine, places, slots },
      stages: stages.map(({ name, itemsPerSecond, capacityPerSecond, busyShare, depth, peakDepth, bound }) => ({
        ...{ name, itemsPerSecond, capacityPerSecond, busyShare, depth, peakDepth, bound },
      })),
      device: device && {
        description: device.description,
        busyShare: device.busyShare,
        memory: device.memory,
        parts: device.parts.map(({ part, busyMs }) => ({ part, busyMs })),
      },
    },
    verdict: { limits, text },
    memory,
  };
}
