/**
 * 1 × 1 convolutions and their input's gradient by Strassen's method on wasm (`core/assembly/strassen.ts`): 7 products of halves
 * where the definition has 8, which is what a product that runs at the limit of the processor's multiply-adds can gain from.
 *
 * Gathering and packing cost some of that; `npx tsx spec/bench/convs.ts 1x1` with and without `--exact` shows what is left.
 *
 * Rounding: within 1e-4 of the result's RMS against float64 (spec), so a run that asks for exact results goes without.
 */
import type { Variant, VariantLaunch, VariantTerms } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import { four, type WindowPlace } from '../conv2d/geometry.ts';
import type { Fused } from '../fusion.ts';
import type { Tensor } from '../op.ts';
import { align, COLUMNS, part } from './convWasm.ts';
import { wasmLaunch } from './wasmLaunch.ts';

/** Pixels gathered at a time. */
const PIXELS = 12;
/** Channels summed up at a time: half as many fit into a row of a left operand (`PITCH` in the assembly). */
const CHUNK = 1024;
/** Units that keep many threads busy to the end. */
const UNITS = 128;
/** Fewer of what is summed over, pixels or columns do not pay for the sums. */
const FEW = { depth: 64, pixels: 96, columns: 64 } as const;

/** Whether the method is for a product with 1 × 1 filters that sums over `depth` and has `columns`, and faster than the plain one. */
export function strassenApplies(
  { groups, padding }: WindowPlace,
  [R, S]: Shape,
  [N, P, Q]: Shape,
  [depth, columns]: readonly [number, number],
  { exact }: VariantTerms,
): boolean {
  if (exact || R !== 1 || S !== 1 || groups !== 1 || padding !== 0) return false;
  if (depth % 16 !== 0 || columns % 16 !== 0) return false;
  return depth >= FEW.depth && columns >= FEW.columns && N! * P! * Q! >= FEW.pixels;
}

/** One of the two directions. */
interface Product {
  readonly name: string;
  readonly x: Tensor;
  readonly weight: Tensor;
  readonly bias?: Tensor | undefined;
  readonly y: Tensor;
  /** Strides in x and y. */
  readonly down: number;
  readonly up: number;
  /** Whether the filters are transposed. */
  readonly turned: boolean;
  readonly relu: boolean;
}

function launches({ name, x, weight, bias, y, down, up, turned, relu }: Product, scratch: (shape: Shape) => Tensor): VariantLaunch[] {
  const [N, H, W, C] = four(x.shape);
  const [, P, Q, O] = four(y.shape);
  const [height, width] = up > 1 ? [H, W] : [P, Q];
  const allPairs = O / (2 * COLUMNS);
  const allSpans = Math.ceil((N * height * width) / PIXELS);
  const chunk = part(C, CHUNK, 8);
  let pairs = allPairs;
  const units = () => allSpans * Math.ceil(allPairs / pairs);
  while (units() < UNITS && pairs > 8) pairs = part(allPairs, pairs - 1);
  const together = turned ? 1 : 2;
  const packed = scratch([7, allPairs, C / 2, COLUMNS]);
  const finish = (bias ? 1 : 0) + (relu ? 2 : 0);
  return [
    wasmLaunch(`${name}.pack`, {
      routine: 'packSeven',
      units: Math.ceil(allPairs / together) * Math.ceil(C / chunk),
      scratch: 512,
      inputs: [weight],
      output: packed,
      arguments: ([from], to) => [from!, to, C, O, chunk, Number(turned), together],
    }),
    wasmLaunch(name, {
      routine: 'multiplySeven',
      units: units(),
      scratch: multiplyScratch(C, chunk, pairs, O),
      inputs: [x, packed, ...(bias ? [bias] : [])],
      output: y,
      arguments: ([xAt, packedAt, biasAt = 0], yAt) => [
        ...[xAt!, packedAt!, biasAt, yAt, N, H, W, C, P, Q, O, height, width, down, up],
        ...[chunk, pairs, finish],
      ],
    }),
  ];
}

/** The layout at the top of `multiplySeven`. */
const multiplyScratch = (C: number, chunk: number, pairs: number, O: number) =>
  64 * 4 + 192 + pairs * 768 + align(C * 4 + 128) + align(O * 4 + 64) + 7 * Math.ceil(C / chunk) * (6 * 2112 + 64) + 256;

export const strassenForward: Variant<WindowPlace & Fused> = {
  name: 'conv2d/wasm-strassen',
  device: 'wasm',
  fuses: ['relu'],
  applies: (attributes, [, weight], y, terms) => strassenApplies(attributes, weight!, y, [weight![2]!, weight![3]!], terms),
  lower({ attributes: { stride, relu = false }, inputs: [x, weight, bias], output, scratch }) {
    const direction = { down: stride, up: 1, turned: false, relu };
    return launches({ name: 'conv2d.strassen', x: x!, weight: weight!, bias, y: output, ...direction }, scratch);
  },
};

export const strassenInputGradient: Variant<WindowPlace> = {
  name: 'conv2d.inputGradient/wasm-strassen',
  device: 'wasm',
  applies: (attributes, [dy, weight], _, terms) => strassenApplies(attributes, weight!, dy!, [weight![3]!, weight![2]!], terms),
  lower({ attributes: { stride }, inputs: [dy, weight], output, scratch }) {
    const direction = { down: 1, up: stride, turned: true, relu: false };
    return launches({ name: 'conv2d.inputGradient.strassen', x: dy!, weight: weight!, y: output, ...direction }, scratch);
  },
};
