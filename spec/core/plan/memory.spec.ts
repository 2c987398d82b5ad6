import assert from 'node:assert/strict';
import type { Device, DeviceBuffer } from '../../../core/devices/device.ts';
import { differentiate } from '../../../core/graph/differentiate.ts';
import type { Graph } from '../../../core/graph/graph.ts';
import { bytesOfKinds, gradientBytes, keptBytes } from '../../../core/plan/memory.ts';
import { planFor } from '../../../core/plan/plan.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { fuse } from '../../../core/program/fuse.ts';
import type { Program } from '../../../core/program/program.ts';
import { prune } from '../../../core/program/prune.ts';
import { alexnet } from '../../../models/alexnet.ts';
import { model } from '../../../models/index.ts';
import { resnet18, resnet50 } from '../../../models/resnet.ts';
import { tiny } from '../../../models/tiny.ts';

function programOf(of: Graph, batch: number): { program: Program; keep: string[] } {
  const builder = new ProgramBuilder();
  const { logits, backward } = differentiate(builder, of, { batch, mode: 'train', pixels: 'u8' });
  backward(builder.declare('dlogits', 'gradient', logits.shape));
  const names = [logits.name, 'dlogits'];
  return { program: fuse(prune(builder.build(), names), names), keep: names };
}

/** A device that counts what is placed on it and computes nothing: large models cost no memory. */
function counting(language: Device['language']): Device & { bytes: number } {
  const device = {
    kind: 'cpu',
    description: 'counts',
    language,
    bytes: 0,
    allocate(bytes: number, label: string): DeviceBuffer {
      device.bytes += bytes;
      return { bytes, label };
    },
    slice: (_: DeviceBuffer, __: number, bytes: number, label: string) => ({ bytes, label }),
    compile: async (launches: readonly unknown[]) => ({ launches: launches.length }),
  };
  return device as never;
}

describe('keptBytes', () => {
  it('should count what forward leaves for backward', () => {
    const { program } = programOf(tiny(), 2);
    // the floats of the images, the convolution's output, the places of the maxima, what the linear layer reads, the logits' gradient;
    // the rectified output is not among them: its sign is known from the convolution's
    const names = { images: 8 * 8 * 3, conv: 8 * 8 * 8, statistics: (3 * 8) / 2, indices: 4 * 4 * 8, flatten: 32, dlogits: 10 };
    assert.equal(keptBytes(program), 4 * 2 * Object.values(names).reduce((sum, size) => sum + size));
    assert.equal(bytesOfKinds(program, ['parameter']), gradientBytes(program));
    assert.equal(bytesOfKinds(program, ['state']), 2 * 8 * 4);
  });
});

describe('peak memory', () => {
  // the optimizer's tensors and the weights are placed exactly; what can be wasted is in the plan of forward and backward
  for (const [of, batch, most] of [
    [resnet18(), 8, 1.02],
    [resnet50(), 8, 1.02],
    [alexnet(), 16, 1.02],
    [model('resnet8', { size: 28, channels: 1, classes: 10 }), 32, 1.1],
  ] as const) {
    it(`should be at most ${most} times the lower bound for ${of.name} at ${of.input[0]} with batch ${batch}`, async () => {
      const { program, keep: names } = programOf(of, batch);
      const device = counting('wasm');
      const { scratchBytes } = await planFor(program, { device, placed: new Map(), keep: [...names, ...Object.values(program.gradients)] });
      const gradients = gradientBytes(program);
      const bound = bytesOfKinds(program, ['parameter', 'state']) + gradients + keptBytes(program);
      const ratio = (device.bytes - scratchBytes) / bound;
      assert.ok(ratio >= 1 && ratio <= most, `${ratio}`);
    });
  }
});
