import type { Kernel, KernelThis } from '../../kernels/kernel.ts';

/** y[n,o] = Σ_i x[n,i] · weight[i,o]; x is o, y is n. */
function product(this: KernelThis, x: Float32Array, weight: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.I; i++) {
    sum += x[this.thread.y * this.constants.I + i] * weight[i * this.constants.O + this.thread.x];
  }
  return sum;
}

/** The same plus bias[o]. */
function productBias(this: KernelThis, x: Float32Array, weight: Float32Array, bias: Float32Array): number {
  let sum = 0.0;
  for (let i = 0; i < this.constants.I; i++) {
    sum += x[this.thread.y * this.constants.I + i] * weight[i * this.constants.O + this.thread.x];
  }
  return sum + bias[this.thread.x];
}

/** What linear's variants compute in one launch, in the plainest words: their definition for devices without them. */
export function linearKernel(name: string, N: number, I: number, O: number, biased: boolean): Kernel {
  return { name, run: biased ? productBias : product, threads: [O, N], integers: { I, O } };
}
