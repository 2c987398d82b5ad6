import { create } from 'webgpu';
import type { Device } from '../../../core/devices/device.ts';
import { deviceOn, openAdapter } from '../../../core/devices/webgpu/index.ts';

/**
 * Dawn's null adapter: it has every feature and computes nothing. WGSL goes through the whole compiler and all calls through
 * Dawn's validation, so it shows that a body compiles where no adapter here has the features that it needs.
 */
export async function openNullAdapter(): Promise<{ device: Device; gpu: GPUDevice }> {
  const instance = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
  const adapter = await instance.requestAdapter();
  const access = await openAdapter({ adapter: adapter!, instance, description: 'null adapter' });
  return { device: deviceOn(access, { software: true }), gpu: access.device };
}
