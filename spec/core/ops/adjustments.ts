import type { DeviceOp } from '../../../core/data/augment/pixelOp.ts';
import type { PixelEdit } from '../../../core/data/pixelEdit.ts';
import { uniforms } from '../../../core/random.ts';

/** Edits of every kind for images of this size: some with nothing, some with eight ops. */
export function randomPixelEdits(
  count: number,
  { height, width, channels }: Record<'height' | 'width' | 'channels', number>,
  seed: number,
): (PixelEdit | undefined)[] {
  const random = uniforms(seed);
  const below = (end: number) => Math.floor(random() * end);
  const makers: readonly (() => DeviceOp)[] = [
    () => ({ op: 'brightness', factor: 2 * random() }),
    () => ({ op: 'saturation', factor: 2 * random() }),
    () => ({ op: 'hue', shift: random() - 0.5 }),
    () => ({ op: 'posterize', bits: below(9) }),
    () => ({ op: 'solarize', threshold: 256 * random() }),
    () => ({ op: 'grayscale' }),
    ...(channels === 3 ? [(): DeviceOp => ({ op: 'lighting', offsets: [random() - 0.5, random() - 0.5, random() - 0.5] })] : []),
  ];
  return Array.from({ length: count }, (_, i) => {
    if (i % 5 === 4) return undefined;
    const ops = Array.from({ length: below(9) }, () => makers[below(makers.length)]!());
    if (ops.length > 0 && random() < 0.6) ops[below(ops.length)] = { op: 'contrast', factor: 2 * random() };
    const [top, left] = [below(height), below(width)];
    const region = { top, left, height: 1 + below(height - top), width: 1 + below(width - left) };
    const noise = { kind: 'noise', seed: below(2 ** 32), mean: [0.485, 0.456, 0.406], std: [0.229, 0.3 * random(), 0] } as const;
    const fill = random() < 0.6 ? noise : ({ kind: 'constant', value: [1, 2.6, 300] } as const);
    return { ...(ops.length > 0 && { ops }), ...(random() < 0.6 && { erased: { ...region, fill } }) };
  });
}
