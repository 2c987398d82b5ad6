import assert from 'node:assert/strict';
import type { Device } from '../../../core/devices/device.ts';
import { type DeviceName, openDevice } from '../../../core/devices/open.ts';
import { opNames } from '../../../core/ops/index.ts';
import { lower } from '../../../core/plan/lower.ts';
import { excess } from './golden.ts';
import { raggedCase, raggedNames } from './raggedShapes.ts';
import { onDevice } from './run.ts';

/**
 * Variants against the gpu.js kernels that they replace, at random shapes. Here a few; more, others, or on another device with
 *
 *   MILLRACE_SHAPES=200 MILLRACE_SEED=5 MILLRACE_DEVICE=webgpu:software npx mocha spec/core/ops/raggedShapes.spec.ts
 */
const { MILLRACE_SHAPES = '6', MILLRACE_SEED = '1', MILLRACE_DEVICE = 'wasm', MILLRACE_EXACT = '' } = process.env;
const [count, seed] = [Number(MILLRACE_SHAPES), Number(MILLRACE_SEED)];

describe(`variants on ${MILLRACE_DEVICE} at ${count} random shapes each, seed ${seed}`, function () {
  this.timeout(10_000 + 3_000 * count);
  let device: Device;
  before(async () => {
    device = await openDevice(MILLRACE_DEVICE as DeviceName, { threads: 3 });
  });
  after(() => device.destroy());

  it('should be asked about every op', () => {
    assert.deepEqual(
      opNames().filter(name => !raggedNames.includes(name)),
      [],
    );
  });

  for (const name of raggedNames) {
    it(`should equal the kernels of ${name}`, async () => {
      const failures: string[] = [];
      const variants = new Set<string>();
      for (let i = 0; i < count; i++) {
        const { label, program, values, compared } = raggedCase(name, seed, i);
        const options = { features: device.features, limits: device.limits, exact: MILLRACE_EXACT !== '' };
        for (const { variant } of lower(program, device.language, options).nodes) if (variant) variants.add(variant);
        const expected = await onDevice(device, { variants: false })(program, values);
        const got = await onDevice(device, options)(program, values);
        for (const tensor of compared) {
          const error = excess(got[tensor]!, expected[tensor]!);
          if (!(error <= 1)) failures.push(`number ${i}, ${label}: ${tensor} is off by ${error.toPrecision(3)} times what is allowed`);
        }
      }
      assert.deepEqual(failures, []);
      if (count >= 50) console.log(`      by ${[...variants].join(', ') || 'no variant'}`);
    });
  }
});
