import type { Device, DeviceBuffer } from '../devices/device.ts';
import { primitive } from '../ops/index.ts';
import type { Cost } from '../ops/op.ts';
import { lower } from '../plan/lower.ts';
import { planFor } from '../plan/plan.ts';
import { elements } from '../shape.ts';
import { type Problem, problemProgram } from './problems.ts';

/** A problem on a device, computed by one variant or by the op's own kernels, ready to be timed. */
export interface OpenProblem {
  readonly cost: Cost;
  /** Milliseconds: of the launches where the device times them, else until the device was done. */
  run(): Promise<number>;
  close(): void;
}

/** The variants that take a problem on a device; the first one is what a plan chooses. */
export function waysOf(device: Device, problem: Problem): string[] {
  const { program } = problemProgram(problem);
  const terms = { largestBinding: device.largestBinding, features: device.features, limits: device.limits };
  return (primitive(problem.primitive).variants ?? [])
    .map(({ name }) => name)
    .filter(name => lower(program, device.language, { ...terms, variants: [name] }).nodes[0].variant === name);
}

/** @param variant null: the op's own gpu.js kernels */
export async function openProblem(device: Device, problem: Problem, variant: string | null): Promise<OpenProblem> {
  const { program, output } = problemProgram(problem);
  const placed = new Map<string, DeviceBuffer>();
  const pool: DeviceBuffer[] = [];
  const close = () => {
    for (const buffer of new Set([...placed.values(), ...pool])) device.free(buffer);
  };
  try {
    const plan = await planFor(program, { device, placed, pool, variants: variant === null ? false : [variant] });
    for (const [i, { shape, dtype }] of problem.inputs.entries()) {
      device.write(plan.buffers.get(`input ${i}`)!, values(elements(shape), dtype));
    }
    const segment = plan.segment('forward');
    const result = plan.buffers.get(output)!;
    return {
      cost: plan.lowered.nodes[0].cost,
      async run() {
        if (device.profile) return (await device.profile(segment)).reduce((sum, ms) => sum + ms, 0);
        const began = performance.now();
        await device.run(segment);
        await device.read(result, 4);
        return performance.now() - began;
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** From 0 to 1, so that whole numbers made of them are indices, labels or positions that exist, and variances are positive. */
function values(length: number, dtype: 'f32' | 'u8'): Float32Array | Uint8Array {
  if (dtype === 'u8') return Uint8Array.from({ length }, (_, i) => (i * 37) & 255);
  const data = new Float32Array(length);
  for (let i = 0; i < length; i++) data[i] = ((i * 2654435761) >>> 8) / 2 ** 24;
  return data;
}
