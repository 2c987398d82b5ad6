import assert from 'node:assert/strict';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { adam, adamw, type Optimizer, sgd } from '../../../core/optimizers/index.ts';
import { lower } from '../../../core/plan/lower.ts';
import { noise } from '../ops/finiteDifferences.ts';
import { onDevice } from '../ops/run.ts';
import { updates } from './updates.ts';

const optimizers: Record<string, () => Optimizer> = {
  sgd: () => sgd({ lr: 0.1, weightDecay: 0.02 }),
  'sgd with momentum': () => sgd({ lr: 0.1, momentum: 0.9, dampening: 0.25, weightDecay: 0.02 }),
  'sgd with Nesterov momentum': () => sgd({ lr: 0.1, momentum: 0.8, nesterov: true, weightDecay: 0.02 }),
  adam: () => adam({ lr: 0.01, weightDecay: 0.02 }),
  adamw: () => adamw({ lr: 0.01, betas: [0.8, 0.95], eps: 1e-3 }),
};

describe('optimizers on wasm', () => {
  const devices: Device[] = [];
  before(async () => {
    for (const threads of [1, 3]) devices.push(await openWasm({ threads }));
  });
  after(() => Promise.all(devices.map(device => device.destroy())));

  for (const [name, make] of Object.entries(optimizers)) {
    it(`should do a step of ${name} in one launch @smoke`, async () => {
      const { program } = await updates(make(), [1], []);
      const { nodes } = lower(program, 'wasm');
      assert.equal(nodes.length, 1);
      assert.match(nodes[0]!.variant!, /\/wasm$/);
      assert.equal(nodes[0]!.launches.length, 1);
    });

    it(`should equal the gpu.js kernels of ${name} over three steps, on one thread and on three`, async () => {
      for (const length of [1, 3, 4, 4095, 4097, 12_290]) {
        const start = Float32Array.from(noise(length, 1));
        const gradients = [2, 3, 4].map(seed => Float32Array.from(noise(length, seed), value => value * 1024));
        const run = (device: Device, variants: boolean) =>
          updates(make(), start, gradients, { run: onDevice(device, { variants }), lossScale: 1024 });
        const expected = await run(devices[0]!, false);
        for (const device of devices) {
          const got = await run(device, true);
          for (const [step, values] of expected.after.entries()) close(got.after[step]!, values, `p after step ${step}`);
          for (const [state, values] of Object.entries(expected.state)) close(got.state[state]!, values, state);
        }
      }
    });
  }

  it('should not look at what momentum holds before the first step', async () => {
    const state = { 'p:momentum': [Number.NaN, Number.POSITIVE_INFINITY, 7] };
    const { after } = await updates(sgd({ lr: 1, momentum: 0.9 }), [1, 2, 3], [[0.5, 0.25, -1]], { run: onDevice(devices[0]!), state });
    assert.deepEqual(after, [[0.5, 1.75, 4]]);
  });
});

function close(got: readonly number[], expected: readonly number[], what: string): void {
  assert.equal(got.length, expected.length);
  for (const [i, value] of expected.entries()) assert.ok(Math.abs(got[i]! - value) <= 1e-6, `${what} [${i}]: ${got[i]}, expected ${value}`);
}
