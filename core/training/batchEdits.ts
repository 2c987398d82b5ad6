import { lightBias } from '../data/augment/color.ts';
import type { Batch } from '../data/sample.ts';
import { editSlot, editsLength, fillSlot } from '../program/edits.ts';

type Edited = Pick<Batch, 'edits' | 'mixture' | 'count' | 'channels'>;

/** Whether the device has to change anything in a batch's pixels. */
export const isEdited = ({ edits, mixture }: Edited): boolean => mixture !== undefined || edits !== undefined;

/** Writes the tensor `edits` (`core/program/edits.ts`) for a batch; images beyond its count stay as they are. */
export function fillEdits(target: Float32Array, { edits, mixture, count, channels }: Edited): void {
  const length = editsLength(channels);
  target.fill(0);
  for (let i = 0, at = 0; at < target.length; i++, at += length) {
    target[at + editSlot.share] = 1;
    target[at + editSlot.partner] = i;
    const { light, erased } = (i < count && edits?.[i]) || {};
    for (let c = 0; c < channels; c++) target[at + editSlot.light + c] = lightBias(light?.[c] ?? 0);
    if (erased) {
      target.set(rectangle(erased), at + editSlot.erased);
      const fill = Uint8ClampedArray.from({ length: channels }, (_, c) => erased.value[c % erased.value.length]!);
      target.set(fill, at + fillSlot(channels));
    }
    if (!mixture || i >= count) continue;
    target[at + editSlot.partner] = mixture.partners[i]!;
    if (mixture.box) target.set(rectangle(mixture.box), at + editSlot.cut);
    else {
      target[at + editSlot.share] = mixture.shares[i]!;
      target[at + editSlot.rest] = 1 - mixture.shares[i]!;
    }
  }
}

const rectangle = ({ top, left, height, width }: NonNullable<NonNullable<Batch['mixture']>['box']>): number[] => [
  top,
  left,
  top + height,
  left + width,
];
