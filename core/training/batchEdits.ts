import type { Batch } from '../data/sample.ts';
import { editSlot, editsLength } from '../program/edits.ts';

/** Whether the device has to change anything in a batch's pixels. */
export const isEdited = ({ mixture }: Pick<Batch, 'mixture'>): boolean => mixture !== undefined;

/** Writes the tensor `edits` (`core/program/edits.ts`) for a batch; images beyond its count stay as they are. */
export function fillEdits(edits: Float32Array, { mixture, count, channels }: Pick<Batch, 'mixture' | 'count' | 'channels'>): void {
  const length = editsLength(channels);
  edits.fill(0);
  for (let i = 0, at = 0; at < edits.length; i++, at += length) {
    edits[at + editSlot.share] = 1;
    edits[at + editSlot.partner] = i;
    edits.fill(0.5, at + editSlot.light, at + editSlot.light + channels);
    if (!mixture || i >= count) continue;
    edits[at + editSlot.partner] = mixture.partners[i]!;
    if (mixture.box) {
      const { top, left, height, width } = mixture.box;
      edits.set([top, left, top + height, left + width], at + editSlot.cut);
    } else {
      edits[at + editSlot.share] = mixture.shares[i]!;
      edits[at + editSlot.rest] = 1 - mixture.shares[i]!;
    }
  }
}
