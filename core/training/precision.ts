import type { Device } from '../devices/device.ts';
import { fail } from '../errors.ts';

/**
 * In which numbers a model is trained.
 *
 * 'f32': everything in 32 bits.
 * 'mixed': the products of convolutions and linear layers, in all three directions, round their operands to 16 bits where they read
 * them and add up in 32 bits, on tensor cores; products too small for these stay in 32 bits. Weights, activations, gradients and
 * the optimizer's tensors are stored in 32 bits, and all else is computed in them. The loss is scaled dynamically (`lossScale.ts`).
 */
export type Precision = 'f32' | 'mixed';

const needed = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'];

/** Throws a MillraceError of kind 'device' that says what the device lacks for 'mixed'. */
export function checkMixed({ features = new Set(), limits, description }: Device): void {
  const missing = needed.filter(name => !features.has(name));
  const offered = limits?.subgroupMatrices ?? [];
  const suitable = offered.some(({ componentType, resultComponentType }) => componentType === 'f16' && resultComponentType === 'f32');
  if (missing.length === 0 && suitable) return;
  const lack = missing.length > 0 ? `without ${missing.join(', ')}` : 'without matrices of f16 that are added up in f32';
  const expected = 'a GPU that multiplies 16-bit matrices, through the WebGPU features shader-f16, subgroups and subgroup-matrix';
  throw fail(
    'device',
    'precision "mixed"',
    expected,
    `${description}, ${lack}`,
    'Leave the precision out: then all is computed in 32 bits.',
  );
}
