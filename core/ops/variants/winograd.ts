/**
 * conv2d and conv2d.inputGradient by Winograd's method on wasm (`core/assembly/winograd.ts`), which does a quarter of the
 * products: F(4×4,3×3) for 3 × 3 filters,
 * F(3×3,4×4) for 4 × 4, F(2×2,5×5) for 5 × 5. Only for stride 1, dilation 1 and one group.
 *
 * Rounding: at most 1e-4 of the result's RMS against float64 (spec), so a run that asks for exact results goes without.
 */
import type { Variant, VariantLaunch, VariantTerms } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import { four, type WindowPlace } from '../conv2d/geometry.ts';
import type { Fused } from '../fusion.ts';
import type { Tensor } from '../op.ts';

/** Bytes of a thread's scratch before the planes: `WORK` of `winogradTiles.ts`. */
export const WORK = 6 * 256 + 6 * 1536 + 128;
/** One of the two directions that are a convolution: what plays which part. */
interface Correlation {
  readonly name: string;
  readonly x: Tensor;
  readonly weight: Tensor;
  readonly bias?: Tensor | undefined;
  readonly y: Tensor;
  /** Of `x`; negative where the outermost pixels have no part in y. */
  readonly padding: number;
  /** Whether the filters are turned by 180 degrees and transposed. */
  readonly turned: boolean;
  readonly relu: boolean;
}

/** Outputs along a side of a tile. */
export const tileSize = (kernel: number): number => 7 - kernel;

/** Places of the tiles along so many outputs: six, or five of a tile of one output less (`core/assembly/winogradOrder.ts`). */
function placesAlong(length: number, size: number): number {
  const tiles = Math.ceil(length / size);
  return 5 * tiles + Math.max(0, length - tiles * (size - 1));
}

/** The shapes as the routines want them. */
function sizes({ x, weight, y }: Correlation) {
  const [, height, width, depths] = four(x.shape);
  const [N, P, Q, filters] = four(y.shape);
  const kernel = weight.shape[0]!;
  const size = tileSize(kernel);
  const tiles = N * Math.ceil(P / size) * Math.ceil(Q / size);
  return { height, width, depths, P, Q, filters, panels: Math.ceil(filters / 8), kernel, size, tiles };
}
/** Bytes of a plane of the transforms of so many tiles: `planeOf`. */
const planeBytes = (tiles: number, depths: number) => (Math.ceil(tiles / 6) * 384 + 64) * Math.ceil(depths / 16) + 64;
const least = (relu: boolean) => (relu ? 0 : Number.NEGATIVE_INFINITY);

/** Many tiles: the filters first, then tiles in blocks that stay in a core's cache from pixels to pixels. */
function throughTiles(all: Correlation, scratch: (shape: Shape) => Tensor): VariantLaunch[] {
  const { name, x, weight, bias, y, padding, turned, relu } = all;
  const { height, width, depths, P, Q, filters, panels, kernel, size, tiles } = sizes(all);
  const [block, group, chunk] = [24, 8, 32];
  // 4 times the bytes of 3 × 3 filters
  const u = scratch([panels, 36, depths + 2, 8]);
  return [
    {
      kernel: { name: `${name}.filters` },
      inputs: [weight.name],
      output: u.name,
      body: {
        language: 'wasm',
        routine: 'winogradFilters',
        units: Math.ceil(panels / group) * Math.ceil(depths / chunk),
        scratch: WORK + (turned ? turnedBytes(kernel, chunk, group) : 0),
        arguments: ({ inputs: [from], output }) => [from!, output, kernel ** 2, depths, filters, group, chunk, Number(turned)],
      },
    },
    {
      kernel: { name: `${name}.tiles` },
      inputs: [x.name, u.name, ...(bias ? [bias.name] : [])],
      output: y.name,
      body: {
        language: 'wasm',
        routine: 'winogradTiles',
        units: Math.ceil(tiles / block),
        scratch: WORK + 36 * planeBytes(block, depths) + 36 * (block + 5) * 32 * group,
        arguments: ({ inputs: [from, weights, biasAt = 0], output }) => [
          ...[from!, weights!, biasAt, output, height, width, depths, padding, P, Q, filters],
          ...[size, tiles, block, group, least(relu)],
        ],
      },
    },
  ];
}

