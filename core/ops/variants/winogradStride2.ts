/**
 * conv2d with 3 × 3 filters and stride 2 by Winograd's method on wasm (`core/assembly/winogradStride2.ts`), which does 81 products
 * where the definition has 144. Only for dilation 1 and one group.
 *
 * Rounding: at most 1e-4 of the result's RMS against float64 (spec), so a run that asks for exact results goes without.
 */
import type { Variant, VariantLaunch, VariantTerms } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import { four, type WindowPlace } from '../conv2d/geometry.ts';
import type { Fused } from '../fusion.ts';
import type { Tensor } from '../op.ts';
import { WORK } from './winograd.ts';

/** Places of a tile of 4 × 4 outputs; those of sums are in lines of six. */
export const PLACES = 25;
export const SUMS = 36;

interface Operands {
  readonly x: Tensor;
  readonly weight: Tensor;
  readonly bias?: Tensor | undefined;
  readonly y: Tensor;
  readonly padding: number;
  readonly relu: boolean;
}

function sizes({ x, y }: Operands) {
  const [, height, width, channels] = four(x.shape);
  const [N, P, Q, filters] = four(y.shape);
  const tiles = N * Math.ceil(P / 4) * Math.ceil(Q / 4);
  return { height, width, channels, P, Q, filters, panels: Math.ceil(filters / 8), tiles };
}
/** Bytes of a plane of so many tiles: `planeOf`. */
const planeBytes = (tiles: number, channels: number) => Math.ceil(tiles / 6) * (channels / 4) * 384 + 64;
const least = (relu: boolean) => (relu ? 0 : Number.NEGATIVE_INFINITY);

/** The filters first, then tiles in blocks that stay in a core's cache from pixels to pixels. */
function launches(all: Operands, scratch: (shape: Shape) => Tensor): VariantLaunch[] {
  const { x, weight, bias, y, padding, relu } = all;
  const { height, width, channels, P, Q, filters, panels, tiles } = sizes(all);
  const [block, group, chunk] = [12, 4, 16];
  const u = scratch([panels, PLACES, 4 * channels + 2, 8]);
  return [
    {
      kernel: { name: 'conv2d.winograd.filters' },
      inputs: [weight.name],
      output: u.name,
      body: {
        language: 'wasm',
        routine: 'stride2Filters',
        units: (Math.ceil(panels / group) * 4 * channels) / chunk,
        scratch: WORK,
        arguments: ({ inputs: [from], output }) => [from!, output, channels, filters, group, chunk],
      },
    },
    {
      kernel: { name: 'conv2d.winograd.tiles' },
      inputs: [x.name, u.name, ...(bias ? [bias.name] : [])],
      output: y.name,
      body: {
        language: 'wasm',
        routine: 'stride2Tiles',
        units: Math.ceil(tiles / block),
        scratch: WORK + PLACES * planeBytes(block, channels) + SUMS * block * 32 * group,
        arguments: ({ inputs: [from, weights, biasAt = 0], output }) => [
          ...[from!, weights!, biasAt, output, height, width, channels, padding, P, Q, filters],
          ...[tiles, block, group, least(relu)],
        ],
      },
    },
  ];
}

/** Products per channel of all four kinds of pixels for so many outputs: 9 places a side of a tile of 4 outputs, 7 of 3. */
function placesAlong(length: number): number {
  const tiles = Math.ceil(length / 4);
  return 7 * tiles + 2 * Math.max(0, length - 3 * tiles);
}
/**
 * Whether the method is for these filters and faster than the implicit product. Medians of runs that alternate in one process,
 * milliseconds product → Winograd, forward, filters' and input's gradient, with two threads on two cores of an AMD EPYC
 * (`npx tsx spec/bench/convs.ts 3x3s2` with and without `--exact` times them one after the other):
 *
 *   8 × 56 × 56, 64 → 128      8.4 → 5.7    8.8 → 7.3    8.8 → 6.2      64 × 32 × 32, 16 → 32    1.9 → 1.5   1.8 → 3.0   2.0 → 1.8
 *   8 × 56 × 56, 128 → 128    17.9 → 11.8  17.7 → 16.4  16.9 → 11.8     64 × 16 × 16, 32 → 64    1.8 → 1.3   1.5 → 1.6   1.5 → 1.1
 *   8 × 28 × 28, 128 → 256     9.7 → 10.4        -        9.3 → 9.9      32 × 28 × 28, 64 → 64    11.0 → 7.3  11.3 → 9.7  10.9 → 7.8
 *
 * so not where tiles overhang, as for outputs of 14 × 14 and 7 × 7, and the filters' gradient only from 64 channels on.
 *
 * @param output y, or dy for the gradients
 * @param fewest channels that pay for the transforms
 */
export function stride2Applies(
  { stride, dilation, groups }: WindowPlace,
  [R, S, channels, filters]: Shape,
  [N, P, Q]: Shape,
  { exact }: VariantTerms,
): boolean {
  if (exact || channels! < 16 || stride !== 2 || dilation !== 1 || groups !== 1 || R !== 3 || S !== 3 || channels! % 16 !== 0) return false;
  const perImage = Math.ceil(P! / 4) * Math.ceil(Q! / 4);
  const saving = (P! * Q! * 9) / (perImage * 81);
  // fewer tiles than channels or filters would not share the filters' transform among enough: a choice, not a measurement
  return saving >= 1.5 && N! * perImage >= Math.max(channels!, filters!);
}

/**
 * The same for the filters' gradient, which is all in tiles of 4 and of 3 and transforms no filters. With one thread, best of 300 ms:
 * 8 × 28 × 28, 128 → 256: 16.5 → 11.7 ms; 8 × 14 × 14, 256 → 512: 16.9 → 11.7 ms.
 */
export function stride2GradientApplies(
  { stride, dilation, groups }: WindowPlace,
  [R, S, channels]: Shape,
  [N, P, Q]: Shape,
  { exact }: VariantTerms,
): boolean {
  if (exact || channels! < 64 || stride !== 2 || dilation !== 1 || groups !== 1 || R !== 3 || S !== 3 || channels! % 16 !== 0) return false;
  const saving = (9 * P! * Q!) / (placesAlong(P!) * placesAlong(Q!));
  return saving >= 1.5 && N! * Math.ceil(P! / 4) * Math.ceil(Q! / 4) >= 32;
}

export const stride2Forward: Variant<WindowPlace & Fused> = {
  name: 'conv2d/wasm-winograd-stride2',
  device: 'wasm',
  fuses: ['relu'],
  applies: (attributes, [, weight], output, terms) => stride2Applies(attributes, weight!, output, terms),
  lower({ attributes: { padding, relu = false }, inputs: [x, weight, bias], output, scratch }) {
    return launches({ x: x!, weight: weight!, bias, y: output, padding, relu }, scratch);
  },
};
