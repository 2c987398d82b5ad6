import type { Device, DeviceBuffer } from '../devices/device.ts';
import { type Plan, type PlanOptions, planFor } from '../plan/plan.ts';
import type { Program, Segment } from '../program/program.ts';
import { elements } from '../shape.ts';

/** A program on a device whose tensors can be written and read by name: what a reference case is run on. */
export class Workbench {
  private constructor(
    private readonly device: Device,
    readonly plan: Plan,
    private readonly own: readonly DeviceBuffer[],
  ) {}

  /**
   * `keep` names the temporary tensors that are read; `placed` shares buffers with another bench, which frees them; `options` as
   * in `PlanOptions`.
   */
  static async open(
    device: Device,
    program: Program,
    keep: readonly string[],
    placed = new Map<string, DeviceBuffer>(),
    options: Pick<PlanOptions, 'exact' | 'inPlace'> = {},
  ): Promise<Workbench> {
    const shared = new Set(placed.values());
    const pool: DeviceBuffer[] = [];
    const plan = await planFor(program, { device, placed, keep, pool, ...options });
    return new Workbench(
      device,
      plan,
      [...new Set([...placed.values(), ...pool])].filter(buffer => !shared.has(buffer)),
    );
  }

  write(name: string, data: Float32Array): void {
    // an input that turned out to have no reader has no buffer
    const buffer = this.plan.buffers.get(name);
    if (buffer) this.device.write(buffer, data);
  }
  async run(...segments: Segment[]): Promise<void> {
    const { nodes } = this.plan.program;
    // a segment may be empty: the gradient of a sum is the gradient that came in
    for (const segment of segments) if (nodes.some(node => node.segment === segment)) await this.device.run(this.plan.segment(segment));
  }
  read(name: string): Promise<Float32Array> {
    const tensor = this.plan.lowered.tensors.get(name);
    const buffer = this.plan.buffers.get(name);
    if (!tensor || !buffer) throw new Error(`no tensor "${name}" on the device`);
    return this.device.read(buffer, elements(tensor.shape) * 4);
  }
  close(): void {
    for (const buffer of this.own) this.device.free(buffer);
  }
}
