import { erase, erasedRegion, type Fill } from './augment/erase.ts';
import { applyPixelOp, type DeviceOp, isDeviceOp, type PixelOp } from './augment/pixelOp.ts';
import { unrolled } from './geometry.ts';
import { mixPixels } from './mixture.ts';
import type { RawPixels } from './rawPixels.ts';
import type { Batch, Transform } from './sample.ts';

/** As many ops an image, and as many of them change the contrast, since every one waits for a sum over the image. */
export const mostDeviceOps = 8;
const mostContrasts = 1;

/** What is still to be done to pixels, in this order: it is left to the device, which does it while it converts them to floats. */
export interface PixelEdit {
  readonly ops?: readonly DeviceOp[];
  readonly erased?: {
    readonly top: number;
    readonly left: number;
    readonly height: number;
    readonly width: number;
    readonly fill: Fill;
  };
}

/** Transforms in two parts: what has to be done where a picture is decoded, and then what the device can do as well. */
export interface Divided {
  readonly now: readonly Transform[];
  readonly later: readonly Transform[];
}

/**
 * An op is left to the device only if nothing after it has to be done where the picture is decoded. So the device takes the end of a list as
 * far as it goes: ops on single pixels (`DeviceOp`), up to eight with one contrast among them, and behind them one erased rectangle.
 */
export function divide(transforms: readonly Transform[], channels: 1 | 3): Divided {
  const last = transforms.at(-1);
  if (last?.kind !== 'erase' && last?.kind !== 'pixels' && last?.kind !== 'sequence') return { now: transforms, later: [] };
  const now: Transform[] = transforms.flatMap(unrolled);
  const later: Transform[] = [];
  if (now.at(-1)?.kind === 'erase') later.push(now.pop()!);
  const ops: DeviceOp[] = [];
  for (let changing = now.at(-1); changing?.kind === 'pixels'; changing = now.at(-1)) {
    const kept = changing.ops.slice();
    while (isLeft(kept.at(-1), ops, channels)) ops.unshift(kept.pop() as DeviceOp);
    now.pop();
    if (kept.length === 0) continue;
    now.push({ kind: 'pixels', ops: kept });
    break;
  }
  if (ops.length > 0) later.unshift({ kind: 'pixels', ops });
  return { now, later };
}

/** Whether an op can be done on the device before `others`. Light in a grey image is an error, for the host to find. */
function isLeft(op: PixelOp | undefined, others: readonly DeviceOp[], channels: 1 | 3): boolean {
  if (!op || !isDeviceOp(op) || others.length === mostDeviceOps) return false;
  if (op.op === 'lighting' && channels !== 3) return false;
  return op.op !== 'contrast' || others.filter(each => each.op === 'contrast').length < mostContrasts;
}

/** What `later` means for pixels of this size; undefined if that is nothing. */
export function pixelEdit(later: readonly Transform[], size: { readonly height: number; readonly width: number }): PixelEdit | undefined {
  let edit: PixelEdit | undefined;
  for (const transform of later) {
    if (transform.kind === 'pixels') edit = { ...edit, ops: transform.ops.filter(isDeviceOp) };
    if (transform.kind !== 'erase') continue;
    const region = erasedRegion(size, transform);
    if (region) edit = { ...edit, erased: { ...region, fill: transform.fill } };
  }
  return edit;
}

/** The same as the device does, to the byte. Without an edit the pixels as they are. */
export function editPixels(image: RawPixels, edit: PixelEdit | undefined): RawPixels {
  const changed = edit?.ops ? edit.ops.reduce<RawPixels>(applyPixelOp, image) : image;
  return edit?.erased ? erase(changed, edit.erased, edit.erased.fill) : changed;
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
