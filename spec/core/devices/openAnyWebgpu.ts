import type { Device } from '../../../core/devices/device.ts';
import { openWebgpu } from '../../../core/devices/webgpu/index.ts';

/** Opens any WebGPU adapter, software first; where there is none, skips the suite by name and prints why. */
export async function openAnyWebgpu(context: Mocha.Context): Promise<Device> {
  const reasons: string[] = [];
  for (const software of [true, false]) {
    try {
      return await openWebgpu({ software });
    } catch (reason) {
      reasons.push((reason as Error).message);
    }
  }
  console.log(`      skipped: ${context.test?.parent?.fullTitle()}: ${reasons.join(' ')}`);
  return context.skip();
}
