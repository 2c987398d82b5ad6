import assert from 'node:assert/strict';
import type { Device } from '../../../../core/devices/device.ts';
import { linearKernel } from '../../../../core/ops/variants/linearKernel.ts';
import { linearBody, linearWgsl } from '../../../../core/ops/variants/linearWgsl.ts';
import { openAnyWebgpu } from '../../devices/openAnyWebgpu.ts';
import { runKernel } from '../../devices/runKernel.ts';

const filled = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => Math.sin(seed + i * 1.7));

describe('linearWgsl', () => {
  let device: Device;
  before(async function () {
    device = await openAnyWebgpu(this);
  });
  after(() => device?.destroy());

  // a whole tile, ragged on every side, thinner than a tile, several tiles; a software renderer takes its time to compile each
  for (const [N, I, O, biased] of [
    [32, 16, 32, false],
    [33, 17, 35, true],
    [1, 1, 1, true],
    [70, 100, 10, false],
  ] as const) {
    it(`should equal the plain kernel for [${N},${I}] x [${I},${O}]${biased ? ' with bias' : ''}`, async () => {
      const arrays = [filled(N * I, 1), filled(I * O, 2), ...(biased ? [filled(O, 3)] : [])];
      const kernel = linearKernel('linear.tiled', N, I, O, biased);
      const plain = await runKernel(device, kernel, arrays, N * O + 1);
      const tiled = await runKernel(device, kernel, arrays, N * O + 1, linearBody(N, I, O, biased));
      // the order of the sum differs, and the bias comes first
      const worst = plain.reduce((most, value, i) => Math.max(most, Math.abs(value - tiled[i]!)), 0);
      assert.ok(worst < 2e-6 * Math.sqrt(I) + 1e-6, `off by ${worst}`);
      assert.ok(plain.some(value => Math.abs(value) > 0.01));
      assert.equal(tiled[N * O], 0, 'stored past the end');
    });
  }

  it('should apply to matrices of at least half a tile', () => {
    assert.equal(
      linearWgsl.applies(
        {},
        [
          [64, 512],
          [512, 10],
        ],
        [64, 10],
      ),
      false,
    );
    assert.equal(
      linearWgsl.applies(
        {},
        [
          [64, 512],
          [512, 100],
        ],
        [64, 100],
      ),
      true,
    );
    assert.equal(
      linearWgsl.applies(
        {},
        [
          [8, 8, 8, 8],
          [512, 100],
        ],
        [64, 100],
      ),
      false,
    );
  });

  it('should lower to one launch on its inputs and output', () => {
    const tensor = (name: string, shape: number[]) => ({ name, shape, dtype: 'f32' as const });
    const context = {
      attributes: {},
      inputs: [tensor('x', [40, 20]), tensor('w', [20, 50]), tensor('b', [50])],
      output: tensor('y', [40, 50]),
    };
    const launches = linearWgsl.lower({ ...context, scratch: shape => tensor('scratch', [...shape]) });
    assert.equal(launches.length, 1);
    assert.deepEqual([launches[0]!.inputs, launches[0]!.output], [['x', 'w', 'b'], 'y']);
    assert.deepEqual('body' in launches[0]! && launches[0].body.language === 'wgsl' && launches[0].body.groups, [2, 2, 1]);
  });
});
