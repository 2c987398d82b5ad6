import { lighting } from './augment/color.ts';
import { erase, erasedRegion } from './augment/erase.ts';
import { unrolled } from './geometry.ts';
import { mixPixels } from './mixture.ts';
import type { RawPixels } from './rawPixels.ts';
import type { Batch, Transform } from './sample.ts';

/** What is still to be done to pixels, in this order: it is left to the device, which does it while it converts them to floats. */
export interface PixelEdit {
  /** As `PixelOp`'s `lighting`. */
  readonly light?: readonly [number, number, number];
  /** A rectangle, and the bytes in it: one for each channel, or one for all. */
  readonly erased?: {
    readonly top: number;
    readonly left: number;
    readonly height: number;
    readonly width: number;
    readonly value: readonly number[];
  };
}

/** Transforms in two parts: what has to be done where a picture is decoded, and then what the device can do as well. */
export interface Divided {
  readonly now: readonly Transform[];
  readonly later: readonly Transform[];
}

/**
 * The device can take the end of a list: one change of the light, and then one rectangle with constant values. What comes before
 * another transform stays before it.
 */
export function divide(transforms: readonly Transform[], channels: 1 | 3): Divided {
  const last = transforms.at(-1);
  if (last?.kind !== 'erase' && last?.kind !== 'pixels' && last?.kind !== 'sequence') return { now: transforms, later: [] };
  const now: Transform[] = transforms.flatMap(unrolled);
  const later: Transform[] = [];
  const erasing = now.at(-1);
  if (erasing?.kind === 'erase' && erasing.fill.kind === 'constant') later.unshift(now.pop()!);
  const changing = now.at(-1);
  if (changing?.kind === 'pixels' && changing.ops.at(-1)?.op === 'lighting' && channels === 3) {
    now.pop();
    if (changing.ops.length > 1) now.push({ kind: 'pixels', ops: changing.ops.slice(0, -1) });
    later.unshift({ kind: 'pixels', ops: changing.ops.slice(-1) });
  }
  return { now, later };
}

/** What `later` means for pixels of this size; undefined if that is nothing. */
export function pixelEdit(later: readonly Transform[], size: { readonly height: number; readonly width: number }): PixelEdit | undefined {
  let edit: PixelEdit | undefined;
  for (const transform of later) {
    if (transform.kind === 'pixels' && transform.ops[0]?.op === 'lighting') edit = { ...edit, light: transform.ops[0].offsets };
    if (transform.kind !== 'erase' || transform.fill.kind !== 'constant') continue;
    const region = erasedRegion(size, transform);
    if (region) edit = { ...edit, erased: { ...region, value: transform.fill.value } };
  }
  return edit;
}

/** The same as the device does, to the byte. Without an edit the pixels as they are. */
export function editPixels(image: RawPixels, edit: PixelEdit | undefined): RawPixels {
  const lit = edit?.light ? lighting(image, edit.light) : image;
  return edit?.erased ? erase(lit, edit.erased, { kind: 'constant', value: edit.erased.value }) : lit;
}

/**
 * Sample i of a batch as the model sees it before normalisation, uint8 [H,W,C], with all that is left to the device: what `edits` and
 * `mixture` say. Where it is blended it is to the nearest byte, which the device does not round to. A view on its cell where there is nothing to do.
 */
export function shownPixels(batch: Omit<Batch, 'lease'>, i: number): Uint8Array {
  const { cells, edits, mixture, height, width, channels } = batch;
  const edited = (n: number) => editPixels({ data: cells[n]!, height, width, channels }, edits?.[n]).data;
  if (!mixture) return edited(i);
  const out = new Uint8Array(height * width * channels);
  const own = edited(i);
  mixPixels(out, own, edited(mixture.partners[i]!), mixture, i, batch);
  return out;
}
