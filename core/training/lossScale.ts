import type { Device, DeviceBuffer } from '../devices/device.ts';
import { fail, show } from '../errors.ts';
import { type Plan, type PlanOptions, planFor } from '../plan/plan.ts';
import { ProgramBuilder } from '../program/builder.ts';
import type { ModelMemory } from './modelMemory.ts';

export interface LossScaling {
  /** The first factor, a power of two. 65,536 unless given. */
  readonly initial?: number;
  /** Updates in a row without overflow after which the factor is doubled. 2,000 unless given. */
  readonly interval?: number;
}

const LARGEST = 2 ** 24;

/**
 * Dynamic loss scaling (Micikevicius et al. 2018, "Mixed precision training", section 3.2): the loss's gradient is multiplied by a
 * power of two, so that small gradients survive 16-bit floats, and the optimizer divides by it again. A step whose gradients are not
 * all finite is left out and halves the factor; after a number of good steps it is doubled.
 */
export class LossScale {
  /** The factor of the next pass. */
  scale: number;
  /** Updates since the factor last changed, and steps that were left out, over the whole run. */
  good = 0;
  skipped = 0;
  readonly #interval: number;

  constructor({ initial = 2 ** 16, interval = 2000 }: LossScaling = {}) {
    const where = 'lossScaling';
    if (!(initial >= 1 && initial <= LARGEST && Number.isInteger(Math.log2(initial))))
      throw fail('usage', where, `a power of two from 1 to ${LARGEST} as initial factor`, show(initial), 'The usual one is 65536.');
    if (!(Number.isInteger(interval) && interval >= 1))
      throw fail('usage', where, 'an interval of 1 step or more', show(interval), 'The usual one is 2000.');
    this.scale = initial;
    this.#interval = interval;
  }

  /** Takes note of how a step's gradients came out. */
  record(finite: boolean): void {
    if (!finite) {
      this.skipped++;
      this.good = 0;
      this.scale = Math.max(1, this.scale / 2);
    } else if (++this.good >= this.#interval) {
      this.good = 0;
      this.scale = Math.min(LARGEST, this.scale * 2);
    }
  }

  /** As numbers for a checkpoint, and back. */
  get state(): Float32Array {
    return Float32Array.of(this.scale, this.good, this.skipped);
  }
  set state([scale, good, skipped]: ArrayLike<number> & Iterable<number>) {
    Object.assign(this, { scale, good, skipped });
  }
}

/** Looks through all gradients on the device. */
export class GradientCheck {
  readonly #device: Device;
  readonly #plan: Plan;
  readonly #totals: readonly DeviceBuffer[];

  private constructor(device: Device, plan: Plan, totals: readonly DeviceBuffer[]) {
    this.#device = device;
    this.#plan = plan;
    this.#totals = totals;
  }

  static async plan(memory: ModelMemory, options: Omit<PlanOptions, 'placed'>): Promise<GradientCheck> {
    const builder = new ProgramBuilder();
    builder.segment = 'update';
    builder.node = 'gradients';
    const totals = memory.gradients.map((buffer, i) => {
      const gradient = builder.declare(`gradients ${i}`, 'gradient', [buffer.bytes / 4]);
      const parts = builder.emit('notFinite', `notFinite ${i} parts`, [notFiniteParts], [gradient], {}, 'gradient');
      return builder.emit('notFinite.total', `notFinite ${i}`, [1], [parts], {}, 'result').name;
    });
    const placed = new Map(memory.gradients.map((buffer, i) => [`gradients ${i}`, buffer]));
    const plan = await planFor(builder.build(), { ...options, placed, pool: memory.addPool() });
    for (const name of totals) memory.placed.set(name, placed.get(name)!);
    return new GradientCheck(
      options.device,
      plan,
      totals.map(name => placed.get(name)!),
    );
  }

  /** Whether all gradients of the last backward pass are finite. Waits for the device. */
  async finite(): Promise<boolean> {
    await this.#device.run(this.#plan.segment('update'));
    const counts = await Promise.all(this.#totals.map(buffer => this.#device.read(buffer, 4)));
    return counts.every(([count]) => count === 0);
  }
}

/** As `core/ops/notFinite.ts` has it. */
const notFiniteParts = 512;
