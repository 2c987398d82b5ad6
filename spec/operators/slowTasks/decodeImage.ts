import type { DecodeInput, DecodeOutput } from '../../../core/tasks/decodeImage.ts';

/** Milliseconds that each part of the work takes: they stand in place of the picture's path. */
export interface Delays {
  readonly read?: number;
  readonly decode?: number;
  readonly augment?: number;
  /** Rounds of arithmetic that a core does in a millisecond: decoding and augmenting compute for so long instead of sleeping. */
  readonly roundsPerMs?: number;
  /** Of the picture that comes out; by default 8. */
  readonly side?: number;
}

/** Takes its time in place of reading, decoding and augmenting. While it sleeps, a core that is busy with something else makes it no slower. */
export default function decodeImage({ picture, cell }: DecodeInput): DecodeOutput {
  const { read = 0, decode = 0, augment = 0, roundsPerMs, side = 8 } = JSON.parse(picture.kind === 'file' ? picture.path : '{}') as Delays;
  const work = roundsPerMs ? (ms: number) => compute(ms * roundsPerMs) : sleep;
  const [readMs, , augmentMs] = [sleep(read), work(decode), work(augment)];
  const bytes = side * side * 3;
  const larger = cell.byteLength < bytes ? new SharedArrayBuffer(bytes) : undefined;
  return { ok: true, height: side, width: side, channels: 3, upright: { height: side, width: side }, larger, times: { readMs, augmentMs } };
}

function sleep(ms: number): number {
  const began = performance.now();
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  return performance.now() - began;
}

/** So many rounds, however long a busy machine takes for them. Returns how long. */
export function compute(rounds: number): number {
  const began = performance.now();
  let value = 1;
  for (let round = 0; round < rounds; round++) value = (Math.imul(value, 1664525) + 1013904223) | 0;
  return value === 0.5 ? 0 : performance.now() - began;
}
