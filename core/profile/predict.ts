import { largest } from './limit.ts';
import { fixedMsPerStep, type Resource, resource, resourcesOf, stepMs, stepRest } from './resources.ts';
import type { PipelineSnapshot } from './snapshot.ts';
import { savedBy, swingsOf, uncertainShare } from './swings.ts';
import type { Change, Prediction } from './verdict.ts';
import { changeInWords, perSecond } from './words.ts';

export interface PredictOptions {
  /** The same pipeline with another batch size: two points tell what of a step is fixed. */
  readonly other?: PipelineSnapshot;
  /** Of a step's time on the device, the share that does not grow with the batch, 0..1: `measureFixedShare`. */
  readonly fixedShare?: number;
}

/** Cores that are busy to this share are full: the rest is lost between threads that wake each other. */
export const fullCores = 0.9;
/** From one measurement at one batch size, its fixed part is known well enough only where it outweighs everything else. */
const fixedEnough = 0.5;

/**
 * What a change would buy, from what each sample costs each resource now. The bound of the resource that sets the pace then is
 * scaled by how close to its bound the pipeline comes today.
 */
export function predict(snapshot: PipelineSnapshot, change: Change, options: PredictOptions = {}): Prediction {
  const now = resourcesOf(snapshot);
  if (now.length === 0) return unknown(change, 'nothing has gone through the pipeline yet');
  if (change.kind !== 'prefetch' && (swingsOf(snapshot)?.starved ?? 0) > uncertainShare)
    return unknown(change, 'speeds vary, and it depends on when it helps; keep more batches ahead (prefetch) first');
  const changed = apply(now, snapshot, change, options);
  if (typeof changed === 'string') return unknown(change, changed);
  const bound = least(now);
  const limit = least(changed);
  const reached = Math.min(1, snapshot.itemsPerSecond / bound.perSecond);
  const itemsPerSecond = change.kind === 'prefetch' ? withQueue(snapshot, change.batches, limit.perSecond) : limit.perSecond * reached;
  const gain = itemsPerSecond / snapshot.itemsPerSecond;
  const then = limit.name === 'cores' ? 'cores' : largest(limit, limit.name);
  return {
    change,
    known: true,
    itemsPerSecond,
    gain,
    limitsThen: then,
    sentence: sentence(snapshot, change, itemsPerSecond, gain, limit, then),
  };
}

const least = (resources: readonly Resource[]): Resource => resources.reduce((a, b) => (b.perSecond < a.perSecond ? b : a));

function sentence(
  { machine, itemsPerSecond: today }: PipelineSnapshot,
  change: Change,
  itemsPerSecond: number,
  gain: number,
  limit: Resource,
  then: string,
): string {
  if (gain < 1.03) {
    const cores = limit.name === 'cores' || machine.busyCores > fullCores * machine.cores;
    const why = cores ? `all ${machine.cores} cores are busy` : `${then} limits at ${perSecond(Math.max(itemsPerSecond, today))}`;
    return `${changeInWords(change)} would not help: ${why}`;
  }
  const after = limit.name === 'cores' ? `all ${machine.cores} cores are busy` : `${then} limits`;
  return `${changeInWords(change)} would give about ${perSecond(itemsPerSecond)}, then ${after}`;
}

function unknown(change: Change, why: string): Prediction {
  const sentence = `what ${changeInWords(change)} would give is not known: ${why}`;
  return { change, known: false, itemsPerSecond: undefined, gain: undefined, limitsThen: undefined, sentence };
}

/** The resources as they would be, or why that is not known. */
function apply(
  now: readonly Resource[],
  snapshot: PipelineSnapshot,
  change: Change,
  options: PredictOptions,
): readonly Resource[] | string {
  switch (change.kind) {
    case 'workers':
      if (!now.some(({ name }) => name === 'workers')) return 'no stage works in worker threads';
      return now.map(each => (each.name === 'workers' ? remade({ ...each, servers: change.workers }) : each));
    case 'prefetch':
      return now;
    case 'batch':
      return withBatch(now, snapshot, change.batch, options);
    case 'faster':
      return withFaster(now, snapshot, change.stage, change.times);
  }
}

/** With so many batches ahead: time that the device waits is saved, up to what the resources allow. */
function withQueue(snapshot: PipelineSnapshot, batches: number, most: number): number {
  const { itemsPerSecond, batch } = snapshot;
  const swings = swingsOf(snapshot);
  if (!swings) return itemsPerSecond;
  const saved = savedBy(swings, snapshot, Math.max(0, batches - swings.ahead) * batch);
  return Math.max(itemsPerSecond, Math.min(most, itemsPerSecond / (1 - saved)));
}

const remade = (each: Resource): Resource => resource(each, 0);

