import type { Device } from '../../../core/devices/device.ts';
import type { Kernel, KernelFunction } from '../../../core/kernels/kernel.ts';
import { type LoweredProgram, type LowerOptions, lower } from '../../../core/plan/lower.ts';
import type { Program } from '../../../core/program/program.ts';
import { elements } from '../../../core/shape.ts';

export type Values = Readonly<Record<string, ArrayLike<number>>>;
/** Runs a whole program from given inputs, parameters and state; gives every tensor of it as it was at the end. */
export type Runner = (program: Program, values: Values) => Promise<Record<string, ArrayLike<number>>>;

type Memory = Float32Array | Float64Array | Uint8Array;

/**
 * The oracle's oracle: kernels called as the plain functions that they are. In Float64Array nothing is rounded, which
 * finite differences need. `strict` makes every read outside an array an error, also those whose value is never stored.
 * Whatever no kernel has written is NaN.
 */
export function interpret({
  precision = Float64Array,
  strict = false,
}: {
  precision?: typeof Float64Array | typeof Float32Array;
  strict?: boolean;
} = {}): Runner {
  return async (program, values) => {
    const lowered = lower(program, 'none');
    const memory = new Map<string, Memory>();
    for (const { name, shape, dtype } of lowered.tensors.values()) {
      memory.set(name, dtype === 'u8' ? new Uint8Array(elements(shape)) : new precision(elements(shape)).fill(Number.NaN));
      if (values[name]) memory.get(name)!.set(values[name]);
    }
    for (const { launches } of lowered.nodes) {
      for (const launch of launches) {
        if ('body' in launch) throw new Error('a variant was lowered for no device');
        const { kernel, inputs, output } = launch;
        const arrays = inputs.map(name => memory.get(name)!);
        runKernel(
          kernel,
          strict ? arrays.map((array, i) => guard(array, `${kernel.name} reads ${inputs[i]}`)) : arrays,
          memory.get(output)!,
        );
      }
    }
    return Object.fromEntries(memory);
  };
}

function runKernel({ run, threads: [X, Y = 1, Z = 1], rows, integers, floats }: Kernel, arrays: readonly Memory[], output: Memory): void {
  const constants = { ...integers, ...floats };
  const thread = { x: 0, y: 0, z: 0 };
  const bound = (run as KernelFunction).bind({ thread, constants }) as unknown as (...arrays: readonly Memory[]) => number | number[];
  const stored = rows === undefined ? X * Y * Z : X * rows * Z;
  if (stored !== output.length) throw new Error(`${threadsText(X, Y, Z)} store ${stored} elements, the output has ${output.length}`);
  for (thread.z = 0; thread.z < Z; thread.z++) {
    for (thread.y = 0; thread.y < Y; thread.y++) {
      for (thread.x = 0; thread.x < X; thread.x++) {
        const result = bound(...arrays);
        if (typeof result === 'number') output[(thread.z * Y + thread.y) * X + thread.x] = result;
        else {
          for (let i = 0; i < 4; i++) {
            const row = thread.y * 4 + i;
            if (row < rows!) output[(thread.z * rows! + row) * X + thread.x] = result[i];
          }
        }
      }
    }
  }
}

const threadsText = (...sizes: number[]) => `threads ${sizes.join(' x ')}`;

function guard(array: Memory, what: string): Memory {
  return new Proxy(array, {
    get(target, key) {
      const index = typeof key === 'string' ? Number(key) : Number.NaN;
      if (Number.isNaN(index)) return Reflect.get(target, key, target);
      if (!Number.isInteger(index) || index < 0 || index >= target.length) throw new RangeError(`${what} [${index}] of ${target.length}`);
      return target[index];
    },
  });
}

/** Runs on a device: every tensor in a buffer of its own, NaN where nothing was given. Buffers are freed after each program. */
export function onDevice(device: Device, options: LowerOptions = {}): Runner {
  return async (program, values) => {
    const lowered: LoweredProgram = lower(program, device.language, options);
    const tensors = [...lowered.tensors.values()].map(tensor => {
      const length = elements(tensor.shape);
      const bytes = tensor.dtype === 'u8' ? length : 4 * length;
      return { ...tensor, length, bytes, buffer: device.allocate(bytes, tensor.name) };
    });
    const byName = new Map(tensors.map(tensor => [tensor.name, tensor]));
    try {
      for (const { name, dtype, length, buffer } of tensors) {
        const data = dtype === 'u8' ? new Uint8Array(length) : new Float32Array(length).fill(Number.NaN);
        if (values[name]) data.set(values[name]);
        device.write(buffer, data);
      }
      const launches = lowered.nodes.flatMap(node =>
        node.launches.map(launch => ({
          label: launch.kernel.name,
          launch,
          inputs: launch.inputs.map(name => byName.get(name)!),
          output: byName.get(launch.output)!,
        })),
      );
      await device.run(await device.compile(launches));
      const results: Record<string, ArrayLike<number>> = {};
      for (const { name, dtype, bytes, buffer } of tensors) if (dtype === 'f32') results[name] = await device.read(buffer, bytes);
      return results;
    } finally {
      for (const { buffer } of tensors) device.free(buffer);
    }
  };
}
