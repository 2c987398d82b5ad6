import { fail } from '../errors.ts';
import { hash, purpose } from '../random.ts';
import type { Sample } from './sample.ts';

/**
 * Where a pipeline stands: behind one sample. These numbers suffice to go on there, bit for bit (`from` of a source or of
 * `epochs`); batches, steps and the samples of `pixels` carry them as `state`.
 */
export interface PipelineState {
  readonly seed: number;
  readonly epoch: number;
  /** Place of that sample in the order in which the source visits the epoch; -1 before the first. */
  readonly position: number;
  /** What `position` counts in: the order in which the source visits the epoch. States of earlier versions do not say. */
  readonly order?: 'natural' | 'random';
  /** Of `shuffle`, if there was one: tells what had come out of it. `severalShuffles` if there was more than one. */
  readonly buffer?: number;
  /** Of `shard`, if there was one: the sample's place in the order over all ranks. */
  readonly turn?: number;
  /** With onError 'replace': position of the good sample that a bad one would be replaced by. */
  readonly good?: number;
  /** Samples of the epoch that have arrived, bad ones too, and batches of it; by default none before. */
  readonly consumed?: number;
  readonly batches?: number;
}

/** In place of a state's `buffer`: what had come out of several of them does not follow from one position. */
export const severalShuffles = 0;

/** The part of an epoch behind a state. */
export interface Rest {
  /** The first position of it. */
  readonly start: number;
  wanted(position: number): boolean;
}

export const wholeEpoch: Rest = { start: 0, wanted: () => true };

/** The rank of a sample in its block of the shuffle: the lower goes first, equal ones by position. */
export function shuffleRank(seed: number, epoch: number, position: number): number {
  return hash(seed, epoch, position, purpose.shuffle);
}

/**
 * What is left of an epoch. Nothing has to be looked up: how `shuffle` orders a block follows from positions alone. A sample that
 * may have to stand in for a bad one is visited again, see `isReplay`.
 */
export function restBehind({ seed, epoch, position, buffer = 1, good }: PipelineState): Rest {
  const block = Math.floor(position / buffer);
  const rank = shuffleRank(seed, epoch, position);
  const follows = (other: number): boolean => {
    const otherBlock = Math.floor(other / buffer);
    if (position < 0 || otherBlock !== block) return otherBlock > block;
    const otherRank = shuffleRank(seed, epoch, other);
    return otherRank > rank || (otherRank === rank && other > position);
  };
  // without a shuffle the sample itself is behind us
  const start = Math.max(0, buffer === 1 ? position + 1 : block * buffer);
  return good === undefined
    ? { start, wanted: follows }
    : { start: Math.min(start, good), wanted: other => other === good || follows(other) };
}

/** The sample that a resumed epoch begins with only so that bad ones can be replaced by it: it was delivered before. */
export function isReplay({ position, after }: Pick<Sample, 'position' | 'after'>): boolean {
  return after !== undefined && position === after.good;
}

/** A source that has fewer samples than a state is behind cannot be the one that the state was taken with. */
export function checkReaches(where: string, count: number, start: number): void {
  if (start <= count) return;
  const fix = 'Go on with the data that the state was taken with.';
  throw fail('data', where, `at least the ${start} samples that the state is behind`, String(count), fix);
}

/** The state that a source goes on from in this epoch, if it is the one. */
export function resumedIn(
  { seed, epoch }: { readonly seed: number; readonly epoch: number },
  from: PipelineState | undefined,
  order?: PipelineState['order'],
): PipelineState | undefined {
  if (!from) return undefined;
  if (seed !== from.seed) {
    const fix = 'Give the seed that the state was taken with, or leave it out.';
    throw fail('usage', 'from', `a state of seed ${seed}, as the pipeline has`, `one of seed ${from.seed}`, fix);
  }
  if (epoch < from.epoch) {
    const fix = "Begin with the state's epoch: those before it are done.";
    throw fail('usage', 'from', `a state of epoch ${epoch} or before`, `one of epoch ${from.epoch}`, fix);
  }
  if (from.buffer === severalShuffles && from.position >= 0) {
    const fix = 'Go on at the beginning of an epoch (from: { seed, epoch, position: -1 }), or shuffle once, with a larger buffer.';
    throw fail('usage', 'from', 'a state from behind at most one shuffle', 'one from behind several', fix);
  }
  if (epoch !== from.epoch) return undefined;
  if (order && from.order && order !== from.order && from.position >= 0) {
    const fix = `Ask the source for order: '${from.order}', or go on at the beginning of an epoch.`;
    throw fail('usage', 'from', `a state of the order '${order}', in which the source is read`, `one of '${from.order}'`, fix);
  }
  return from;
}
