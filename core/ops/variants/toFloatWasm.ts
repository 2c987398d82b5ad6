import type { Variant } from '../../kernels/variant.ts';
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
