export { openWebgpu } from './device.ts';
export { describeHardware, describeWebgpu, type WebgpuOptions, type WebgpuReport } from './provider.ts';
