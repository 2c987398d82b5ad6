export { deviceOn, openWebgpu } from './device.ts';
export { describeHardware, describeWebgpu, openAdapter, type WebgpuOptions, type WebgpuReport } from './provider.ts';
