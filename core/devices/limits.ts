import type { VariantBody } from '../kernels/variant.ts';
import type { Device, DeviceBuffer, PlacedLaunch } from './device.ts';

/**
 * The roofline of a device (Williams, Waterman and Patterson 2009): what its arithmetic and its memory can do at most, as
 * measured by the plainest programs that keep one of the two busy.
 */
export interface Limits {
  readonly flopsPerSecond: number;
  /** Read and written bytes together. */
  readonly bytesPerSecond: number;
  /** How they were found, for people. */
  readonly how: string;
}

/** A launch that is timed, and what it does. */
interface Probe {
  readonly body: VariantBody;
  readonly flops: number;
  readonly bytes: number;
}

/** Each probe runs at least so often, and so long unless it has run very often. */
const leastRounds = 5;
const mostRounds = 50;
const probeMs = 300;

/** Measures both limits; takes a second at most. Undefined for a device without hand-written bodies: `cpu`. */
export async function measureLimits(device: Device): Promise<Limits | undefined> {
  if (device.language === 'none') return undefined;
  const bytes = copiedBytes(device);
  const buffers = ['source', 'target'].map(name => device.allocate(bytes, `${name} of a copy`));
  try {
    const { copy, product } = device.language === 'wasm' ? wasmProbes(device, bytes) : wgslProbes(device, bytes);
    const copyMs = await timed(device, copy, buffers);
    const productMs = await timed(device, product, buffers);
    return {
      flopsPerSecond: (product.flops / productMs) * 1000,
      bytesPerSecond: (copy.bytes / copyMs) * 1000,
      how: `${device.language === 'wasm' ? 'a product in the first cache' : 'multiply-adds in registers'}, a copy of ${bytes / 2 ** 20} MiB`,
    };
  } finally {
    for (const buffer of buffers) device.free(buffer);
  }
}

/** Milliseconds that work of so many FLOPs and bytes takes at least. */
export const leastMs = (limits: Limits, work: { readonly flops: number; readonly bytes: number }): number =>
  1000 * Math.max(work.flops / limits.flopsPerSecond, work.bytes / limits.bytesPerSecond);

/** More than any cache holds, except on a device that would need seconds for it. */
function copiedBytes({ kind, largestBinding = Number.POSITIVE_INFINITY }: Device): number {
  const wanted = kind === 'webgpu' ? 2 ** 28 : kind === 'wasm' ? 2 ** 26 : 2 ** 24;
  return Math.min(wanted, 2 ** Math.floor(Math.log2(largestBinding)));
}

async function timed(device: Device, { body }: Probe, [source, target]: readonly DeviceBuffer[]): Promise<number> {
  const length = target.bytes / 4;
  const placed: PlacedLaunch = {
    label: 'limit of the device',
    launch: { kernel: { name: 'limit' }, inputs: ['source'], output: 'target', body },
    inputs: [{ buffer: source, length, dtype: 'f32' }],
    output: { buffer: target, length, dtype: 'f32' },
  };
  const segment = await device.compile([placed]);
  const once = async () => {
    if (device.profile) return (await device.profile(segment))[0];
    const began = performance.now();
    await device.run(segment);
    await device.read(target, 4);
    return performance.now() - began;
  };
  // the first runs touch new memory and let compilers and clocks settle
  for (let i = 0; i < 3; i++) await once();
  const times: number[] = [];
  for (const began = performance.now(); times.length < mostRounds; times.push(await once())) {
    if (times.length >= leastRounds && performance.now() - began > probeMs) break;
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

function wasmProbes({ threads = 1 }: Device, bytes: number): { copy: Probe; product: Probe } {
  const depth = 256;
  const repeats = 1024;
  const units = 32 * threads;
  return {
    copy: {
      flops: 0,
      bytes: 2 * bytes,
      body: {
        language: 'wasm',
        routine: 'copyLimit',
        units: bytes / 16384,
        arguments: ({ inputs: [x], output }) => [x, output],
      },
    },
    product: {
      flops: units * repeats * depth * 96,
      bytes: 0,
      body: {
        language: 'wasm',
        routine: 'productLimit',
        units,
        scratch: 512 + 56 * depth,
        arguments: () => [depth, repeats],
      },
    },
  };
}

function wgslProbes({ kind }: Device, bytes: number): { copy: Probe; product: Probe } {
  const vectors = bytes / 16;
  const copyGroups = Math.min(32768, vectors / 256);
  const groups = kind === 'webgpu' ? 8192 : 64;
  const turns = 1024;
  const chains = [0, 1, 2, 3, 4, 5, 6, 7];
  const arrays = [
    { name: 'x', element: 'vec4<f32>' },
    { name: 'y', element: 'vec4<f32>' },
  ] as const;
  return {
    copy: {
      flops: 0,
      bytes: 2 * bytes,
      body: {
        language: 'wgsl',
        workgroup: [256, 1, 1],
        groups: [copyGroups, 1, 1],
        arrays,
        source: `@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id : vec3<u32>) {
  for (var i = id.x; i < ${vectors}u; i += ${copyGroups * 256}u) { y[i] = x[i]; }
}`,
      },
    },
    product: {
      // a multiply-add of 4 lanes each
      flops: groups * 256 * turns * chains.length * 4 * 2,
      bytes: 0,
      body: {
        language: 'wgsl',
        workgroup: [256, 1, 1],
        groups: [groups, 1, 1],
        arrays,
        source: `@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id : vec3<u32>) {
  let a = x[id.x & 255u];
  // chains that start apart: equal ones would be computed once
  ${chains.map(i => `var s${i} = x[(id.x + ${i + 1}u) & 255u];`).join(' ')}
  for (var i = 0; i < ${turns}; i++) {
    ${chains.map(i => `s${i} = fma(s${i}, a, a);`).join(' ')}
  }
  y[id.x & ${vectors - 1}u] = ${chains.map(i => `s${i}`).join(' + ')};
}`,
      },
    },
  };
}
