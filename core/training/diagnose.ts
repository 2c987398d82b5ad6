import type { Device, DeviceBuffer } from '../devices/device.ts';
import type { GraphParameter } from '../graph/infer.ts';
import type { Plan } from '../plan/plan.ts';
import { elements } from '../shape.ts';

/**
 * The first trained parameter, or else the first layer of the plans' forward segments, whose numbers are not all finite.
 * Running statistics are left out, and left alone: training does not read them, and the pass in question has spoilt them already.
 */
export async function firstNotFinite(
  device: Device,
  parameters: readonly GraphParameter[],
  bufferOf: (name: string) => DeviceBuffer,
  plans: readonly Plan[],
): Promise<string> {
  for (const { name, shape, role } of parameters) {
    if (role !== 'parameter') continue;
    const values = await device.read(bufferOf(name), elements(shape) * 4);
    if (!values.every(Number.isFinite)) return `with the weights: "${name}" is not finite before this step`;
  }
  for (const { lowered, program, buffers, compileNode } of plans) {
    for (const [index, { node, segment }] of lowered.nodes.entries()) {
      if (segment !== 'forward' || program.tensors[node.output]?.kind === 'state') continue;
      await device.run(await compileNode(index));
      const values = await device.read(buffers.get(node.output)!, elements(lowered.tensors.get(node.output)!.shape) * 4);
      if (!values.every(Number.isFinite))
        return node.node ? `in layer "${node.node}" (${node.primitive})` : `in the loss (${node.primitive})`;
    }
  }
  return 'nowhere that running the pass again shows';
}
