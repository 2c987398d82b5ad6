import { lightBias } from '../data/augment/color.ts';
import { noiseTerms } from '../data/augment/erase.ts';
import { noiseKeys } from '../data/augment/noise.ts';
import type { DeviceOp } from '../data/augment/pixelOp.ts';
import type { PixelEdit } from '../data/pixelEdit.ts';
import type { Batch } from '../data/sample.ts';
import { deviationSlot, editSlot, editsLength, opKind, opLength } from '../program/edits.ts';

type Edited = Pick<Batch, 'edits' | 'mixture' | 'count' | 'channels'>;

/**
 * Which conversion of bytes to floats a batch needs: `toFloat.edited` fills rectangles with constants and mixes, `toFloat.adjusted` does
 * all that a row of edits can say.
 */
export type Conversion = 'toFloat' | 'toFloat.edited' | 'toFloat.adjusted';

export function conversionOf({ edits, mixture }: Edited): Conversion {
  if (edits?.some(edit => edit?.ops || edit?.erased?.fill.kind === 'noise')) return 'toFloat.adjusted';
  return mixture || edits ? 'toFloat.edited' : 'toFloat';
}

/** Writes the tensor `edits` (`core/program/edits.ts`) for a batch; images beyond its count stay as they are. */
export function fillEdits(target: Float32Array, { edits, mixture, count, channels }: Edited): void {
  const length = editsLength(channels);
  target.fill(0);
  for (let i = 0, at = 0; at < target.length; i++, at += length) {
    target[at + editSlot.share] = 1;
    target[at + editSlot.partner] = i;
    if (i >= count) continue;
    const { ops, erased } = edits?.[i] ?? {};
    if (ops) {
      const numbers = ops.flatMap(op => (channels === 3 || !colourOps.has(op.op) ? [numbersOf(op)] : []));
      for (const [k, each] of numbers.entries()) target.set(each, at + editSlot.ops + k * opLength);
    }
    if (erased) fillErased(target.subarray(at, at + length), erased, channels);
    if (!mixture) continue;
    target[at + editSlot.partner] = mixture.partners[i]!;
    if (mixture.box) target.set(rectangle(mixture.box), at + editSlot.cut);
    else {
      target[at + editSlot.share] = mixture.shares[i]!;
      target[at + editSlot.rest] = 1 - mixture.shares[i]!;
    }
  }
}

/** They leave grey images alone. */
const colourOps: ReadonlySet<string> = new Set(['saturation', 'hue', 'grayscale']);

function numbersOf(op: DeviceOp): readonly number[] {
  switch (op.op) {
    case 'brightness':
    case 'contrast':
    case 'saturation':
      return [opKind[op.op], op.factor, 1 - op.factor];
    case 'grayscale':
      return [opKind.saturation, 0, 1];
    case 'hue':
      return [opKind.hue, op.shift];
    case 'posterize':
      return [opKind.posterize, 2 ** (8 - op.bits), 2 ** (op.bits - 8)];
    case 'solarize':
      return [opKind.solarize, op.threshold];
    case 'lighting':
      return [opKind.lighting, ...op.offsets.map(lightBias)];
  }
}

function fillErased(row: Float32Array, { fill, ...region }: NonNullable<PixelEdit['erased']>, channels: number): void {
  row.set(rectangle(region), editSlot.erased);
  if (fill.kind === 'constant') {
    row.set(
      Uint8ClampedArray.from({ length: channels }, (_, c) => fill.value[c % fill.value.length]!),
      editSlot.fill,
    );
    return;
  }
  row.set(
    noiseKeys(fill.seed).flatMap(key => [key >>> 16, key & 0xffff]),
    editSlot.noise,
  );
  for (let c = 0; c < channels; c++) {
    const { deviation, middle } = noiseTerms(fill, c);
    row[editSlot.fill + c] = middle;
    row[deviationSlot(channels) + c] = deviation;
  }
}

const rectangle = ({ top, left, height, width }: NonNullable<NonNullable<Batch['mixture']>['box']>): number[] => [
  top,
  left,
  top + height,
  left + width,
];
