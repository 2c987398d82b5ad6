import type { Variant } from '../../kernels/variant.ts';
import { channelsOf } from '../channelSums.ts';
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
  lower({ inputs, output }) {
    const [N, H, W] = output.shape;
    const C = channelsOf(output.shape);
    return [
      wasmLaunch('toFloat.edited', {
        routine: 'toFloatEdited',
        units: N * H,
        // five rows of floats, each a vector longer
        scratch: 5 * (4 * W * C + 32),
        inputs,
        output,
        arguments: (inputs, y) => [...inputs, y, H, W, C, 1 / 255],
      }),
    ];
  },
};
