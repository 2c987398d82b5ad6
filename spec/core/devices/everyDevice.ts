import { openCpu } from '../../../core/devices/cpu.ts';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { openAnyWebgpu } from './openAnyWebgpu.ts';

export interface OpenableDevice {
  readonly name: string;
  /** Skips the suite with the reason where there is none. */
  open(context: Mocha.Context): Promise<Device>;
}

/** What every contract suite runs over. */
export const everyDevice: readonly OpenableDevice[] = [
  { name: 'cpu', open: openCpu },
  { name: 'wasm, 1 thread', open: () => openWasm({ threads: 1 }) },
  { name: 'wasm, 2 threads', open: () => openWasm({ threads: 2 }) },
  { name: 'wasm, 3 threads', open: () => openWasm({ threads: 3 }) },
  { name: 'webgpu, a software adapter too', open: openAnyWebgpu },
];
