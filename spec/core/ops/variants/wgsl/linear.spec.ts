import assert from 'node:assert/strict';
import type { Device } from '../../../../../core/devices/device.ts';
import { linearFilterGradient, linearForward, linearInputGradient } from '../../../../../core/ops/variants/wgsl/linear.ts';
import { uniforms } from '../../../../../core/random.ts';
import { openAnyWebgpu } from '../../../devices/openAnyWebgpu.ts';
import { agrees, type Case } from './agreement.ts';

/** The three products of a layer of N rows, I inputs and O features. */
const passes = (N: number, I: number, O: number, force?: Case['force']): Record<string, Case> => ({
  forward: { primitive: 'linear', inputs: [[N, I], [I, O], [O]], output: [N, O], variant: linearForward, force },
  inputGradient: {
    primitive: 'linear.inputGradient',
    inputs: [
      [N, O],
      [I, O],
    ],
    output: [N, I],
    variant: linearInputGradient,
    force,
  },
  filterGradient: {
    primitive: 'linear.filterGradient',
    inputs: [
      [N, I],
      [N, O],
    ],
    output: [I, O],
    variant: linearFilterGradient,
    force,
  },
});

describe('linear in WGSL', () => {
  let device: Device;
  before(async function () {
    device = await openAnyWebgpu(this);
  });
  after(() => device?.destroy());

  for (const pass of ['forward', 'inputGradient', 'filterGradient'] as const) {
    it(`should agree with the kernels in the ${pass} product of random sizes`, async () => {
      const next = uniforms(11);
      const size = (most: number) => 1 + Math.floor(next() * most);
      for (let i = 0; i < 3; i++) await agrees(device, passes(size(70), size(70), size(70))[pass]!);
      await agrees(device, passes(4 * size(20), 4 * size(20), 4 * size(20))[pass]!);
      await agrees(device, passes(1, 1, 1)[pass]!);
    });

    it(`should agree with the kernels in the ${pass} product of every tile`, async () => {
      for (const tile of [
        [128, 128],
        [128, 64],
        [64, 128],
        [64, 64],
      ] as const) {
        await agrees(device, passes(140, 36, 132, { tile })[pass]!);
      }
    });

    it(`should agree with the kernels in the ${pass} product of sums in slices`, async () => {
      for (const [[N, I, O], slices] of [
        [[30, 70, 41], 3],
        [[132, 300, 36], 4],
      ] as const) {
        const launches = await agrees(device, passes(N, I, O, { tile: [32, 32], slices })[pass]!);
        assert.equal(launches.length, 2);
      }
    });
  }

  it('should rectify what a fusion pass tells it to, with and without slices', async () => {
    const { forward } = passes(33, 50, 20);
    await agrees(device, { ...forward!, attributes: { relu: true } });
    await agrees(device, { ...forward!, attributes: { relu: true }, force: { tile: [32, 32], slices: 2 } });
  });

  it('should agree with one buffer, with padded rows and with steps written out', async () => {
    const { forward } = passes(70, 50, 68);
    await agrees(device, { ...forward!, force: { tile: [64, 64], change: { buffers: 1 } } });
    await agrees(device, { ...forward!, force: { tile: [64, 64], change: { pad: 1, unroll: 4 } } });
  });
});
