import type { PipelineSnapshot, StageSnapshot } from './snapshot.ts';

/**
 * A pipeline as operational analysis sees one (Denning and Buzen 1978, "The Operational Analysis of Queueing Network Models"):
 * servers that each sample needs for a while. With D milliseconds of a resource for each sample that leaves the pipeline, and S
 * servers, no more than S / D samples can leave in a millisecond, whatever the others do; the least of these bounds is the
 * pipeline's. D is work divided by samples that left, so a filter on the way is accounted for.
 */
export interface Resource {
  /** `main`, `workers`, `device`, `cores`, `consumer`, or the name of the stage that has it for itself. */
  readonly name: string;
  readonly servers: number;
  /** For each sample that leaves the pipeline, by stage; the rest is nobody's: messages, garbage. */
  readonly stages: readonly { readonly name: string; readonly msPerItem: number }[];
  readonly msPerItem: number;
  /** What all of it could do, in samples that leave the pipeline. */
  readonly perSecond: number;
  /** 0..1 */
  readonly busy: number;
}

/** What each sample costs each resource, as measured. Empty before the first sample has left. */
export function resourcesOf(snapshot: PipelineSnapshot): Resource[] {
  const { items, stages } = snapshot;
  if (items === 0) return [];
  const per = (ms: number) => ms / items;
  const found: Resource[] = [];
  const add = (name: string, servers: number, ms: number, parts: readonly { readonly name: string; readonly ms: number }[]) => {
    if (ms <= 0) return;
    const shares = parts.filter(part => part.ms > 0).map(part => ({ name: part.name, msPerItem: per(part.ms) }));
    found.push(resource({ name, servers, stages: shares, msPerItem: per(ms) }, snapshot.itemsPerSecond));
  };
  const sum = (list: readonly { readonly ms: number }[]) => list.reduce((total, { ms }) => total + ms, 0);

  for (const stage of stages)
    if (stage.runs === 'alone') add(stage.name, stage.parallel, stage.busyMs, [{ name: stage.name, ms: stage.busyMs }]);
  const workers = busyOf(stages, 'workers');
  add('workers', Math.max(1, ...stages.map(stage => (stage.runs === 'workers' ? stage.parallel : 1))), sum(workers), workers);
  const device = deviceParts(snapshot);
  add('device', 1, sum(device), device);
  const main = stages.flatMap(({ name, mainMs, behindMs }) => [
    { name, ms: mainMs },
    { name: `what follows ${name}`, ms: behindMs },
  ]);
  const { cores, busyCores, mainThreadShare } = snapshot.machine;
  // the cpu device computes there as well
  const others = snapshot.device?.kind === 'cpu' ? snapshot.device.busyMs : 0;
  add('main', 1, Math.max(sum(main), mainThreadShare * snapshot.elapsedMs - others), main);
  const last = stages.findLast(({ itemsOut }) => itemsOut > 0);
  // a device gives its results to nobody who could hold it up
  if (last && device.length === 0) add('consumer', 1, last.waitDownstreamMs, [{ name: 'consumer', ms: last.waitDownstreamMs }]);
  add('cores', cores, busyCores * snapshot.elapsedMs, []);
  return found;
}

export function resource({ name, servers, stages, msPerItem }: Omit<Resource, 'perSecond' | 'busy'>, itemsPerSecond: number): Resource {
  const perSecond = msPerItem > 0 ? (servers / msPerItem) * 1000 : Number.POSITIVE_INFINITY;
  return { name, servers, stages, msPerItem, perSecond, busy: Math.min(1, itemsPerSecond / perSecond) };
}

function busyOf(stages: readonly StageSnapshot[], place: string): { name: string; ms: number }[] {
  return stages.filter(({ runs }) => runs === place).map(({ name, busyMs }) => ({ name, ms: busyMs }));
}

/**
 * One pass at a time is at work, so the parts of a step follow each other: their time from start to end adds up. Where the kernels
 * were timed, each stage has its own kernels' time, and what is left is the step's: launches, waiting for answers.
 */
function deviceParts({ stages }: PipelineSnapshot): { name: string; ms: number }[] {
  const parts = busyOf(stages, 'device');
  const kernels = stages.filter(({ runs }) => runs === 'device').map(({ name, deviceMs }) => ({ name, ms: deviceMs }));
  const kernelMs = kernels.reduce((sum, { ms }) => sum + ms, 0);
  const restMs = parts.reduce((sum, { ms }) => sum + ms, 0) - kernelMs;
  return kernelMs > 0 ? [...kernels, { name: stepRest, ms: Math.max(0, restMs) }] : parts;
}

/** A part of the device's time that is no kernel's. */
export const stepRest = 'between kernels';

/**
 * What of a step does not grow with its batch: all that is no kernel's, and of the kernels' time the share that was measured; where none
 * was, the update of the weights.
 */
export function fixedMsPerStep({ device, stages, steps }: PipelineSnapshot, fixedShare?: number): number {
  if (steps === 0) return 0;
  const [wall, kernels] = stages
    .filter(({ runs }) => runs === 'device')
    .reduce(([a, b], { busyMs, deviceMs }) => [a + busyMs, b + deviceMs], [0, 0]);
  const update = device?.parts.find(({ part }) => part === 'update')?.busyMs ?? 0;
  return (Math.max(0, wall - kernels) + (fixedShare === undefined ? update : fixedShare * kernels)) / steps;
}

/** From the start of a step to its end. */
export function stepMs({ stages, steps }: PipelineSnapshot): number {
  if (steps === 0) return 0;
  return stages.filter(({ runs }) => runs === 'device').reduce((sum, { busyMs }) => sum + busyMs, 0) / steps;
}
