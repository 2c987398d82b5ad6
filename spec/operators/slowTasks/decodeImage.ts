import type { DecodeInput, DecodeOutput } from '../../../core/tasks/decodeImage.ts';

/** Milliseconds that each part of the work takes: they stand in place of the picture's path. */
export interface Delays {
  readonly read?: number;
  readonly decode?: number;
  readonly augment?: number;
}

/** Sleeps in place of reading, decoding and augmenting: a core that is busy with something else makes it no slower. */
export default function decodeImage({ picture, cell }: DecodeInput): DecodeOutput {
  const { read = 0, decode = 0, augment = 0 } = JSON.parse(picture.kind === 'file' ? picture.path : '{}') as Delays;
  const [readMs, , augmentMs] = [sleep(read), sleep(decode), sleep(augment)];
  const larger = cell.byteLength < bytes ? new SharedArrayBuffer(bytes) : undefined;
  return { ok: true, height: side, width: side, channels: 3, upright: { height: side, width: side }, larger, times: { readMs, augmentMs } };
}
const side = 8;
const bytes = side * side * 3;

function sleep(ms: number): number {
  const began = performance.now();
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  return performance.now() - began;
}
