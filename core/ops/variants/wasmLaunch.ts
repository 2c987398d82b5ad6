import type { VariantLaunch, WasmRoutine } from '../../kernels/variant.ts';
import type { Tensor } from '../op.ts';

interface Call extends Pick<WasmRoutine, 'units' | 'grain' | 'lastFirst' | 'scratch'> {
  readonly routine: string;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  /** Inputs that it writes besides the output. */
  readonly writes?: readonly Tensor[];
  /** What follows `scratch`, from the addresses. By default those of inputs and output. */
  arguments?(inputs: readonly number[], output: number): readonly number[];
}

/** A launch of a routine of `core/assembly`; `name` is for tables and traces. */
export function wasmLaunch(
  name: string,
  { routine, units, grain, lastFirst, scratch, inputs, output, writes, ...call }: Call,
): VariantLaunch {
  return {
    kernel: { name },
    inputs: inputs.map(tensor => tensor.name),
    output: output.name,
    ...(writes && { writes: writes.map(tensor => tensor.name) }),
    body: {
      language: 'wasm',
      routine,
      units,
      ...(grain && { grain }),
      ...(lastFirst && { lastFirst }),
      ...(scratch && { scratch }),
      arguments: place => call.arguments?.(place.inputs, place.output) ?? [...place.inputs, place.output],
    },
  };
}
