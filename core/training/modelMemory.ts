import type { Device, DeviceBuffer } from '../devices/device.ts';
import type { GraphParameter } from '../graph/infer.ts';
import type { DeviceMemory } from '../profile/snapshot.ts';
import { elements } from '../shape.ts';
import { type FlatRange, flatRanges } from './flat.ts';

/** Everything that one model has on its device. */
export class ModelMemory {
  /** Every lasting tensor by name, those in flat buffers too. Plans add what they place. */
  readonly placed = new Map<string, DeviceBuffer>();
  /** What the activations of training and evaluation share. */
  readonly pool: DeviceBuffer[] = [];
  /** A loss runs between forward and backward: it shares memory with neither. */
  readonly lossPools: DeviceBuffer[][] = [];
  /** How the trained parameters lie together. */
  readonly ranges: readonly FlatRange[];
  /** The buffer of each range. */
  readonly parameters: readonly DeviceBuffer[] = [];
  /** Theirs, once `addGradients` was called. */
  gradients: readonly DeviceBuffer[] = [];
  readonly #flat: DeviceBuffer[] = [];
  readonly #slices = new Set<DeviceBuffer>();

  /**
   * @param parameters parameters and state, zero at first
   * @param trained whether a parameter is updated
   */
  constructor(
    readonly device: Device,
    parameters: readonly GraphParameter[],
    trained: (parameter: GraphParameter) => boolean,
  ) {
    this.ranges = flatRanges(parameters.filter(trained), device.largestBinding);
    try {
      this.parameters = this.addFlat('parameters', name => name);
      for (const { name, shape } of parameters) {
        if (!this.placed.has(name)) this.placed.set(name, device.allocate(elements(shape) * 4, name));
      }
    } catch (error) {
      // nobody will have this model to destroy it
      this.free();
      throw error;
    }
  }

  readonly bufferOf = (name: string): DeviceBuffer => this.placed.get(name)!;

  /** A buffer for each range, whose parts are known as `nameOf(parameter)` from then on. */
  addFlat(label: string, nameOf: (parameter: string) => string): DeviceBuffer[] {
    return this.ranges.map(({ bytes, members }, i) => {
      const whole = this.device.allocate(bytes, this.ranges.length > 1 ? `${label} ${i}` : label);
      this.#flat.push(whole);
      for (const { name, shape, byteOffset } of members) {
        const slice = this.device.slice(whole, byteOffset, elements(shape) * 4, nameOf(name));
        this.#slices.add(slice);
        this.placed.set(nameOf(name), slice);
      }
      return whole;
    });
  }

  /** @param gradients parameter → its gradient */
  addGradients(gradients: Readonly<Record<string, string>>): void {
    this.gradients = this.addFlat('gradients', name => gradients[name]!);
  }

  /** An empty pool that lives as long as the model. */
  addPool(): DeviceBuffer[] {
    const pool: DeviceBuffer[] = [];
    this.lossPools.push(pool);
    return pool;
  }

  get bytes(): number {
    return this.#own().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Everything placed so far, and the compute threads' scratch. */
  byKind(parameters: readonly GraphParameter[], scratch = 0): DeviceMemory {
    const sum = (buffers: Iterable<DeviceBuffer>) => [...new Set(buffers)].reduce((total, { bytes }) => total + bytes, 0);
    const weights = parameters.reduce((total, { shape }) => total + 4 * elements(shape), 0);
    const gradients = sum(this.gradients);
    const activations = sum([...this.pool, ...this.lossPools.flat()]);
    // what the optimizer keeps lies flat, like parameters and gradients
    const optimizer = sum(this.#flat) - sum(this.parameters) - gradients;
    const inputs = Math.max(0, this.bytes - weights - optimizer - gradients - activations);
    return { weights, optimizer, gradients, activations, inputs, scratch, total: this.bytes + scratch };
  }

  free(): void {
    for (const buffer of this.#own()) this.device.free(buffer);
    this.placed.clear();
    for (const list of [this.#flat, this.pool, this.lossPools]) list.length = 0;
  }

  #own(): DeviceBuffer[] {
    const single = [...this.placed.values()].filter(buffer => !this.#slices.has(buffer));
    return [...new Set([...this.#flat, ...single, ...this.pool, ...this.lossPools.flat()])];
  }
}
