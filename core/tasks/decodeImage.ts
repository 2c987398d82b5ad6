import { decodeBySharp, plainReason, type SharpOptions } from '../data/decodeBySharp.ts';
import { decodeJpeg } from '../data/decodeJpeg.ts';
import type { Size } from '../data/geometry.ts';
import { ImageMemory } from '../data/imageMemory.ts';
import { jpegFrame } from '../data/jpegFrame.ts';
import { type Planned, plan } from '../data/planned.ts';
import { applySteps, withChannels } from '../data/rawPixels.ts';
import { borrowedBytes } from '../data/readPicture.ts';
import { type ShrinkOnLoad, whatToDecode } from '../data/reduction.ts';
import type { Picture } from '../data/sample.ts';
import { decodeSmallPng } from '../data/smallPng.ts';

export interface DecodeInput extends SharpOptions {
  readonly picture: Picture;
  readonly channels: 1 | 3;
  /** When JPEGs may be decoded at a half, a quarter or an eighth of their size; by default where a crop was drawn at random. */
  readonly shrinkOnLoad?: ShrinkOnLoad;
  /** Where the pixels go if they fit. */
  readonly cell: SharedArrayBuffer;
}
export type DecodeOutput =
  | {
      readonly ok: true;
      readonly height: number;
      readonly width: number;
      readonly channels: number;
      /** Of the picture before any transform, turned as EXIF says. */
      readonly upright: Size;
      /** A larger cell in place of the given one. */
      readonly larger?: SharedArrayBuffer;
      /** What is wrong with it, although there are pixels. */
      readonly warning?: string;
      /** What decoded it, and why nothing faster did: `built-in JPEG`, `built-in JPEG at 1/4`, `sharp (progressive)`; none for raw pixels. */
      readonly decoder?: string;
      /** Parts of the task's time that belong to other stages. */
      readonly times?: TaskShares;
    }
  | { readonly ok: false; readonly reason: string };

export interface TaskShares {
  /** Bytes from a file. */
  readonly readMs: number;
  /** Transforms; without what decoding a part of the picture only has saved. */
  readonly augmentMs: number;
}

interface Decoded extends Planned {
  readonly decoder?: string;
  readonly readMs?: number;
}

/** One a thread. What lies there is gone with the next image, so nothing is waited for between decoding and copying to the cell. */
let ownMemory: ImageMemory | undefined;

/**
 * Picture → uint8 [H,W,C] in shared memory, with the transforms applied in their order. Runs in a worker.
 *
 * The common kind of JPEG is decoded by our own routine, which gives libjpeg's bytes at a third of what a call of sharp costs, since it writes
 * to memory that it keeps and transforms only the blocks of the crop. What it does not take, or finds anything wrong with, and all else goes to
 * sharp (small plain PNGs aside, which cost less than calling it). The transforms are our own (core/data/resample.ts says why).
 * `spec/operators/oddFiles.spec.ts` has a table of what comes out.
 */
export default async function decodeImage(input: DecodeInput): Promise<DecodeOutput> {
  try {
    ownMemory ??= new ImageMemory();
    const memory = ownMemory;
    memory.reset();
    const { picture } = input;
    if (picture.kind === 'raw') {
      const { pixels: data, height, width, channels } = picture;
      return finish({ image: { data, height, width, channels }, ...plan(picture, input) }, input, memory);
    }
    const began = performance.now();
    const file = borrowedBytes(picture);
    const readMs = picture.kind === 'encoded' ? 0 : performance.now() - began;
    if (file.length === 0) throw new Error('it is empty (0 bytes)');
    const decoded = decodeAtOnce(file, input, memory);
    if (typeof decoded !== 'string') return finish({ ...decoded, readMs }, input, memory);
    // what was borrowed goes to the next call
    const slow = await decodeBySharp(picture.kind === 'encoded' ? file : Uint8Array.from(file), input);
    memory.reset();
    return finish({ ...slow, decoder: `sharp (${decoded})`, readMs }, input, memory);
  } catch (error) {
    return { ok: false, reason: plainReason(error) };
  }
}

/** What needs no waiting: small PNGs and common JPEGs. In a few words why a picture is none of these. */
function decodeAtOnce(file: Uint8Array, input: DecodeInput, memory: ImageMemory): Decoded | string {
  const small = decodeSmallPng(file);
  if (small && small.height * small.width <= input.pixelLimit) return { image: small, ...plan(small, input), decoder: 'built-in PNG' };
  const frame = jpegFrame(file);
  if (typeof frame === 'string') return frame;
  if (frame.height * frame.width > input.pixelLimit) return 'large';
  const { region, steps, upright, reduction } = whatToDecode(plan(frame, input), input.transforms, input.shrinkOnLoad);
  const image = decodeJpeg(file, frame, region, memory, reduction);
  if (typeof image === 'string') return image;
  return { image, steps, upright, decoder: reduction === 1 ? 'built-in JPEG' : `built-in JPEG at 1/${reduction}` };
}

function finish(
  { image, steps, upright, warning, decoder, readMs = 0 }: Decoded,
  { channels, cell }: DecodeInput,
  memory: ImageMemory,
): DecodeOutput {
  const began = performance.now();
  const out = withChannels(applySteps(image, steps, channels, memory), channels);
  const times = { readMs, augmentMs: performance.now() - began };
  const { height, width, data } = out;
  const bytes = height * width * out.channels;
  const larger = bytes > cell.byteLength ? new SharedArrayBuffer(bytes) : undefined;
  new Uint8Array(larger ?? cell, 0, bytes).set(data);
  return {
    ok: true,
    height,
    width,
    channels: out.channels,
    upright,
    larger,
    times,
    ...(warning && { warning }),
    ...(decoder && { decoder }),
  };
}