/** What a second profile would add. */
const oneSize =
  'one batch size does not tell which part of a step stays the same with any; `millrace profile` measures that once a run has ended well, and a profile with another --batch tells it too';

/** A step takes F + c·B: F from two batch sizes, or from what one measurement knows to be fixed. */
function withBatch(
  now: readonly Resource[],
  snapshot: PipelineSnapshot,
  batch: number,
  { other, fixedShare }: PredictOptions,
): readonly Resource[] | string {
  const { steps, batch: size } = snapshot;
  if (steps === 0 || size === 0) return 'no model was run';
  const took = stepMs(snapshot);
  let fixed: number;
  if (fixedShare !== undefined) fixed = fixedMsPerStep(snapshot, fixedShare);
  else if (other && other.steps > 0 && Math.abs(other.batch - size) >= 1) {
    const perSample = Math.max(0, (stepMs(other) - took) / (other.batch - size));
    fixed = Math.max(0, took - perSample * size);
  } else {
    fixed = fixedMsPerStep(snapshot);
    if (fixed < fixedEnough * took) return oneSize;
  }
  const perItem = fixed / batch + (took - fixed) / size;
  const ratio = perItem / (took / size);
  // what the main thread does for a step it does for a batch, whatever is in it
  const perStep = new Set(snapshot.stages.filter(({ runs }) => runs === 'device').map(({ name }) => name));
  const onCore = onCoreOf(now, snapshot);
  let saved = 0;
  const changed = now.map(each => {
    if (each.name !== 'device' && each.name !== 'main') return each;
    const stages = each.stages.map(part => {
      const times = each.name === 'device' ? ratio : perStep.has(part.name) ? size / batch : 1;
      return { name: part.name, msPerItem: part.msPerItem * times };
    });
    const less = each.stages.reduce((sum, part, i) => sum + part.msPerItem - stages[i].msPerItem, 0);
    saved += less * onCore * threadsOf(each.name, snapshot);
    return remade({ ...each, msPerItem: Math.max(0, each.msPerItem - less), stages });
  });
  return withoutCores(changed, saved);
}

/** Of the time that threads are busy, what a core has to do with it: who waits for a disk uses none. */
function onCoreOf(now: readonly Resource[], snapshot: PipelineSnapshot): number {
  const threads = now
    .filter(({ name }) => name !== 'cores')
    .reduce((sum, { name, msPerItem }) => sum + msPerItem * threadsOf(name, snapshot), 0);
  const cpu = now.find(({ name }) => name === 'cores')?.msPerItem ?? 0;
  return threads > 0 ? Math.min(1, cpu / threads) : 0;
}

/** So much less for the cores to do. */
const withoutCores = (all: readonly Resource[], savedMs: number): readonly Resource[] =>
  all.map(each => (each.name === 'cores' ? remade({ ...each, msPerItem: Math.max(0, each.msPerItem - savedMs) }) : each));

function withFaster(now: readonly Resource[], snapshot: PipelineSnapshot, stage: string, times: number): readonly Resource[] | string {
  if (!(times > 0)) return `${times} is no number of times`;
  if (!now.some(({ stages }) => stages.some(({ name }) => name === stage))) return `no measured work of a stage "${stage}"`;
  const onCore = onCoreOf(now, snapshot);
  let saved = 0;
  // the host answers the device sooner when the main thread has less to do
  const main = now.find(each => each.name === 'main' && each.stages.some(({ name }) => name === stage));
  const mainShare = main ? 1 - ((1 - 1 / times) * (main.stages.find(({ name }) => name === stage)?.msPerItem ?? 0)) / main.msPerItem : 1;
  const changed = now.map(each => {
    if (each.name === 'device' && main) return withRest(each, mainShare);
    const own = each.stages.find(({ name }) => name === stage);
    if (!own) return each;
    const less = own.msPerItem * (1 - 1 / times);
    saved += less * onCore * threadsOf(each.name, snapshot);
    const stages = each.stages.map(part => (part === own ? { name: stage, msPerItem: part.msPerItem - less } : part));
    return remade({ ...each, msPerItem: Math.max(0, each.msPerItem - less), stages });
  });
  return withoutCores(changed, saved);
}

/** What lies between kernels takes another time. */
function withRest(each: Resource, ratio: number): Resource {
  const stages = each.stages.map(part => (part.name === stepRest ? { name: stepRest, msPerItem: part.msPerItem * ratio } : part));
  const before = each.stages.find(({ name }) => name === stepRest)?.msPerItem ?? 0;
  return remade({ ...each, msPerItem: each.msPerItem - before * (1 - ratio), stages });
}

/** Threads at work while a resource is. */
function threadsOf(name: string, { device }: PipelineSnapshot): number {
  if (name === 'consumer') return 0;
  return name === 'device' ? (device?.threads ?? 0) : 1;
}
