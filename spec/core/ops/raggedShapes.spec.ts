import assert from 'node:assert/strict';
import type { Device } from '../../../core/devices/device.ts';
import { type DeviceName, openDevice } from '../../../core/devices/open.ts';
import { opNames, primitive } from '../../../core/ops/index.ts';
import { lower } from '../../../core/plan/lower.ts';
import { excess } from './golden.ts';
import { raggedCase, raggedNames } from './raggedShapes.ts';
import { onDevice } from './run.ts';

/**
 * Variants against the gpu.js kernels that they replace, at random shapes. Here a few; more, others, on another device, on another number
 * of threads, or without Winograd and Strassen (`MILLRACE_EXACT=1`) with
 *
 *   MILLRACE_SHAPES=200 MILLRACE_SEED=5 MILLRACE_THREADS=1 npx mocha spec/core/ops/raggedShapes.spec.ts
 */
const { MILLRACE_SHAPES = '6', MILLRACE_SEED = '1', MILLRACE_DEVICE = 'wasm', MILLRACE_EXACT = '', MILLRACE_THREADS = '3' } = process.env;
const [count, seed, threads] = [MILLRACE_SHAPES, MILLRACE_SEED, MILLRACE_THREADS].map(Number) as [number, number, number];

describe(`variants on ${MILLRACE_DEVICE} at ${count} random shapes each, seed ${seed}`, function () {
  this.timeout(10_000 + 3_000 * count);
  let device: Device;
  before(async () => {
    device = await openDevice(MILLRACE_DEVICE as DeviceName, { threads });
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
      const primitives = new Set<string>();
      for (let i = 0; i < count; i++) {
        const { label, program, values, compared } = raggedCase(name, seed, i);
        const options = { features: device.features, limits: device.limits, exact: MILLRACE_EXACT !== '' };
        for (const { variant } of lower(program, device.language, options).nodes) if (variant) variants.add(variant);
        for (const node of program.nodes) primitives.add(node.primitive);
        const expected = await onDevice(device, { variants: false })(program, values);
        const got = await onDevice(device, options)(program, values);
        for (const tensor of compared) {
          const error = excess(got[tensor]!, expected[tensor]!);
          if (!(error <= 1)) failures.push(`number ${i}, ${label}: ${tensor} is off by ${error.toPrecision(3)} times what is allowed`);
        }
      }
      assert.deepEqual(failures, []);
      if (count < 50) return;
      const known = [...primitives].flatMap(each => primitive(each).variants ?? []).filter(each => each.device === device.language);
      const unmet = known.map(each => each.name).filter(each => !variants.has(each));
      console.log(`      by ${[...variants].join(', ') || 'no variant'}${unmet.length > 0 ? `; not by ${unmet.join(', ')}` : ''}`);
    });
  }
});
