import type { Kernel, Launch } from '../../kernels/kernel.ts';
import type { Variant, VariantLaunch, WasmRoutine } from '../../kernels/variant.ts';
import type { Primitive } from '../op.ts';

/** A variant that keeps a primitive's own launches and gives a WebAssembly body to those of them that `fits`. */
export function bodyVariant<A>(
  name: string,
  lower: Primitive<A>['lower'],
  fits: (kernel: Kernel) => boolean,
  body: (kernel: Kernel) => WasmRoutine,
): Variant<A> {
  return {
    name,
    device: 'wasm',
    // lowering is cheap and has no effects, so asking it is the surest way to know what it will launch
    applies(attributes, inputs, output) {
      let scratched = 0;
      const tensor = (label: string, shape: readonly number[]) => ({ name: label, shape, dtype: 'f32' as const });
      const launches = lower({
        attributes,
        inputs: inputs.map((shape, i) => tensor(`input ${i}`, shape)),
        output: tensor('output', output),
        scratch: shape => tensor(`scratch ${scratched++}`, shape),
      });
      return launches.some(({ kernel }) => fits(kernel));
    },
    lower: context =>
      lower(context).map((launch): Launch | VariantLaunch => (fits(launch.kernel) ? { ...launch, body: body(launch.kernel) } : launch)),
  };
}
