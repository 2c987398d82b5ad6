import type { Kernel } from '../../kernels/kernel.ts';
import type { Primitive } from '../op.ts';

/**
 * Whether a primitive would launch a kernel that passes `test`. Lowering is cheap and has no effects, so asking it is the
 * surest way to know.
 */
export function launchesAny<A>(
  lower: Primitive<A>['lower'],
  attributes: A,
  inputs: readonly (readonly number[])[],
  output: readonly number[],
  test: (kernel: Kernel) => boolean,
): boolean {
  let scratched = 0;
  const tensor = (name: string, shape: readonly number[]) => ({ name, shape, dtype: 'f32' as const });
  const launches = lower({
    attributes,
    inputs: inputs.map((shape, i) => tensor(`input ${i}`, shape)),
    output: tensor('output', output),
    scratch: shape => tensor(`scratch ${scratched++}`, shape),
  });
  return launches.some(({ kernel }) => test(kernel));
}
