import { type Limit, limitOf } from './limit.ts';
import { fullCores, type PredictOptions, predict } from './predict.ts';
import { fixedMsPerStep, resourcesOf, stepMs } from './resources.ts';
import type { PipelineSnapshot, StageSnapshot } from './snapshot.ts';
import { swingsOf } from './swings.ts';
import { amount, counted, percent, perSecond } from './words.ts';

/** Something that a user can change, for `predict`. */
export type Change =
  | { readonly kind: 'workers'; readonly workers: number }
  | { readonly kind: 'batch'; readonly batch: number }
  | { readonly kind: 'prefetch'; readonly batches: number }
  /** A stage that takes `times` less for an item: a faster disk, fewer transforms, a faster kernel. */
  | { readonly kind: 'faster'; readonly stage: string; readonly times: number };

export interface Prediction {
  readonly change: Change;
  /** False: the measurements do not tell; `sentence` says what is missing. */
  readonly known: boolean;
  /** Undefined if not known. */
  readonly itemsPerSecond: number | undefined;
  /** Times as fast as now; 1 where the change does not help. */
  readonly gain: number | undefined;
  /** What limits then. */
  readonly limitsThen: string | undefined;
  /** `4 workers would give about 650 images/s, then backward limits`. */
  readonly sentence: string;
}

/** Which stage limits, why that is known, and what to do. */
export interface Verdict {
  /**
   * Name of a stage; `batch` also where a step's fixed cost outweighs its samples; `consumer` if whatever takes the results is the
   * slowest. Undefined if nothing was measured yet.
   */
  readonly limits: string | undefined;
  /** `decode limits: 412 images/s against 655 of backward`. */
  readonly headline: string;
  /** `2 workers are 98 % busy`, each a clause. */
  readonly evidence: readonly string[];
  /** What would help, the most useful first; empty where nothing is known that would. */
  readonly changes: readonly Prediction[];
  /** All of it as one paragraph. */
  readonly text: string;
}

/** Says which stage limits a pipeline, from its numbers alone. */
export function verdict(snapshot: PipelineSnapshot, options: PredictOptions = {}): Verdict {
  const limit = limitOf(snapshot, options.fixedShare);
  if (!limit) {
    const headline = 'nothing has gone through the pipeline yet';
    return { limits: undefined, headline, evidence: [], changes: [], text: 'Nothing has gone through the pipeline yet.' };
  }
  const { stage, resource, next } = limit;
  const against = next && next.resource.perSecond < 1e6 ? ` against ${amount(next.resource.perSecond)} of ${theirs(next)}` : '';
  const headline = `${stage} limits: ${perSecond(resource.perSecond)}${against}`;
  const evidence = evidenceFor(snapshot, limit, options.fixedShare);
  const changes = [...queueFor(snapshot), ...changesFor(snapshot, limit, options.fixedShare)]
    .map(change => predict(snapshot, change, options))
    .sort((a, b) => (b.gain ?? 0) - (a.gain ?? 0));
  const sentences = [`${headline}; ${evidence.join('; ')}`, ...changes.map(({ sentence }) => sentence)];
  return { limits: stage, headline, evidence, changes, text: sentences.map(each => `${each[0].toUpperCase()}${each.slice(1)}.`).join(' ') };
}

const theirs = ({ resource, stage }: NonNullable<Limit['next']>): string => {
  if (resource.name === 'main') return 'the main thread';
  return resource.name === 'consumer' ? 'the consumer' : stage;
};

