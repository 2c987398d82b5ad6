import assert from 'node:assert/strict';
import type { Device, DeviceBuffer } from '../../../core/devices/device.ts';
import { openWebgpu } from '../../../core/devices/webgpu/index.ts';
import { type LoweredNode, lower } from '../../../core/plan/lower.ts';
import { planFor } from '../../../core/plan/plan.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { elements } from '../../../core/shape.ts';
import { openAnyWebgpu } from '../devices/openAnyWebgpu.ts';

const [N, I, O] = [20, 130, 150];
/** A matrix product whose weight is the largest tensor, of 78,000 bytes. */
function product() {
  const builder = new ProgramBuilder();
  const x = builder.declare('x', 'input', [N, I]);
  const weight = builder.declare('weight', 'parameter', [I, O]);
  const bias = builder.declare('bias', 'parameter', [O]);
  builder.node = 'fc';
  builder.emit('linear', 'y', [N, O], [x, weight, bias], {}, 'result');
  return builder.build();
}
const bodies = (launches: LoweredNode['launches']) => launches.filter(launch => 'body' in launch).length;

describe('lower', () => {
  it("should take the device's variant, or the definition where there is none or none is wanted @smoke", () => {
    for (const [language, options, variant] of [
      ['wgsl', {}, 'linear/wgsl-gemm'],
      ['none', {}, undefined],
      ['wgsl', { variants: false }, undefined],
    ] as const) {
      const [node] = lower(product(), language, options).nodes;
      assert.equal(node!.variant, variant);
      assert.equal(bodies(node!.launches) > 0, variant !== undefined);
    }
  });

  it('should keep to the definition where a tensor is larger than one binding', () => {
    const bytes = 4 * I * O;
    const fits = lower(product(), 'wgsl', { largestBinding: bytes });
    assert.equal(fits.nodes[0]!.variant, 'linear/wgsl-gemm');
    const splits = lower(product(), 'wgsl', { largestBinding: bytes - 1 });
    assert.equal(splits.nodes[0]!.variant, undefined);
    assert.equal(bodies(splits.nodes[0]!.launches), 0);
    // and with it the scratch tensors of the definition alone
    const definition = lower(product(), 'wgsl', { variants: false });
    assert.deepEqual([...splits.tensors.keys()], [...definition.tensors.keys()]);
  });
});

describe('planFor with a tensor larger than one binding', () => {
  let whole: Device;
  let split: Device;
  before(async function () {
    whole = await openAnyWebgpu(this);
    split = await openWebgpu({ software: whole.kind === 'webgpu:software', largestBinding: 1 << 16 });
  });
  after(() => Promise.all([whole?.destroy(), split?.destroy()]));

  it('should run on the ranges of its buffer, equal to the whole', async () => {
    const results: Float32Array[] = [];
    for (const device of [whole, split]) {
      const placed = new Map<string, DeviceBuffer>();
      const plan = await planFor(product(), { device, placed, variants: device === whole ? false : undefined });
      for (const [name, seed] of [
        ['x', 1],
        ['weight', 2],
        ['bias', 3],
      ] as const) {
        const values = Float32Array.from(
          { length: elements(plan.program.tensors[name]!.shape) },
          (_, i) => ((i * 7919 + seed * 104_729) % 1009) / 1009 - 0.3,
        );
        device.write(plan.buffers.get(name)!, values);
      }
      await device.run(plan.segment('forward'));
      results.push(await device.read(plan.buffers.get('y')!, 4 * N * O));
      for (const buffer of new Set(plan.buffers.values())) device.free(buffer);
    }
    assert.deepEqual(results[1], results[0]);
    assert.ok(results[0]!.some(value => Math.abs(value) > 1));
  });
});
