import type { Variant, VariantLaunch } from '../../kernels/variant.ts';
import { channelsOf } from '../channelSums.ts';
import type { Tensor } from '../op.ts';
import { rowsOf } from './channelSumsWasm.ts';
import { wasmLaunch } from './wasmLaunch.ts';

/** Images' bytes to floats by the routine of `core/assembly/toFloat.ts`. */
export const toFloatWasm: Variant<unknown> = {
  name: 'toFloat/wasm',
  device: 'wasm',
  applies: () => true,
  lower({ inputs, output }) {
    const { C, pixels, repeat, width, some } = rowsOf(output.shape);
    return [
      wasmLaunch('toFloat', {
        routine: 'toFloat',
        units: Math.ceil(pixels / some),
        scratch: 8 * width + 64,
        inputs,
        output,
        arguments: (inputs, y) => [...inputs, y, pixels, C, repeat, some, 1 / 255],
      }),
    ];
  },
};

/** The same with the edits, by the routine of `core/assembly/toFloatEdited.ts`: a unit is a row of an image. */
export const toFloatEditedWasm: Variant<unknown> = {
  name: 'toFloat.edited/wasm',
  device: 'wasm',
  applies: () => true,
  lower: ({ inputs, output }) => [edited('toFloat.edited', inputs, output)],
};

/** With ops and noise. Only images whose contrast changes go through the first two launches; a thread does the ops of a row at a time. */
export const toFloatAdjustedWasm: Variant<unknown> = {
  name: 'toFloat.adjusted/wasm',
  device: 'wasm',
  applies: (_, [x]) => x[3] === 1 || x[3] === 3,
  lower({ inputs: [x, normalization, edits, quantiles], output, scratch }) {
    const [N, H, W, C] = output.shape;
    const bytes = scratch([Math.ceil((N * H * W * C) / 4)]);
    const sums = scratch([N, H]);
    const means = scratch([N]);
    return [
      wasmLaunch('toFloat.adjusted before contrast', {
        routine: 'adjustBefore',
        units: N * H,
        scratch: 2 * rowBytes(W, C),
        inputs: [x, edits, sums],
        output: bytes,
        writes: [sums],
        arguments: ([x, edits, sums], bytes) => [x, edits, bytes, sums, H, W, C],
      }),
      wasmLaunch('toFloat.adjusted means', {
        routine: 'adjustMeans',
        units: N,
        inputs: [sums],
        output: means,
        arguments: ([sums], means) => [sums, means, H, H * W],
      }),
      edited('toFloat.adjusted', [x, normalization, edits, bytes, means, quantiles], output),
    ];
  },
};

/** Bytes of a row of floats, or of its planes, each a vector longer. */
const rowBytes = (W: number, C: number): number => C * (4 * W + 32);

/** @param inputs pixels, normalization, edits; and what ops and noise need, if they are to be done */
function edited(name: string, inputs: readonly Tensor[], output: Tensor): VariantLaunch {
  const [N, H, W] = output.shape;
  const C = channelsOf(output.shape);
  return wasmLaunch(name, {
    routine: 'toFloatEdited',
    units: N * H,
    scratch: 5 * rowBytes(W, C),
    inputs,
    output,
    arguments: ([x, normalization, edits, bytes = 0, means = 0, quantiles = 0], y) => [
      ...[x, normalization, edits, y, H, W, C, 1 / 255],
      ...[bytes, means, quantiles],
    ],
  });
}