/** Few tiles: the tiles first, then the filters in groups, whose transform never leaves a core's cache. */
function throughPanels(all: Correlation, scratch: (shape: Shape) => Tensor): VariantLaunch[] {
  const { name, x, weight, bias, y, padding, turned, relu } = all;
  const { height, width, depths, P, Q, filters, panels, kernel, size, tiles } = sizes(all);
  const blocks = Math.ceil(tiles / 72);
  const block = 6 * Math.ceil(tiles / blocks / 6);
  // 32 filters × 64 channels × 36 places are 300 KB, the sums of 72 tiles as much. Filters that are not turned come in runs of a
  // group, so a wide one reads them faster, if that leaves units enough: 5.8 ms instead of 6.2 at 8 × 7 × 7 × 512
  const group = turned || panels * blocks < 64 ? 4 : 8;
  const chunk = 64;
  const v = scratch([(36 * planeBytes(tiles, depths)) / 4]);
  return [
    {
      kernel: { name: `${name}.input` },
      inputs: [x.name],
      output: v.name,
      body: {
        language: 'wasm',
        routine: 'winogradInput',
        units: tiles,
        scratch: WORK,
        arguments: ({ inputs: [from], output }) => [from!, output, height, width, depths, padding, P, Q, size, tiles, block],
      },
    },
    {
      kernel: { name: `${name}.panels` },
      inputs: [v.name, weight.name, ...(bias ? [bias.name] : [])],
      output: y.name,
      body: {
        language: 'wasm',
        routine: 'winogradPanels',
        units: Math.ceil(panels / group) * Math.ceil(tiles / block),
        scratch: WORK + 36 * 32 * group * (block + 5 + chunk + 2) + (turned ? turnedBytes(kernel, chunk, group) : 0),
        arguments: ({ inputs: [from, weights, biasAt = 0], output }) => [
          ...[from!, weights!, biasAt, output, kernel ** 2, depths, P, Q, filters],
          ...[size, tiles, block, group, chunk, Number(turned), least(relu)],
        ],
      },
    },
  ];
}

/** What `turn` of `winogradFilters.ts` writes. */
const turnedBytes = (kernel: number, chunk: number, group: number) => kernel ** 2 * (chunk + 4) * group * 32;

function launches(all: Correlation, scratch: (shape: Shape) => Tensor): VariantLaunch[] {
  const { tiles, filters } = sizes(all);
  // the transform of what is more takes more memory and time
  return tiles <= filters ? throughPanels(all, scratch) : throughTiles(all, scratch);
}

/**
 * Whether the method is for these filters, 3 × 3 in tiles of 4 × 4 outputs, 4 × 4 in tiles of 3 × 3 or 5 × 5 in tiles of 2 × 2, and faster than the
 * implicit product. Best of a pass in GFLOP/s of the definition, product → Winograd, forward, filters' and input's gradient, with
 * two threads on two cores of an AMD EPYC:
 *
 *   8 × 56 × 56, 64 → 64     102 → 362   97 → 272  113 → 383      16 × 27 × 27, 5 × 5 64 → 192   103 → 276  101 → 235  112 → 271
 *   8 × 7 × 7, 512 → 512      91 → 181  101 → 254   97 → 213      32 × 28 × 28, 16 → 16      -     261   88 → 224   83 → 268
 *   32 × 28 × 28, 8 → 16      85 → 202   87 → 163   68 → 211      32 × 28 × 28, 5 × 5 1 → 8       33 → 23    41 → 19     7 → 14
 *
 * @param output of the convolution that is computed: y, or dx for the input's gradient
 */
export function winogradApplies(
  tile: number,
  { stride, dilation, groups }: WindowPlace,
  [R, S, channels]: Shape,
  output: Shape,
  { exact }: VariantTerms,
): boolean {
  if (exact || stride !== 1 || dilation !== 1 || groups !== 1 || R !== S || R !== 7 - tile) return false;
  const [, P, Q] = four(output);
  const products = (P * Q * R ** 2) / (placesAlong(P, tile) * placesAlong(Q, tile));
  // one or two channels leave the transforms nothing to share; the least saving is a choice, not a measurement
  return channels! >= 3 && products >= 1.5;
}

const forward = (tile: 4 | 3 | 2): Variant<WindowPlace & Fused> => ({
  name: `conv2d/wasm-winograd-${tile}x${tile}`,
  device: 'wasm',
  fuses: ['relu'],
  applies: (attributes, [, weight], output, terms) => winogradApplies(tile, attributes, weight!, output, terms),
  lower({ attributes: { padding, relu = false }, inputs: [x, weight, bias], output, scratch }) {
    return launches({ name: 'conv2d.winograd', x: x!, weight: weight!, bias, y: output, padding, turned: false, relu }, scratch);
  },
});

const inputGradient = (tile: 4 | 3 | 2): Variant<WindowPlace> => ({
  name: `conv2d.inputGradient/wasm-winograd-${tile}x${tile}`,
  device: 'wasm',
  applies: (attributes, [, weight], output, terms) => winogradApplies(tile, attributes, weight!, output, terms),
  lower({ attributes, inputs: [dy, weight], output, scratch }) {
    const padding = weight!.shape[0]! - 1 - attributes.padding;
    const name = 'conv2d.inputGradient.winograd';
    return launches({ name, x: dy!, weight: weight!, y: output, padding, turned: true, relu: false }, scratch);
  },
});

export const winogradForward = [forward(4), forward(3), forward(2)];
export const winogradInputGradient = [inputGradient(4), inputGradient(3), inputGradient(2)];
