import assert from 'node:assert/strict';
import type { Device } from '../../../../core/devices/device.ts';
import { openWasm } from '../../../../core/devices/wasm/device.ts';
import { primitive } from '../../../../core/ops/index.ts';
import { lower } from '../../../../core/plan/lower.ts';
import { elements, type Shape } from '../../../../core/shape.ts';
import { noise } from '../finiteDifferences.ts';
import { opProgram } from '../opProgram.ts';
import { onDevice } from '../run.ts';

/** One chunk and several, of whole images and of lines, ragged ones; windows that are dense, strided, dilated; one pixel. */
const cases: [string, Record<string, unknown>, Shape][] = [
  ['linear', { features: 8 }, [5, 12]],
  ['linear', { features: 16 }, [2300, 4]],
  ['conv2d', { filters: 16, kernel: 3, padding: 1 }, [2, 8, 7, 12]],
  ['conv2d', { filters: 8, kernel: 3, padding: 1, stride: 2 }, [45, 9, 11, 4]],
  ['conv2d', { filters: 8, kernel: 1, stride: 2 }, [1, 1, 1, 8]],
  ['conv2d', { filters: 24, kernel: [1, 4], dilation: 2, padding: 3 }, [1, 3, 9, 8]],
  ['conv2d', { filters: 8, kernel: 3 }, [3, 31, 39, 4]],
];

describe('filterBlockVariant', () => {
  const devices: Device[] = [];
  before(async () => {
    for (const threads of [1, 3]) devices.push(await openWasm({ threads }));
  });
  after(() => Promise.all(devices.map(device => device.destroy())));

  for (const [op, attributes, x] of cases) {
    const label = JSON.stringify(attributes).replaceAll('"', '');
    it(`should equal the gpu.js kernels of ${op} ${label} on [${x}]`, async () => {
      const { program, parameterGradients } = opProgram(op, attributes, [x]);
      const chosen = lower(program, 'wasm').nodes.map(({ variant }) => variant);
      assert.ok(chosen.includes(`${op}.filterGradient/wasm-4x8`), `chosen were ${chosen}`);
      const values: Record<string, ArrayLike<number>> = {};
      Object.values(program.tensors).forEach(({ name, kind, shape }, i) => {
        if (kind === 'input' || kind === 'parameter') values[name] = Float32Array.from(noise(elements(shape), i));
      });
      for (const device of devices) {
        const plain = await onDevice(device, { variants: false })(program, values);
        const tuned = await onDevice(device, { variants: true })(program, values);
        for (const name of [parameterGradients.weight!]) {
          const expected = Array.from(plain[name]!);
          const largest = Math.max(...expected.map(Math.abs));
          const worst = Math.max(...expected.map((value, i) => Math.abs(value - tuned[name]![i]!)));
          assert.ok(largest > 0.01 && worst <= 1e-6 * largest + 1e-7, `${name} on ${device.description}: off by ${worst} of ${largest}`);
        }
      }
    });
  }

  it('should leave channels not in fours, filters not in eights and groups to the kernel', () => {
    const { variants } = primitive('conv2d.filterGradient');
    const applies = (groups: number, channels: number, filters: number) =>
      variants![0]!.applies(
        { stride: 1, padding: 0, dilation: 1, groups },
        [
          [1, 3, 3, channels],
          [1, 3, 3, filters],
        ],
        [1, 1, channels / groups, filters],
      );
    assert.equal(applies(1, 4, 8), true);
    assert.equal(applies(1, 3, 8), false);
    assert.equal(applies(1, 4, 12), false);
    assert.equal(applies(2, 8, 16), false);
  });
});
