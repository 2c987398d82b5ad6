/**
 * conv2d.filterGradient with 3 × 3 filters and stride 2 by Winograd's method on wasm
 * (`core/assembly/winogradStride2FilterGradient.ts`): see `winogradStride2.ts`.
 */
import type { Variant } from '../../kernels/variant.ts';
import { four, type WindowPlace } from '../conv2d/geometry.ts';
import { part } from './convWasm.ts';
import { WORK } from './winograd.ts';
import { planeBytes, sumBytes } from './winogradFilterGradient.ts';
import { PLACES, stride2GradientApplies } from './winogradStride2.ts';

const name = 'conv2d.filterGradient.winograd';

/** All tiles transformed first, then block by block of channels × filters, whose sums never leave a core's cache. */
export const stride2FilterGradient: Variant<WindowPlace> = {
  name: 'conv2d.filterGradient/wasm-winograd-stride2',
  device: 'wasm',
  applies: (attributes, [, dy], dweight, terms) => stride2GradientApplies(attributes, dweight, dy!, terms),
  lower({ attributes: { padding }, inputs: [x, dy], output, scratch }) {
    const [, height, width, channels] = four(x!.shape);
    const [N, P, Q, filters] = four(dy!.shape);
    const panels = Math.ceil(filters / 8);
    const tiles = N * Math.ceil(P / 4) * Math.ceil(Q / 4);
    const step = part(tiles, 128);
    const [group, slice] = [8, 48];
    const v = scratch([PLACES * planeBytes(tiles, channels)]);
    const d = scratch([9 * (tiles * panels * 32 + 64)]);
    return [
      {
        kernel: { name: `${name}.input` },
        inputs: [x!.name],
        output: v.name,
        body: {
          language: 'wasm',
          routine: 'stride2Rows',
          units: tiles,
          scratch: WORK,
          arguments: ({ inputs: [from], output: to }) => [from!, to, height, width, channels, padding, P, Q, tiles],
        },
      },
      {
        kernel: { name: `${name}.gradient` },
        inputs: [dy!.name],
        output: d.name,
        body: {
          language: 'wasm',
          routine: 'winogradGradients',
          units: tiles,
          scratch: WORK,
          arguments: ({ inputs: [from], output: to }) => [from!, to, P, Q, filters, 4, tiles],
        },
      },
      {
        kernel: { name: `${name}.sums` },
        inputs: [v.name, d.name],
        output: output.name,
        body: {
          language: 'wasm',
          routine: 'stride2Sums',
          units: Math.ceil(panels / group) * 4 * Math.ceil(channels / slice),
          scratch: WORK + PLACES * group * sumBytes(slice),
          arguments: ({ inputs, output: to }) => [...inputs, to, channels, P, Q, filters, tiles, step, group, slice],
        },
      },
    ];
  },
};
