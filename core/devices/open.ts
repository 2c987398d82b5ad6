import { availableParallelism } from 'node:os';
import { fail } from '../errors.ts';
import { sharesMemory } from '../thread.ts';
import { openCpu } from './cpu.ts';
import type { Device, DeviceKind } from './device.ts';
import { openWasm } from './wasm/device.ts';
import { describeHardware, describeWebgpu, openWebgpu } from './webgpu/index.ts';

export type DeviceName = 'auto' | DeviceKind;
export const deviceNames: readonly DeviceName[] = ['auto', 'webgpu', 'webgpu:software', 'wasm', 'cpu'];

/** One device of this machine, or why it is not there. */
export interface DeviceReport {
  readonly kind: DeviceKind;
  readonly available: boolean;
  readonly description: string;
  /** Why it is not available and what would help. */
  readonly reason?: string;
  /** Whether `auto` would take it. */
  readonly chosen: boolean;
}

export interface OpenOptions {
  /** Compute threads of the wasm device; by default one per core. */
  readonly threads?: number;
}

/**
 * Opens a device by name. `auto` takes a hardware GPU if there is one, else WebAssembly; it never takes a software GPU or the
 * reference. A name other than `auto` opens that or fails with the reason: nothing is replaced silently.
 */
export async function openDevice(name: DeviceName, { threads = availableParallelism() }: OpenOptions = {}): Promise<Device> {
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
    throw fail('usage', '--threads', 'a whole number from 1 to 256', String(threads), `This machine has ${availableParallelism()} cores.`);
  }
  switch (name) {
    case 'auto': {
      return (await describeHardware()).available ? openWebgpu({ software: false }) : openWasm({ threads });
    }
    case 'webgpu':
      return openWebgpu({ software: false });
    case 'webgpu:software':
      return openWebgpu({ software: true });
    case 'wasm':
      return openWasm({ threads });
    case 'cpu':
      return openCpu();
    default:
      throw fail(
        'usage',
        '--device',
        `one of ${deviceNames.join(', ')}`,
        `"${name}"`,
        'Run `millrace devices` to see what this machine has.',
      );
  }
}

export async function describeDevices({ threads = availableParallelism() }: OpenOptions = {}): Promise<readonly DeviceReport[]> {
  const { hardware, software } = await describeWebgpu();
  const reason = 'this JavaScript engine has no SharedArrayBuffer. Run Node without --no-harmony-sharedarraybuffer.';
  return [
    { kind: 'webgpu', ...hardware, chosen: hardware.available },
    {
      kind: 'wasm',
      available: sharesMemory(),
      description: `WebAssembly SIMD, ${threads} thread${threads === 1 ? '' : 's'}`,
      ...(!sharesMemory() && { reason }),
      chosen: !hardware.available && sharesMemory(),
    },
    { kind: 'webgpu:software', ...software, chosen: false },
    { kind: 'cpu', available: true, description: 'plain JavaScript, the reference: slow', chosen: false },
  ];
}
