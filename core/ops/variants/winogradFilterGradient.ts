/** conv2d.filterGradient by Winograd's method on wasm (`core/assembly/winogradFilterGradient.ts`): see `winograd.ts`. */
import type { Variant, VariantLaunch } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import { four, type WindowPlace } from '../conv2d/geometry.ts';
import type { Tensor } from '../op.ts';
import { tileSize, WORK, winogradApplies } from './winograd.ts';

const name = 'conv2d.filterGradient.winograd';
type Scratch = (shape: Shape) => Tensor;
interface Operands {
  readonly x: Tensor;
  readonly dy: Tensor;
  readonly dweight: Tensor;
  readonly padding: number;
}

function sizes({ x, dy, dweight }: Operands) {
  const [, height, width, channels] = four(x.shape);
  const [N, P, Q, filters] = four(dy.shape);
  const kernel = dweight.shape[0]!;
  const size = tileSize(kernel);
  const tiles = N * Math.ceil(P / size) * Math.ceil(Q / size);
  return { height, width, channels, P, Q, filters, panels: Math.ceil(filters / 8), taps: kernel ** 2, size, tiles };
}
/** Bytes of a plane of V, with all channels in a row or in slices, of a plane of D and of the sums of a place: see `winogradSums.ts`. */
const rowsBytes = (tiles: number, channels: number) => tiles * (Math.ceil(channels / 16) * 64 + 64) + 64;
export function planeBytes(tiles: number, channels: number): number {
  return channels > 64 ? Math.ceil(channels / 48) * (tiles * 192 + 64) + 64 : rowsBytes(tiles, channels);
}
const gradientBytes = (tiles: number, panels: number) => tiles * panels * 32 + 64;
export const sumBytes = (channels: number) => Math.ceil(channels / 6) * 192 + 64;

/** Many tiles: parts of them with sums of their own, which are joined at the end. */
function throughParts(all: Operands, scratch: Scratch): VariantLaunch[] {
  const { x, dy, dweight, padding } = all;
  const { height, width, channels, P, Q, filters, panels, taps, size, tiles } = sizes(all);
  // the sums of eight parts of 128 × 128 filters are 19 MB to write and to read: four parts took 0.90 of the time at 8 × 28 × 28
  const part = Math.ceil(tiles / (8 * 36 * panels * sumBytes(channels) > 2 ** 23 ? 4 : 8));
  const parts = Math.ceil(tiles / part);
  // longer steps read and write the sums more seldom; the transforms of 49 tiles of 64 channels and filters are 1 MB
  const step = Math.ceil(part / Math.ceil(part / 64));
  const [group, slice] = [4, 24];
  const sums = scratch([(parts * panels * 36 * sumBytes(channels)) / 4]);
  return [
    {
      kernel: { name: `${name}.parts` },
      inputs: [x.name, dy.name],
      output: sums.name,
      body: {
        language: 'wasm',
        routine: 'winogradParts',
        units: parts,
        scratch: WORK + 36 * (rowsBytes(step, channels) + gradientBytes(step, panels)),
        arguments: ({ inputs, output }) => [...inputs, output, height, width, channels, padding, P, Q, filters, size, tiles, part, step],
      },
    },
    {
      kernel: { name: `${name}.join` },
      inputs: [sums.name],
      output: dweight.name,
      body: {
        language: 'wasm',
        routine: 'winogradJoin',
        units: Math.ceil(panels / group) * Math.ceil(channels / slice),
        scratch: WORK + 36 * group * sumBytes(slice),
        arguments: ({ inputs: [from], output }) => [from!, output, parts, taps, channels, filters, group, slice],
      },
    },
  ];
}

/** Few tiles: all of them transformed first, then block by block of channels × filters. */
function throughBlocks(all: Operands, scratch: Scratch): VariantLaunch[] {
  const { x, dy, dweight, padding } = all;
  const { height, width, channels, P, Q, filters, panels, taps, size, tiles } = sizes(all);
  const step = Math.ceil(tiles / Math.ceil(tiles / 128));
  const slice = 48;
  // the sums of 48 channels × 64 filters are 440 KB; a wide group reads V more seldom, if it leaves units enough
  const group = Math.ceil(panels / 8) * Math.ceil(channels / slice) < 16 ? 4 : 8;
  const v = scratch([9 * planeBytes(tiles, channels)]);
  const d = scratch([9 * gradientBytes(tiles, panels)]);
  return [
    {
      kernel: { name: `${name}.input` },
      inputs: [x.name],
      output: v.name,
      body: {
        language: 'wasm',
        routine: 'winogradRows',
        units: tiles,
        scratch: WORK,
        arguments: ({ inputs: [from], output }) => [from!, output, height, width, channels, padding, P, Q, size, tiles],
      },
    },
    {
      kernel: { name: `${name}.gradient` },
      inputs: [dy.name],
      output: d.name,
      body: {
        language: 'wasm',
        routine: 'winogradGradients',
        units: tiles,
        scratch: WORK,
        arguments: ({ inputs: [from], output }) => [from!, output, P, Q, filters, size, tiles],
      },
    },
    {
      kernel: { name: `${name}.sums` },
      inputs: [v.name, d.name],
      output: dweight.name,
      body: {
        language: 'wasm',
        routine: 'winogradSums',
        units: Math.ceil(panels / group) * Math.ceil(channels / slice),
        scratch: WORK + 36 * group * sumBytes(slice),
        arguments: ({ inputs, output }) => [...inputs, output, taps, channels, P, Q, filters, size, tiles, step, group, slice],
      },
    },
  ];
}

const filterGradient = (tile: 4 | 3 | 2): Variant<WindowPlace> => ({
  name: `conv2d.filterGradient/wasm-winograd-${tile}x${tile}`,
  device: 'wasm',
  applies: (attributes, [, dy], dweight, terms) => winogradApplies(tile, attributes, dweight, dy!, terms),
  lower({ attributes: { padding }, inputs: [x, dy], output, scratch }) {
    const all = { x: x!, dy: dy!, dweight: output, padding };
    const { tiles, channels, filters } = sizes(all);
    // what blocks transform and read again and again, against the sums of eight parts, which are written and read once: those
    // should not be much more
    return tiles * (channels + filters) < 5 * channels * filters ? throughBlocks(all, scratch) : throughParts(all, scratch);
  },
});

export const winogradFilterGradient = [filterGradient(4), filterGradient(3), filterGradient(2)];
