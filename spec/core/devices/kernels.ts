import type { Argument, DeviceBuffer, PlacedLaunch } from '../../../core/devices/device.ts';
import type { Kernel, KernelThis } from '../../../core/kernels/kernel.ts';

/** Kernels and launches that the device specs share. */

const argument = (buffer: DeviceBuffer): Argument => ({ buffer, length: buffer.bytes >> 2, dtype: 'f32' });
/** A launch of float tensors that fill their buffers. */
export function placed(kernel: Kernel, inputs: readonly DeviceBuffer[], output: DeviceBuffer): PlacedLaunch {
  const launch = { kernel, inputs: inputs.map(input => input.label), output: output.label };
  return { label: `test ${kernel.name}`, launch, inputs: inputs.map(argument), output: argument(output) };
}

function scaleOf(this: KernelThis, x: Float32Array): number {
  return x[this.thread.x]! * this.constants.by!;
}
export const scale = (count: number, by: number): Kernel => ({ name: 'scale', run: scaleOf, threads: [count], floats: { by } });

function descendBy(this: KernelThis, w: Float32Array, dw: Float32Array): number {
  return w[this.thread.x]! - dw[this.thread.x]! * 0.5;
}
/** w = w - dw / 2, in place. */
export const descend = (count: number): Kernel => ({ name: 'descend', run: descendBy, threads: [count], inout: 'w' });

function slowSum(this: KernelThis, x: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < this.constants.n!; i++) sum += x[0]! + Math.exp(-sum);
  return sum;
}
/** Takes about as long as `count` × `n` exponentials. */
export const slow = (count: number, n: number): Kernel => ({ name: 'slow', run: slowSum, threads: [count], integers: { n } });

function divideBy(this: KernelThis, x: Float32Array): number {
  return x[0]! + Math.floor(this.thread.x / this.constants.by!);
}
/** WebAssembly traps when `by` is 0. */
export const divide = (count: number, by: number): Kernel => ({ name: 'divide', run: divideBy, threads: [count], integers: { by } });
