/** Moving numbers by the routines of `core/assembly/rearrange.ts`: joining and cutting channels, skipping pixels, swapping dimensions. */
import type { Variant } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import { channelsOf, pixelsOf } from '../channelSums.ts';
import type { Tensor } from '../op.ts';
import { BLOCK } from './elementwiseWasm.ts';
import { wasmLaunch } from './wasmLaunch.ts';

const always = () => true;

/** `channels` of each pixel, from channel `from` of x to channel `to` of y. */
function copyChannels(name: string, x: Tensor, y: Tensor, channels: number, { from = 0, to = 0 }) {
  const pixels = pixelsOf(y.shape);
  const [X, Y] = [channelsOf(x.shape), channelsOf(y.shape)];
  const some = Math.max(1, Math.floor(BLOCK / channels));
  return wasmLaunch(name, {
    routine: 'copyChannels',
    units: Math.ceil(pixels / some),
    inputs: [x],
    output: y,
    arguments: ([x], y) => [x + 4 * from, y + 4 * to, pixels, channels, X, Y, some],
  });
}

/** Inputs that one launch joins: for two, what is written is one long stream; alone, pieces of rows, which take twice as long. */
const TOGETHER = 4;

/** A launch for every four inputs. */
export const concatWasm: Variant<unknown> = {
  name: 'concat/wasm',
  device: 'wasm',
  applies: always,
  lower({ inputs, output }) {
    const pixels = pixelsOf(output.shape);
    const Y = channelsOf(output.shape);
    const some = Math.max(1, Math.floor(BLOCK / Y));
    let next = 0;
    return Array.from({ length: Math.ceil(inputs.length / TOGETHER) }, (_, i) => {
      const joined = inputs.slice(i * TOGETHER, (i + 1) * TOGETHER);
      const channels = joined.map(input => channelsOf(input.shape));
      const to = next;
      next += channels.reduce((sum, each) => sum + each, 0);
      const filled = (values: readonly number[]) => [...values, ...Array<number>(TOGETHER - values.length).fill(0)];
      return wasmLaunch('concat', {
        routine: 'joinChannels',
        units: Math.ceil(pixels / some),
        inputs: joined,
        output,
        arguments: (inputs, y) => [...filled(inputs), y + 4 * to, pixels, ...filled(channels), Y, some],
      });
    });
  },
};

export const sliceWasm: Variant<{ from: number }> = {
  name: 'concat.slice/wasm',
  device: 'wasm',
  applies: always,
  lower: ({ attributes: { from }, inputs: [x], output }) => [copyChannels('concat.slice', x, output, channelsOf(output.shape), { from })],
};

/** Between an image [N,H,W,C] and one of every `stride`-th pixel with more channels, [N,P,Q,K]. */
function pad(name: string, routine: string, gradient: boolean): Variant<{ stride: number }> {
  return {
    name: `${name}/wasm`,
    device: 'wasm',
    applies: always,
    lower({ attributes: { stride }, inputs, output }) {
      const [[, H, W, C], [, P, Q, K]] = gradient ? [output.shape, inputs[0].shape] : [inputs[0].shape, output.shape];
      return [
        wasmLaunch(name, {
          routine,
          scratch: 16,
          units: output.shape[0] * output.shape[1],
          inputs,
          output,
          arguments: (inputs, y) => [...inputs, y, H, W, C, P, Q, K, stride],
        }),
      ];
    },
  };
}
export const padWasm = pad('padChannels', 'padChannels', false);
export const padGradientWasm = pad('padChannels.inputGradient', 'padChannelsGradient', true);

/** Columns of a unit: as many as 16,384 floats of the result have, at least a cache line of the source. */
const stripOf = (rows: number, columns: number): number => Math.min(Math.ceil(columns / 4) * 4, Math.max(16, 16 * Math.floor(1024 / rows)));

/** Of each image the matrix [rows, columns] into [columns, rows]; a copy where one of them is 1. */
function swap(name: string, sizes: (x: Shape, y: Shape) => readonly [rows: number, columns: number]): Variant<unknown> {
  return {
    name: `${name}/wasm`,
    device: 'wasm',
    applies: always,
    lower({ inputs: [x], output }) {
      const [rows, columns] = sizes(x.shape, output.shape);
      const length = output.shape[0] * rows * columns;
      const plain = rows === 1 || columns === 1;
      const strip = stripOf(rows, columns);
      return [
        wasmLaunch(name, {
          routine: plain ? 'copy' : 'transpose',
          scratch: 16,
          units: plain ? Math.ceil(length / BLOCK) : output.shape[0] * Math.ceil(columns / strip),
          inputs: [x],
          output,
          arguments: ([x], y) => (plain ? [x, y, length] : [x, y, rows, columns, strip]),
        }),
      ];
    },
  };
}
/** [pixels, C] of an image; a matrix counts as one pixel a row. */
const matrix = (image: Shape): readonly [number, number] => [image.length === 4 ? image[1] * image[2] : 1, image[image.length - 1]];
export const flattenWasm = swap('flatten', matrix);
export const unflattenWasm = swap('flatten.inputGradient', (_, image) => {
  const [pixels, C] = matrix(image);
  return [C, pixels];
});
