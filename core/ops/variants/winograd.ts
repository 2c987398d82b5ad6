/**
 * conv2d and conv2d.inputGradient by Winograd's method on wasm (`core/assembly/winograd.ts`), which does a quarter of the
 * products: F(4×4,3×3) for 3 × 3 filters. Only for stride 1, dilation 1 and one group.
 *
 * Rounding: at most 1e-4 of the result's RMS against float64 (spec), so a run that asks for exact results goes without.
 */
import type { Variant, VariantLaunch } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import { four, type WindowPlace } from '../conv2d/geometry.ts';
import type { Fused } from '../fusion.ts';
import type { Tensor } from '../op.ts';

/** Bytes of a thread's scratch before the planes: `WORK` of `winogradTiles.ts`. */
export const WORK = 6 * 256 + 6 * 1536;
/** Panels of 8 filters that go through the products together. */
const GROUP = 4;
/** Depths of one unit of the filters' transform. */
const CHUNK = 32;

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
const tileSize = (kernel: number): number => (kernel === 3 ? 4 : 2);

function launches({ name, x, weight, bias, y, padding, turned, relu }: Correlation, scratch: (shape: Shape) => Tensor): VariantLaunch[] {
  const [N, H, W, depths] = four(x.shape);
  const [, P, Q, filters] = four(y.shape);
  const kernel = weight.shape[0]!;
  const size = tileSize(kernel);
  const [down, across] = [Math.ceil(P / size), Math.ceil(Q / size)];
  const tiles = N * down * across;
  const panels = Math.ceil(filters / 8);
  const block = 24;
  // 4 times the bytes of 3 × 3 filters
  const u = scratch([panels, 36, depths, 8]);
  const planes = (block / 6) * Math.ceil(depths / 16) * 384 + 64;
  return [
    {
      kernel: { name: `${name}.filters` },
      inputs: [weight.name],
      output: u.name,
      body: {
        language: 'wasm',
        routine: 'winogradFilters',
        units: Math.ceil(panels / GROUP) * Math.ceil(depths / CHUNK),
        scratch: WORK + (turned ? kernel ** 2 * (CHUNK + 4) * GROUP * 32 : 0),
        arguments: ({ inputs: [from], output }) => [from!, output, kernel ** 2, depths, filters, GROUP, CHUNK, Number(turned)],
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
        scratch: WORK + 36 * planes + 36 * block * 32 * GROUP,
        arguments: ({ inputs: [from, weights, biasAt = 0], output }) => [
          ...[from!, weights!, biasAt, output, H, W, depths, padding, P, Q, filters],
          ...[size, down, across, tiles, block, GROUP, relu ? 0 : Number.NEGATIVE_INFINITY],
        ],
      },
    },
  ];
}

/** Whether the method is for these filters at all. */
function fits({ stride, dilation, groups }: WindowPlace, [R, S]: Shape): boolean {
  return stride === 1 && dilation === 1 && groups === 1 && R === S && R === 3;
}

export const winogradForward: Variant<WindowPlace & Fused> = {
  name: 'conv2d/wasm-winograd-4x4',
  device: 'wasm',
  fuses: ['relu'],
  applies: (attributes, [, weight], _, { exact }) => !exact && fits(attributes, weight!),
  lower({ attributes: { padding, relu = false }, inputs: [x, weight, bias], output, scratch }) {
    return launches({ name: 'conv2d.winograd', x: x!, weight: weight!, bias, y: output, padding, turned: false, relu }, scratch);
  },
};

export const winogradInputGradient: Variant<WindowPlace> = {
  name: 'conv2d.inputGradient/wasm-winograd-4x4',
  device: 'wasm',
  applies: (attributes, [, weight], _, { exact }) => !exact && fits(attributes, weight!),
  lower({ attributes: { padding }, inputs: [dy, weight], output, scratch }) {
    const around = weight!.shape[0]! - 1 - padding;
    return launches(
      { name: 'conv2d.inputGradient.winograd', x: dy!, weight: weight!, y: output, padding: around, turned: true, relu: false },
      scratch,
    );
  },
};
