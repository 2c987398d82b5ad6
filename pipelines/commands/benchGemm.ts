import { type DeviceName, openDevice, openProduct } from '../../core/index.ts';
import { figure } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { median } from './median.ts';

export interface BenchGemmOptions {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly device: DeviceName;
  readonly threads?: number;
}

/** How long is measured at least, and how often at most. */
const leastMs = 2000;
const mostRuns = 200;

/** Times a matrix product [M,K]·[K,N] as the forward pass of a linear layer computes it, whichever variant that takes. */
export async function benchGemm({ m, n, k, device: name, threads }: BenchGemmOptions, output: Output): Promise<number> {
  const device = await openDevice(name, { threads });
  try {
    const product = await openProduct(device, { m, n, k });
    output.line(`device  ${device.description}`);
    await product.run();
    await product.run();
    const times: number[] = [];
    const began = performance.now();
    while (times.length < 3 || (performance.now() - began < leastMs && times.length < mostRuns)) times.push(await product.run());
    product.close();
    const ms = median(times);
    const gflops = (2 * m * n * k) / ms / 1e6;
    output.line(`${m}×${n}×${k} (m×n×k): ${figure(gflops)} GFLOP/s, ${figure(ms)} ms (median of ${times.length}), by ${product.kernel}`);
    output.summary({
      gflops,
      ms,
      m,
      n,
      k,
      kernel: product.kernel,
      device: device.description,
      device_kind: device.kind,
      threads: device.threads ?? null,
    });
    return 0;
  } finally {
    await device.destroy();
  }
}
