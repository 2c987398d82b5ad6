import { editSlot, editsLength } from '../../../core/program/edits.ts';
import { uniforms } from '../../../core/random.ts';
import type { Shape } from '../../../core/shape.ts';
import { fillEdits } from '../../../core/training/batchEdits.ts';
import { randomPixelEdits } from './adjustments.ts';

/** What is to be done to one image. */
export interface ImageEdits {
  readonly share: number;
  readonly partner: number;
  readonly cut: readonly number[];
  readonly erased: readonly number[];
  readonly fill: readonly number[];
}

/** Edits without ops and noise for images [N,H,W,C]: a third of them each with, and without, and the first image with none. */
export function randomEdits([N, H, W, C]: Shape, seed: number): { images: ImageEdits[]; values: Float32Array } {
  const random = uniforms(seed);
  const below = (end: number) => Math.floor(random() * end);
  const box = () => {
    if (random() < 0.3) return [0, 0, 0, 0];
    const [top, left] = [below(H), below(W)];
    return [top, left, top + 1 + below(H - top), left + 1 + below(W - left)];
  };
  const channels = <T>(of: () => T): T[] => Array.from({ length: C }, of);
  const values = new Float32Array(N * editsLength(C));
  const images = Array.from({ length: N }, (_, n): ImageEdits => {
    const one: ImageEdits =
      n === 0
        ? { share: 1, partner: 0, cut: [0, 0, 0, 0], erased: [0, 0, 0, 0], fill: channels(() => 0) }
        : {
            share: random() < 0.3 ? 1 : Math.fround(random()),
            partner: below(N),
            cut: box(),
            erased: box(),
            fill: channels(() => below(256)),
          };
    const { share, partner, cut, erased, fill } = one;
    values.set([share, 1 - share, partner, ...cut, ...erased], n * editsLength(C) + editSlot.share);
    values.set(fill, n * editsLength(C) + editSlot.fill);
    return one;
  });
  return { images, values };
}

/** The same with ops and noise. */
export function randomAdjustments(shape: Shape, seed: number): Float32Array {
  const [N, height, width, channels] = shape;
  const { values } = randomEdits(shape, seed);
  const rows = new Float32Array(values.length);
  fillEdits(rows, { edits: randomPixelEdits(N, { height, width, channels }, seed), count: N, channels });
  // mixed as there
  for (let n = 0; n < N; n++)
    rows.set(values.subarray(n * editsLength(channels), n * editsLength(channels) + editSlot.erased), n * editsLength(channels));
  return rows;
}
