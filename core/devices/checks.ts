import { fail } from '../errors.ts';
import type { Kernel } from '../kernels/kernel.ts';
import { elements } from '../shape.ts';
import { type CompiledSegment, type DeviceBuffer, type PlacedLaunch, sliceAlignment } from './device.ts';

/** What the devices in host memory refuse, as WebGPU does: there a mistake would read or overwrite a neighbour silently. */

/** The error for a use of a device that is gone. */
export const destroyed = (where: string) => fail('state', where, 'an open device', 'one that was destroyed', 'Open a new one.');

/** The buffers that a device has given out and not taken back. */
export class LiveBuffers {
  readonly #live = new Set<DeviceBuffer>();
  readonly #freed = new WeakSet<DeviceBuffer>();

  /** Slice → the buffer that it is a part of, and where in it. */
  readonly #parts = new WeakMap<DeviceBuffer, Part>();

  add<B extends DeviceBuffer>(buffer: B): B {
    this.#live.add(buffer);
    return buffer;
  }
  /** `slice` is a part of `buffer`: it lives as long. */
  addSlice<B extends DeviceBuffer>(slice: B, buffer: DeviceBuffer, byteOffset: number): B {
    this.check(buffer);
    checkSlice(buffer, byteOffset, slice.bytes);
    const { whole, begin } = this.#partOf(buffer);
    this.#parts.set(slice, { whole, begin: begin + byteOffset });
    return slice;
  }
  #partOf(buffer: DeviceBuffer): Part {
    return this.#parts.get(buffer) ?? { whole: buffer, begin: 0 };
  }
  #overlap(a: DeviceBuffer, b: DeviceBuffer): boolean {
    const [first, second] = [this.#partOf(a), this.#partOf(b)];
    return first.whole === second.whole && first.begin < second.begin + b.bytes && second.begin < first.begin + a.bytes;
  }
  /** False for a buffer that is freed already or another device's. */
  remove(buffer: DeviceBuffer): boolean {
    if (!this.#live.delete(buffer)) return false;
    this.#freed.add(buffer);
    return true;
  }
  clear(): void {
    this.#live.clear();
  }
  check(buffer: DeviceBuffer): void {
    const { whole } = this.#partOf(buffer);
    if (this.#live.has(whole)) return;
    const got = this.#freed.has(whole) ? 'a freed one' : "another device's";
    throw fail('state', `tensor "${buffer?.label}"`, 'a buffer of this device', got, 'Allocate it here, and free it last.');
  }
  /** Refuses bytes outside a buffer, and reads of broken floats. */
  checkRange(buffer: DeviceBuffer, byteOffset: number, byteLength: number, access: 'read' | 'write'): void {
    this.check(buffer);
    const where = `${access} of tensor "${buffer.label}"`;
    const got = `${byteLength} bytes at ${byteOffset}`;
    if (byteOffset < 0 || byteOffset + byteLength > buffer.bytes) {
      throw fail('state', where, `a range inside its ${buffer.bytes} bytes`, got, 'Pass data of the shape that the plan placed.');
    }
    if (access === 'read' && byteLength % 4 !== 0)
      throw fail('state', where, 'a length that is a multiple of 4', got, 'Read whole floats.');
  }
  /** Refuses a launch whose arrays do not lie in buffers of this device, or whose output is read elsewhere in it. */
  checkLaunch({ label, launch, inputs, output }: PlacedLaunch): void {
    for (const { buffer, length, dtype } of [...inputs, output]) {
      this.check(buffer);
      const bytes = length * (dtype === 'u8' ? 1 : 4);
      if (bytes <= buffer.bytes) continue;
      const where = `${label}, tensor "${buffer.label}"`;
      throw fail('state', where, `an array inside its ${buffer.bytes} bytes`, `${bytes} bytes`, 'Place it in a larger buffer.');
    }
    if (!('body' in launch)) checkThreads(label, launch.kernel, inputs, output);
    const updated = updatedInPlace(launch);
    if (inputs.filter(({ buffer }) => this.#overlap(buffer, output.buffer)).length <= updated) return;
    const fix = 'Place the output elsewhere, or name the argument as inout.';
    throw fail('state', label, 'an output that is none of the inputs', `tensor "${output.buffer.label}" as both`, fix);
  }
}

interface Part {
  readonly whole: DeviceBuffer;
  readonly begin: number;
}

/** Refuses a slice that does not lie in its buffer, or where no binding may begin. */
export function checkSlice({ label, bytes: size }: DeviceBuffer, byteOffset: number, bytes: number): void {
  if (byteOffset >= 0 && bytes > 0 && byteOffset + bytes <= size && byteOffset % sliceAlignment === 0) return;
  const expected = `a range inside its ${size} bytes that begins at a multiple of ${sliceAlignment}`;
  throw fail('state', `slice of tensor "${label}"`, expected, `${bytes} bytes at ${byteOffset}`, 'Align what is placed in it.');
}

/** How many of a launch's inputs may be its output. */
export function updatedInPlace(launch: PlacedLaunch['launch']): number {
  if ('body' in launch) return launch.inputs.filter(name => name === launch.output).length;
  return launch.kernel.inout === undefined ? 0 : 1;
}

function checkThreads(label: string, kernel: Kernel, inputs: PlacedLaunch['inputs'], output: PlacedLaunch['output']): void {
  if (kernel.run.length !== inputs.length) {
    const fix = 'Pass one tensor for each argument of its function, in their order.';
    throw fail('state', `${label}, kernel ${kernel.name}`, `${kernel.run.length} inputs`, `${inputs.length}`, fix);
  }
  const stored = elements(kernel.threads.map((count, axis) => (axis === 1 && kernel.rows !== undefined ? kernel.rows : (count ?? 1))));
  if (stored > output.length) {
    const fix = 'Make the output as large as the kernel has threads.';
    throw fail('state', `${label}, kernel ${kernel.name}`, `at most ${output.length} results, the size of its output`, `${stored}`, fix);
  }
}

/** Refuses to run what another device has compiled. */
export function checkSegment(known: WeakSet<CompiledSegment>, segment: CompiledSegment): void {
  if (known.has(segment)) return;
  throw fail(
    'state',
    'run',
    'a segment that this device compiled',
    `one with ${segment?.launches} launches that it did not`,
    'Compile the plan for this device.',
  );
}
