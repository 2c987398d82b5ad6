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
export const planeBytes = (tiles: number, depths: number) => (Math.ceil(tiles / 6) * 384 + 64) * Math.ceil(depths / 16) + 64;
const least = (relu: boolean) => (relu ? 0 : Number.NEGATIVE_INFINITY);

/** Few tiles: the tiles first, then the filters in groups, whose transform never leaves a core's cache. */
function throughPanels(all: Operands, scratch: (shape: Shape) => Tensor): VariantLaunch[] {
  const { x, weight, bias, y, padding, relu } = all;
  const { height, width, channels, P, Q, filters, panels, tiles } = sizes(all);
  const block = blockOf(tiles);
  // longer chunks add to the sums more seldom: 11.5 ms instead of 12.5 at 8 × 28 × 28, 256 → 256
  const [group, chunk] = [8, 64];
  const v = scratch([(PLACES * planeBytes(tiles, 4 * channels)) / 4]);
  return [
    {
      kernel: { name: 'conv2d.winograd.input' },
      inputs: [x.name],
      output: v.name,
      body: {
        language: 'wasm',
        routine: 'stride2Input',
        units: tiles,
        scratch: WORK,
        arguments: ({ inputs: [from], output }) => [from!, output, height, width, channels, padding, P, Q, tiles, block],
      },
    },
    {
      kernel: { name: 'conv2d.winograd.panels' },
      inputs: [v.name, weight.name, ...(bias ? [bias.name] : [])],
      output: y.name,
      body: {
        language: 'wasm',
        routine: 'stride2Panels',
        units: Math.ceil(panels / group) * Math.ceil(tiles / block),
        scratch: WORK + group * 32 * (SUMS * (block + 5) + PLACES * (chunk + 2)),
        arguments: ({ inputs: [from, weights, biasAt = 0], output }) => [
          ...[from!, weights!, biasAt, output, channels, P, Q, filters],
          ...[tiles, block, group, chunk, least(relu)],
        ],
      },
    },
  ];
}
/** Tiles that go through the products together: their sums for a group of filters stay in a core's cache. */
export const blockOf = (tiles: number, most = 72): number => 6 * Math.ceil(tiles / Math.ceil(tiles / most) / 6);

/** Many tiles: the filters first, then tiles in blocks that stay in a core's cache from pixels to pixels. */
function throughTiles(all: Operands, scratch: (shape: Shape) => Tensor): VariantLaunch[] {
  const { x, weight, bias, y, padding, relu } = all;
  const { height, width, channels, P, Q, filters, panels, tiles } = sizes(all);
  const [block, group, chunk] = [12, 8, 16];
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
        scratch: WORK + PLACES * planeBytes(block, 4 * channels) + SUMS * block * 32 * group,
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
 *  32 × 28 × 28, 64 → 64      11.0 → 7.3   11.3 → 9.7  10.9 → 7.8
 *
 * so the filters' gradient only from 64 channels on. Outputs of 14 × 14 and 7 × 7 in tiles of 4 and of 3, best of 300 ms with one thread:
 *
 *   8 × 28 × 28, 128 → 256    17.4 → 13.2  16.5 → 11.7  17.1 → 15.0      8 × 14 × 14, 256 → 512   17.9 → 12.6 16.9 → 11.7 17.2 → 14.9
 *
 * @param output y, or dy for the input's gradient
 */
export function stride2Applies(attributes: WindowPlace, weight: Shape, output: Shape, terms: VariantTerms): boolean {
  return isStride2(attributes, weight, terms) && (manyTiles(weight, output) || fewTiles(weight, output));
}
function isStride2({ stride, dilation, groups }: WindowPlace, [R, S, channels]: Shape, { exact }: VariantTerms): boolean {
  return !exact && channels! >= 16 && stride === 2 && dilation === 1 && groups === 1 && R === 3 && S === 3 && channels! % 16 === 0;
}
/** Whether whole tiles of 4 outputs do, and share the filters' transform among enough. */
export function manyTiles([, , channels, filters]: Shape, [N, P, Q]: Shape): boolean {
  const perImage = Math.ceil(P! / 4) * Math.ceil(Q! / 4);
  const saving = (P! * Q! * 9) / (perImage * 81);
  // fewer tiles than channels or filters are a choice, not a measurement
  return saving >= 1.5 && N! * perImage >= Math.max(channels!, filters!);
}
/** Whether tiles of 4 and of 3 outputs save enough, and there are channels and tiles enough to pay for the transforms. */
function fewTiles([, , channels]: Shape, [N, P, Q]: Shape): boolean {
  const saving = (9 * P! * Q!) / (placesAlong(P!) * placesAlong(Q!));
  return channels! >= 64 && saving >= 1.5 && N! * Math.ceil(P! / 4) * Math.ceil(Q! / 4) >= 32;
}

/** The same for the filters' gradient, which is all in tiles of 4 and of 3 and transforms no filters. */
export function stride2GradientApplies(attributes: WindowPlace, weight: Shape, dy: Shape, terms: VariantTerms): boolean {
  return isStride2(attributes, weight, terms) && fewTiles(weight, dy);
}

export const stride2Forward: Variant<WindowPlace & Fused> = {
  name: 'conv2d/wasm-winograd-stride2',
  device: 'wasm',
  fuses: ['relu'],
  applies: (attributes, [, weight], output, terms) => stride2Applies(attributes, weight!, output, terms),
  lower({ attributes: { padding, relu = false }, inputs: [x, weight, bias], output, scratch }) {
    const through = manyTiles(weight!.shape, output.shape) ? throughTiles : throughPanels;
    return through({ x: x!, weight: weight!, bias, y: output, padding, relu }, scratch);
  },
};
