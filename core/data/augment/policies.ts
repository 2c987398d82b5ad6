import type { Transform } from '../sample.ts';
import type { Augmentation } from '../transforms.ts';
import type { Affine, Interpolation } from './affine.ts';
import { wrong } from './arguments.ts';
import type { PixelOp } from './pixelOp.ts';

export interface TrivialAugmentWideOptions {
  /** Steps in which magnitudes are drawn. */
  readonly bins?: number;
  readonly interpolation?: Interpolation;
}
export interface RandAugmentOptions extends TrivialAugmentWideOptions {
  /** Ops an image, one after the other. */
  readonly ops?: number;
  /** Of all ops; from 0 to below `bins`. */
  readonly magnitude?: number;
}

/** How one op gets from a bin to a transform. */
interface PolicyOp {
  /** The magnitude of a bin; none for ops that have none. */
  readonly magnitude?: (bin: number, bins: number) => number;
  /** Whether a magnitude may as well be negative. */
  readonly signed?: boolean;
  readonly transform: (magnitude: number, interpolation: Interpolation) => Transform | undefined;
}

/**
 * One op of fourteen with a random magnitude: torchvision's TrivialAugmentWide (Müller and Hutter 2021, "TrivialAugment:
 * tuning-free yet state-of-the-art data augmentation"). Zeros come in from outside.
 */
export function trivialAugmentWide({ bins = 31, interpolation = 'nearest' }: TrivialAugmentWideOptions = {}): Augmentation {
  checkPolicy('trivialAugmentWide', bins, interpolation);
  const ops = opsOf({ shear: 0.99, translate: 32, translateUnit: 'pixels', rotate: 135, factor: 0.99, fewestBits: 2 });
  return {
    name: `trivialAugmentWide(${bins} bins, ${interpolation})`,
    draw: random => drawOp(ops, random, u => Math.floor(u * bins), bins, interpolation),
  };
}

/**
 * Ops of the same fourteen, all with the same magnitude: torchvision's RandAugment (Cubuk et al. 2020, "RandAugment: practical
 * automated data augmentation with a reduced search space"). Zeros come in from outside.
 */
export function randAugment({
  ops: count = 2,
  magnitude = 9,
  bins = 31,
  interpolation = 'nearest',
}: RandAugmentOptions = {}): Augmentation {
  const where = 'randAugment';
  checkPolicy(where, bins, interpolation);
  if (!Number.isInteger(count) || count < 1) throw wrong(where, 'ops to be a whole number, 1 or more', count);
  if (!Number.isInteger(magnitude) || magnitude < 0 || magnitude >= bins) {
    throw wrong(where, `magnitude to be a whole number from 0 to ${bins - 1}, below bins`, magnitude);
  }
  const ops = opsOf({ shear: 0.3, translate: 150 / 331, translateUnit: 'shares', rotate: 30, factor: 0.9, fewestBits: 4 });
  return {
    name: `randAugment(${count} ops, magnitude ${magnitude} of ${bins}, ${interpolation})`,
    draw(random) {
      const transforms = Array.from({ length: count }, () => drawOp(ops, random, () => magnitude, bins, interpolation));
      return { kind: 'sequence', transforms: transforms.filter(each => each !== undefined) };
    },
  };
}

/** Three random numbers an op: which, its magnitude, its sign. */
function drawOp(
  ops: readonly PolicyOp[],
  random: () => number,
  binOf: (u: number) => number,
  bins: number,
  interpolation: Interpolation,
): Transform | undefined {
  const op = ops[Math.floor(random() * ops.length)];
  const bin = binOf(random());
  const negative = random() >= 0.5;
  const magnitude = op.magnitude?.(bin, bins) ?? 0;
  return op.transform(op.signed && negative ? -magnitude : magnitude, interpolation);
}

interface Reach {
  readonly shear: number;
  readonly translate: number;
  readonly translateUnit: 'pixels' | 'shares';
  /** Degrees. */
  readonly rotate: number;
  readonly factor: number;
  readonly fewestBits: number;
}

/** The fourteen ops in torchvision's order. */
function opsOf({ shear, translate, translateUnit, rotate, factor, fewestBits }: Reach): readonly PolicyOp[] {
  const signed = (most: number, transform: PolicyOp['transform']): PolicyOp => ({
    magnitude: (bin, bins) => linspace(0, most, bins, bin),
    signed: true,
    transform,
  });
  const pixels = (op: PixelOp): Transform => ({ kind: 'pixels', ops: [op] });
  const byFactor = (op: 'brightness' | 'contrast' | 'saturation' | 'sharpness') => signed(factor, m => pixels({ op, factor: 1 + m }));
  const moved = (move: Omit<Affine, 'interpolation'>, interpolation: Interpolation): Transform => ({
    kind: 'affine',
    interpolation,
    ...move,
  });
  const degrees = (slope: number): number => (Math.atan(slope) * 180) / Math.PI;
  return [
    { transform: () => undefined },
    signed(shear, (m, how) => moved({ shear: [degrees(m), 0], center: 'corner' }, how)),
    signed(shear, (m, how) => moved({ shear: [0, degrees(m)], center: 'corner' }, how)),
    signed(translate, (m, how) => moved({ translate: [m, 0], unit: translateUnit, center: 'middle' }, how)),
    signed(translate, (m, how) => moved({ translate: [0, m], unit: translateUnit, center: 'middle' }, how)),
    // torchvision's rotate turns the other way round than its affine
    signed(rotate, (m, how) => moved({ angle: -m, center: 'middle' }, how)),
    byFactor('brightness'),
    byFactor('saturation'),
    byFactor('contrast'),
    byFactor('sharpness'),
    {
      magnitude: (bin, bins) => 8 - Math.round(bin / ((bins - 1) / (8 - fewestBits))),
      transform: bits => pixels({ op: 'posterize', bits }),
    },
    { magnitude: (bin, bins) => linspace(255, 0, bins, bin), transform: threshold => pixels({ op: 'solarize', threshold }) },
    { transform: () => pixels({ op: 'autocontrast' }) },
    { transform: () => pixels({ op: 'equalize' }) },
  ];
}

/** torch.linspace in 32-bit floats, which counts from the nearer end. */
function linspace(first: number, last: number, steps: number, i: number): number {
  const f32 = Math.fround;
  const step = f32(f32(f32(last) - f32(first)) / (steps - 1));
  return i < steps / 2 ? f32(f32(first) + f32(step * i)) : f32(f32(last) - f32(step * (steps - 1 - i)));
}

function checkPolicy(where: string, bins: number, interpolation: Interpolation): void {
  if (!Number.isInteger(bins) || bins < 2) throw wrong(where, 'bins to be a whole number, 2 or more', bins);
  if (interpolation !== 'nearest' && interpolation !== 'bilinear')
    throw wrong(where, "interpolation to be 'nearest' or 'bilinear'", interpolation);
}
