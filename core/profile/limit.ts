import { fixedMsPerStep, type Resource, resourcesOf, stepMs, stepRest } from './resources.ts';
import type { PipelineSnapshot } from './snapshot.ts';

/** Above this share a step's fixed cost, and not its samples, is what takes the time. */
export const mostFixed = 0.5;

/** The resource that sets the pace, the stage that needs most of it, and the resource that would set it otherwise. */
export interface Limit {
  readonly resource: Resource;
  readonly stage: string;
  readonly next: { readonly resource: Resource; readonly stage: string } | undefined;
}

/** Cores are shared by everything else: what is short of them shows as a stage that is slow. */
export function limitOf(snapshot: PipelineSnapshot, fixedShare?: number): Limit | undefined {
  const ranked = resourcesOf(snapshot)
    .filter(({ name }) => name !== 'cores')
    .sort((a, b) => a.perSecond - b.perSecond);
  const [resource, second] = ranked;
  if (!resource) return undefined;
  const next = second && { resource: second, stage: largest(second, 'device') };
  return { resource, stage: stageOf(snapshot, resource, fixedShare), next };
}

function stageOf(snapshot: PipelineSnapshot, resource: Resource, fixedShare: number | undefined): string {
  if (resource.name !== 'device') return largest(resource, resource.name);
  return fixedMsPerStep(snapshot, fixedShare) / stepMs(snapshot) > mostFixed ? 'batch' : largest(resource, 'device');
}

/** The stage that has most of a resource's time. */
export function largest({ stages }: Pick<Resource, 'stages'>, otherwise: string): string {
  const own = stages.filter(({ name }) => name !== stepRest);
  return own.toSorted((a, b) => b.msPerItem - a.msPerItem)[0]?.name ?? otherwise;
}
