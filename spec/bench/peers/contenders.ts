import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JobOptions } from './job.ts';

export interface Contender {
  readonly name: string;
  readonly command: readonly string[];
  /** Needs minutes for a large step: starts with a small one and takes the largest that its patience allows. */
  readonly slow: boolean;
  /** Whether JavaScript programs could use it. */
  readonly javascript: boolean;
}

const here = fileURLToPath(new URL('.', import.meta.url));
const node = (file: string, ...more: string[]): string[] => [process.execPath, '--import', 'tsx', join(here, file), 'JOB', ...more];

export const peerNames = ['torch', 'torch-channels-last', 'tfjs-cpu', 'tfjs-wasm', 'tfjs-webgpu', 'jax-js-wasm', 'jax-js-webgpu'] as const;
export type PeerName = (typeof peerNames)[number];

/** @param packages folder whose `node_modules` has what this folder's package.json names */
export function contenders(names: readonly PeerName[], python: string, packages: string): Contender[] {
  const make: Record<PeerName, () => Omit<Contender, 'name'>> = {
    torch: () => ({ command: [python, join(here, 'torch_peer.py'), 'JOB'], slow: false, javascript: false }),
    'torch-channels-last': () => ({
      command: [python, join(here, 'torch_peer.py'), 'JOB', 'channels_last'],
      slow: false,
      javascript: false,
    }),
    'tfjs-cpu': () => ({ command: node('tfjs.ts', packages, 'cpu'), slow: true, javascript: true }),
    'tfjs-wasm': () => ({ command: node('tfjs.ts', packages, 'wasm'), slow: true, javascript: true }),
    'tfjs-webgpu': () => ({ command: node('tfjs.ts', packages, 'webgpu'), slow: false, javascript: true }),
    'jax-js-wasm': () => ({ command: node('jax.ts', packages, 'wasm'), slow: true, javascript: true }),
    'jax-js-webgpu': () => ({ command: node('jax.ts', packages, 'webgpu'), slow: false, javascript: true }),
  };
  return names.map(name => ({ name, ...make[name]() }));
}

export const ours: Contender = { name: 'millrace', command: node('ours.ts'), slow: false, javascript: true };

/** What can be compared on a device: on the CPU all that compute there, on a GPU all that reach it. */
export function defaultPeers({ device }: JobOptions, packages: string): PeerName[] {
  const installed = existsSync(join(packages, 'node_modules'));
  const onGpu = device.startsWith('webgpu');
  const all: readonly PeerName[] = onGpu
    ? ['torch', 'torch-channels-last', 'tfjs-webgpu', 'jax-js-webgpu']
    : ['torch', 'torch-channels-last', 'tfjs-cpu', 'tfjs-wasm', 'jax-js-wasm'];
  return all.filter(name => installed || name.startsWith('torch'));
}
