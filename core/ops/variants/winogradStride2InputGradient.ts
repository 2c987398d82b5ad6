/**
 * conv2d.inputGradient with 3 × 3 filters and stride 2 by Winograd's method on wasm
 * (`core/assembly/winogradStride2InputGradient.ts`): see `winogradStride2.ts`.
 */
import type { Variant, VariantLaunch } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import { four, type WindowPlace } from '../conv2d/geometry.ts';
import type { Tensor } from '../op.ts';
import { WORK } from './winograd.ts';
import { blockOf, manyTiles, PLACES, planeBytes, SUMS, stride2Applies } from './winogradStride2.ts';

const name = 'conv2d.inputGradient.winograd';
const KINDS = 4;
type Scratch = (shape: Shape) => Tensor;
interface Operands {
  readonly dy: Tensor;
  readonly weight: Tensor;
  readonly dx: Tensor;
  readonly padding: number;
}

function sizes({ dy, dx }: Operands) {
  const [N, height, width, channels] = four(dx.shape);
  const [, P, Q, filters] = four(dy.shape);
  const along = (size: number) => Math.ceil(Math.ceil(size / 2) / 4);
  return { height, width, channels, P, Q, filters, panels: Math.ceil(channels / 8), tiles: N * along(height) * along(width) };
}
/** What `turn` of `winogradFilters.ts` writes. */
const turnedBytes = (chunk: number, group: number) => 9 * (chunk + 4) * group * 32;

/** Few tiles: the tiles first, then the filters in groups, whose transform never leaves a core's cache. */
function throughPanels(all: Operands, scratch: Scratch): VariantLaunch[] {
  const { dy, weight, dx, padding } = all;
  const { height, width, channels, P, Q, filters, panels, tiles } = sizes(all);
  // a kind has at most 25 places: room for more tiles
  const block = blockOf(tiles, 132);
  const [group, chunk] = [8, 64];
  const v = scratch([(KINDS * PLACES * planeBytes(tiles, filters)) / 4]);
  return [
    {
      kernel: { name: `${name}.input` },
      inputs: [dy.name],
      output: v.name,
      body: {
        language: 'wasm',
        routine: 'stride2GradientInput',
        units: KINDS * tiles,
        scratch: WORK,
        arguments: ({ inputs: [from], output }) => [from!, output, height, width, padding, P, Q, filters, tiles, block],
      },
    },
    {
      kernel: { name: `${name}.panels` },
      inputs: [v.name, weight.name],
      output: dx.name,
      body: {
        language: 'wasm',
        routine: 'stride2GradientPanels',
        units: KINDS * Math.ceil(panels / group) * Math.ceil(tiles / block),
        scratch: WORK + group * 32 * (SUMS * (block + 5) + PLACES * (chunk + 2)) + turnedBytes(chunk, group),
        arguments: ({ inputs, output }) => [
          ...[...inputs, output, height, width, channels, padding, filters],
          ...[tiles, block, group, chunk],
        ],
      },
    },
  ];
}

/** Many tiles: the filters first, then tiles in blocks that stay in a core's cache from pixels to pixels. */
function throughTiles(all: Operands, scratch: Scratch): VariantLaunch[] {
  const { dy, weight, dx, padding } = all;
  const { height, width, channels, P, Q, filters, panels, tiles } = sizes(all);
  const [block, group, chunk] = [24, 8, 32];
  const u = scratch([KINDS, panels, PLACES, filters + 2, 8]);
  return [
    {
      kernel: { name: `${name}.filters` },
      inputs: [weight.name],
      output: u.name,
      body: {
        language: 'wasm',
        routine: 'stride2TurnedFilters',
        units: KINDS * Math.ceil(panels / group) * Math.ceil(filters / chunk),
        scratch: WORK + turnedBytes(chunk, group),
        arguments: ({ inputs: [from], output }) => [from!, output, channels, filters, group, chunk],
      },
    },
    {
      kernel: { name: `${name}.tiles` },
      inputs: [dy.name, u.name],
      output: dx.name,
      body: {
        language: 'wasm',
        routine: 'stride2GradientTiles',
        units: KINDS * Math.ceil(tiles / block),
        scratch: WORK + PLACES * planeBytes(block, filters) + SUMS * block * 32 * group,
        arguments: ({ inputs, output }) => [
          ...[...inputs, output, height, width, channels, padding, P, Q, filters],
          ...[tiles, block, group],
        ],
      },
    },
  ];
}

export const stride2InputGradient: Variant<WindowPlace> = {
  name: 'conv2d.inputGradient/wasm-winograd-stride2',
  device: 'wasm',
  applies: (attributes, [dy, weight], _, terms) => stride2Applies(attributes, weight!, dy!, terms),
  lower({ attributes: { padding }, inputs: [dy, weight], output, scratch }) {
    const through = manyTiles(weight!.shape, dy!.shape) ? throughTiles : throughPanels;
    return through({ dy: dy!, weight: weight!, dx: output, padding }, scratch);
  },
};
