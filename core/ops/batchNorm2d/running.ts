/**
 * The running statistics, in place: running = (1 - momentum) · running + momentum · batch. A batch whose statistic is not
 * finite leaves them as they are, unlike PyTorch: its loss ends the run before the weights are touched, and what is saved or
 * evaluated then must not be spoilt.
 */
import type { Kernel, KernelThis } from '../../kernels/kernel.ts';
import { elements } from '../../shape.ts';
import { traffic } from '../attributes.ts';
import { registerPrimitive } from '../registry.ts';
import { runningMeanWasm, runningVarianceWasm } from '../variants/batchNormWasm.ts';

function moveMean(this: KernelThis, running: Float32Array, statistics: Float32Array): number {
  const batch = statistics[this.thread.x] + statistics[this.constants.C + this.thread.x];
  const next = this.constants.keep * running[this.thread.x] + this.constants.momentum * batch;
  return Math.abs(batch) < this.constants.largest ? next : running[this.thread.x];
}

/** `weight` is momentum · n / (n - 1): the running variance is the unbiased one, the batch's is not. */
function moveVariance(this: KernelThis, running: Float32Array, statistics: Float32Array): number {
  const batch = statistics[2 * this.constants.C + this.thread.x];
  const next = this.constants.keep * running[this.thread.x] + this.constants.weight * batch;
  return batch < this.constants.largest ? next : running[this.thread.x];
}

/** Below the largest float, so that no compiler takes the comparison for always true. */
const largest = 3e38;

registerPrimitive<{ momentum: number }>({
  name: 'batchNorm2d.runningMean',
  inPlace: 0,
  cost: (_, inputs, running) => traffic(4 * elements(running), inputs, running),
  lower({ attributes: { momentum }, inputs: [running, statistics], output }) {
    const C = elements(running.shape);
    const kernel: Kernel = {
      name: 'batchNorm2d.runningMean',
      run: moveMean,
      threads: [C],
      integers: { C },
      floats: { keep: 1 - momentum, momentum, largest },
      inout: 'running',
    };
    return [{ kernel, inputs: [running.name, statistics.name], output: output.name }];
  },
  variants: [runningMeanWasm],
});
registerPrimitive<{ momentum: number; pixels: number }>({
  name: 'batchNorm2d.runningVariance',
  inPlace: 0,
  cost: (_, inputs, running) => traffic(3 * elements(running), inputs, running),
  lower({ attributes: { momentum, pixels }, inputs: [running, statistics], output }) {
    const C = elements(running.shape);
    const kernel: Kernel = {
      name: 'batchNorm2d.runningVariance',
      run: moveVariance,
      threads: [C],
      integers: { C },
      floats: { keep: 1 - momentum, weight: (momentum * pixels) / (pixels - 1), largest },
      inout: 'running',
    };
    return [{ kernel, inputs: [running.name, statistics.name], output: output.name }];
  },
  variants: [runningVarianceWasm],
});
