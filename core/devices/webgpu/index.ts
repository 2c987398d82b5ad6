export { openWebgpu } from './device.ts';
export { describeWebgpu, type WebgpuOptions, type WebgpuReport } from './provider.ts';
