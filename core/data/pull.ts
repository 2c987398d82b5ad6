import { setImmediate as nextTurn } from 'node:timers/promises';
import { Observable, type Subscriber } from 'rxjs';
import { fail } from '../errors.ts';
import { charge } from '../profile/mainThread.ts';
import { profileScope } from '../profile/scope.ts';
import { Demand } from './demand.ts';
import { epochScope } from './epochScope.ts';
import { type Rest, restBehind, resumedIn, wholeEpoch } from './pipelineState.ts';
import type { Sample, SourceOptions } from './sample.ts';

/** What a source finds; `pull` adds the place in the pipeline, the epoch and the seed. */
export type Found = Pick<Sample, 'key' | 'label' | 'index' | 'picture' | 'boxes' | 'fault'>;

/**
 * How one reading goes: told its counters and what is wanted, and stopped by the signal (close files, throw or return, as is
 * easiest). Undefined stands for a sample that is not wanted and was passed over.
 */
export type Reader = (scope: Reading, signal: AbortSignal) => FoundOnes;
type FoundOnes = Iterable<Found | undefined> | AsyncIterable<Found | undefined>;
type Finding = Iterator<Found | undefined> | AsyncIterator<Found | undefined>;
export interface Reading extends Rest {
  readonly epoch: number;
  readonly seed: number;
}
export interface PullOptions {
  /** The reader begins at `start` when asked to; others read the epoch from its beginning, and what is not wanted is dropped here. */
  readonly jumps?: boolean;
  /** In which it reads; by default `natural`, whatever the options ask for. */
  readonly order?: SourceOptions['order'];
}

/** How long samples may flow before timers and input get their turn, in milliseconds. */
const turnMs = 8;

/**
 * Turns a way of reading into a cold source, one reading per subscription.
 *
 * A place is taken before the next sample is read, so nothing is read ahead of demand. Unsubscribing aborts the signal at
 * once and returns the iterator, also while waiting for room. The bound belongs to one subscription: two independent
 * subscribers never slow each other, while the readings that `epochs` subscribes to share one demand. `options.demand` shares
 * one on purpose. Nothing is emitted before `subscribe` has returned.
 *
 * Meters itself as stage `source`: samples out, time spent reading, time without room.
 */
export function pull(
  read: Reader,
  options: SourceOptions = {},
  { jumps = false, order = 'natural' }: PullOptions = {},
): Observable<Sample> {
  return new Observable<Sample>(subscriber => {
    const scope = epochScope.current;
    const demand = options.demand ?? scope?.demand ?? new Demand(options.meters, options.bound);
    if (scope) scope.demand ??= demand;
    const profile = profileScope.current;
    if (profile) profile.meters ??= demand.meters;
    if (scope && options.from) throw fail('usage', 'from', 'it to be given to epochs', 'a source below epochs with it', 'Move it there.');
    const from = scope ? scope.from : options.from;
    const counters = {
      epoch: scope?.epoch ?? options.epoch ?? from?.epoch ?? 0,
      seed: scope?.seed ?? options.seed ?? from?.seed ?? 0,
    };
    const after = resumedIn(counters, from, order);
    if (scope && after) scope.resumed = (scope.resumed ?? 0) + 1;
    const rest = after ? restBehind(after) : wholeEpoch;
    const stamp: Stamp = { ...counters, order, ...(after && { after }) };
    const gate = new Gate(demand);
    const stop = new AbortController();
    // Registered before the loop starts: the sample that makes a `take` unsubscribe may be the first one.
    subscriber.add(() => {
      stop.abort();
      gate.open();
    });
    const reading = { ...counters, ...rest, start: jumps ? rest.start : 0 };
    void flow(() => read(reading, stop.signal), { stamp, rest, first: reading.start }, demand, gate, subscriber);
  });
}

type Stamp = Pick<Sample, 'epoch' | 'seed' | 'order' | 'after'>;

async function flow(
  start: () => FoundOnes,
  { stamp, rest, first }: { readonly stamp: Stamp; readonly rest: Rest; readonly first: number },
  demand: Demand,
  gate: Gate,
  subscriber: Subscriber<Sample>,
): Promise<void> {
  const meter = demand.meters.stage('source');
  meter.runs = 'alone';
  let iterator: Finding | undefined;
  let turnEnds = performance.now() + turnMs;
  let next = first;
  try {
    await null;
    while (!subscriber.closed) {
      const asked = performance.now();
      if (!demand.room) {
        meter.stands('downstream');
        while (!demand.room && !subscriber.closed) await gate.whenRoom();
        meter.works();
        if (subscriber.closed) break;
      } else if (asked > turnEnds) {
        await nextTurn();
        turnEnds = performance.now() + turnMs;
        continue;
      }
      const lease = demand.enter();
      try {
        const began = performance.now();
        const outer = charge(meter.main);
        let pending: ReturnType<(typeof iterator & object)['next']>;
        try {
          iterator ??= begin(start());
          pending = iterator.next();
        } finally {
          charge(outer);
        }
        const result = 'then' in pending ? await pending : pending;
        const tookMs = performance.now() - began;
        meter.busyMs += tookMs;
        if (subscriber.closed) break;
        if (result.done) {
          iterator = undefined;
          break;
        }
        const position = next++;
        if (!result.value || !rest.wanted(position)) continue;
        const { key, label, index, picture, boxes, fault } = result.value;
        meter.pass(1, tookMs);
        meter.bytes += bytesIn(picture);
        const { epoch } = stamp;
        demand.meters.trace?.add({
          ...{ track: 'source', kind: 'stage', name: 'source', beganMs: began, endedMs: began + tookMs },
          sample: { epoch, index, key },
        });
        const own = charge(meter.behind);
        try {
          subscriber.next({
            key,
            label,
            index,
            ...stamp,
            position,
            picture,
            ...(boxes && { boxes }),
            ...(fault !== undefined && { fault }),
            lease,
          });
        } finally {
          charge(own);
        }
      } finally {
        lease.release();
      }
    }
    // Before completing, so that whoever subscribes next finds the files of this reading closed.
    await iterator?.return?.();
    subscriber.complete();
  } catch (error) {
    // After unsubscribing this is only the reader saying that it was stopped; a closed subscriber ignores it.
    subscriber.error(error);
  }
}

function begin(found: FoundOnes): Finding {
  return Symbol.asyncIterator in found ? found[Symbol.asyncIterator]() : found[Symbol.iterator]();
}

/** Waits for room, or until it is opened for good because the subscriber left. */
class Gate {
  #wake: (() => void) | undefined;
  #opened = false;
  constructor(private readonly demand: Demand) {}
  open(): void {
    this.#opened = true;
    this.#wake?.();
  }
  whenRoom(): Promise<void> {
    if (this.#opened) return Promise.resolve();
    // Not Promise.race with one long-lived promise: that would keep a reaction for every sample of the epoch.
    return new Promise(resolve => {
      this.#wake = resolve;
      void this.demand.whenRoom().then(resolve);
    });
  }
}

/** What the source read of it; files and ranges are read by workers. */
function bytesIn(picture: Sample['picture']): number {
  if (picture.kind === 'encoded') return picture.bytes.length;
  return picture.kind === 'raw' ? picture.pixels.length : 0;
}