function evidenceFor(snapshot: PipelineSnapshot, { resource, stage }: Limit, fixedShare: number | undefined): string[] {
  const { machine, stages } = snapshot;
  const busy = percent(resource.busy);
  const named = (name: string): StageSnapshot | undefined => stages.find(each => each.name === name);
  const evidence: string[] = [];
  if (resource.name === 'workers') {
    evidence.push(`${counted(resource.servers, 'worker')} ${resource.servers === 1 ? 'is' : 'are'} ${busy} busy${sharesOf(resource)}`);
  } else if (resource.name === 'device') {
    const took = stepMs(snapshot);
    if (stage === 'batch') {
      const fixed = percent(fixedMsPerStep(snapshot, fixedShare) / took);
      evidence.push(`${fixed} of a step's ${amount(took)} ms would be the same with any batch (it is ${amount(snapshot.batch)} now)`);
    } else evidence.push(`the model's steps fill ${busy} of the time${sharesOf(resource)}`);
  } else if (resource.name === 'main') evidence.push(`the main thread is ${busy} busy${sharesOf(resource)}`);
  else if (resource.name === 'consumer') evidence.push(`samples wait ${busy} of the time for someone to take them`);
  else if (resource.name === 'source') evidence.push(`reading takes ${busy} of the time`);
  else evidence.push(`it is at work ${busy} of the time`);

  const swings = swingsOf(snapshot);
  const forward = named('forward');
  if (swings) {
    const [starved, blocked] = [percent(swings.starved), percent(swings.blocked)];
    evidence.push(`speeds vary: the device has no batch ${starved} of the time, the workers have no room ${blocked}`);
  } else if (forward && resource.name !== 'device')
    evidence.push(`the device waits for batches ${percent(forward.waitUpstreamMs / forward.elapsedMs)} of the time`);
  const ready = named('prefetch');
  if (ready && resource.name === 'device') evidence.push(`${amount(ready.meanDepth)} samples are ready and wait for it`);
  if (machine.busyCores > fullCores * machine.cores) evidence.push(`${amount(machine.busyCores)} of ${machine.cores} cores are busy`);
  return evidence;
}

/** `, decode 60 % and augment 38 %`, where several share what limits. */
function sharesOf({ stages, msPerItem, busy }: Limit['resource']): string {
  const shares = stages.filter(part => part.msPerItem > 0.05 * msPerItem).toSorted((a, b) => b.msPerItem - a.msPerItem);
  if (shares.length < 2) return '';
  const words = shares.slice(0, 3).map(part => `${part.name} ${percent((busy * part.msPerItem) / msPerItem)}`);
  return ` (${words.join(', ')})`;
}

/** Room for what the workers can do ahead, where neither they nor the device are at work all the time. */
function queueFor(snapshot: PipelineSnapshot): Change[] {
  const swings = swingsOf(snapshot);
  if (!swings) return [];
  const batches = swings.ahead + Math.max(1, Math.ceil(swings.itemsPerSwing / snapshot.batch));
  return [{ kind: 'prefetch', batches: Math.min(batches, mostAhead) }];
}
/** Batches that anyone would keep in memory. */
const mostAhead = 64;

function changesFor(snapshot: PipelineSnapshot, { resource, stage }: Limit, fixedShare: number | undefined): Change[] {
  const twice: Change = { kind: 'faster', stage, times: 2 };
  const { batch } = snapshot;
  switch (resource.name) {
    case 'workers': {
      // as many as the next resource, or the cores, can use; never so many that nobody would start them
      const others = resourcesOf(snapshot).filter(({ name }) => name !== 'workers');
      const wanted = Math.ceil((resource.servers * Math.min(...others.map(each => each.perSecond))) / resource.perSecond);
      const workers = Math.max(resource.servers + 1, Math.min(wanted, 4 * resource.servers, 64));
      return [{ kind: 'workers', workers }, twice];
    }
    case 'device': {
      if (stage !== 'batch') return [twice, { kind: 'batch', batch: 2 * Math.round(batch) }];
      // until the fixed part is a fifth
      const fixed = fixedMsPerStep(snapshot, fixedShare);
      const perSample = (stepMs(snapshot) - fixed) / batch;
      let larger = 2 * Math.round(batch);
      while (larger < 8 * batch && fixed > 0.2 * (fixed + perSample * larger)) larger *= 2;
      return [{ kind: 'batch', batch: larger }];
    }
    case 'consumer':
      return [];
    default:
      // time that no stage accounts for cannot be told to take less
      return resource.stages.length > 0 ? [twice] : [];
  }
}
