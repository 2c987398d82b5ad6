import type { Device } from '../../../core/devices/device.ts';
import type { Kernel } from '../../../core/kernels/kernel.ts';
import type { VariantBody } from '../../../core/kernels/variant.ts';

/** Runs one kernel, or its hand-written body, on arrays: allocates, writes, runs, reads, frees. */
export async function runKernel(
  device: Device,
  kernel: Kernel,
  arrays: readonly (Float32Array | Uint8Array)[],
  outputLength: number,
  body?: VariantBody,
): Promise<Float32Array> {
  const names = arrays.map((_, i) => `input${i}`);
  const inputs = arrays.map((array, i) => {
    const buffer = device.allocate(array.byteLength, names[i]!);
    device.write(buffer, array);
    return { buffer, length: array.length, dtype: array instanceof Uint8Array ? ('u8' as const) : ('f32' as const) };
  });
  const output = { buffer: device.allocate(outputLength * 4, 'output'), length: outputLength, dtype: 'f32' as const };
  const launch = { kernel, inputs: names, output: 'output', ...(body && { body }) };
  const segment = await device.compile([{ label: kernel.name, launch, inputs, output }]);
  await device.run(segment);
  const result = await device.read(output.buffer, outputLength * 4);
  for (const { buffer } of [...inputs, output]) device.free(buffer);
  return result;
}
