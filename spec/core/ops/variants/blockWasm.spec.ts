import assert from 'node:assert/strict';
import type { Device } from '../../../../core/devices/device.ts';
import { openWasm } from '../../../../core/devices/wasm/device.ts';
import { primitive } from '../../../../core/ops/index.ts';
import { lower } from '../../../../core/plan/lower.ts';
import { elements, type Shape } from '../../../../core/shape.ts';
import { noise } from '../finiteDifferences.ts';
import { opProgram } from '../opProgram.ts';
import { onDevice } from '../run.ts';

/** Products that follow one another, pixels of a line, any pixels; ragged in pixels and filters; one input; several blocks. */
const cases: [string, Record<string, unknown>, Shape][] = [
  ['linear', { features: 8 }, [4, 5]],
  ['linear', { features: 19, bias: false }, [7, 33]],
  ['linear', { features: 15 }, [5, 1]],
  ['linear', { features: 10 }, [66, 250]],
  ['conv2d', { filters: 16, kernel: 3, padding: 1 }, [2, 8, 8, 12]],
  ['conv2d', { filters: 9, kernel: 3, padding: 1, stride: 2 }, [3, 7, 14, 10]],
  ['conv2d', { filters: 11, kernel: 1, bias: false }, [2, 5, 5, 9]],
  ['conv2d', { filters: 8, kernel: 1, stride: 2 }, [2, 6, 7, 8]],
  ['conv2d', { filters: 17, kernel: [1, 4], dilation: 2, padding: 3 }, [1, 3, 9, 8]],
  ['conv2d', { filters: 8, kernel: 3 }, [5, 4, 4, 64]],
];

describe('blockVariant', () => {
  const devices: Device[] = [];
  before(async () => {
    for (const threads of [1, 3]) devices.push(await openWasm({ threads }));
  });
  after(() => Promise.all(devices.map(device => device.destroy())));

  for (const [op, attributes, x] of cases) {
    const label = JSON.stringify(attributes).replaceAll('"', '');
    it(`should equal the gpu.js kernels of ${op} ${label} on [${x}], forward and backward`, async () => {
      const { program, output, inputGradients } = opProgram(op, attributes, [x]);
      const chosen = lower(program, 'wasm').nodes.map(({ variant }) => variant);
      assert.ok(chosen.includes(`${op}/wasm-4x8`), `chosen were ${chosen}`);
      const values: Record<string, ArrayLike<number>> = {};
      Object.values(program.tensors).forEach(({ name, kind, shape }, i) => {
        if (kind === 'input' || kind === 'parameter') values[name] = Float32Array.from(noise(elements(shape), i));
      });
      for (const device of devices) {
        const plain = await onDevice(device, { variants: false })(program, values);
        const tuned = await onDevice(device, { variants: true })(program, values);
        for (const name of [output, inputGradients[0]!]) {
          const expected = Array.from(plain[name]!);
          const largest = Math.max(...expected.map(Math.abs));
          const worst = Math.max(...expected.map((value, i) => Math.abs(value - tuned[name]![i]!)));
          assert.ok(largest > 0.01 && worst <= 1e-6 * largest + 1e-7, `${name} on ${device.description}: off by ${worst} of ${largest}`);
        }
      }
    });
  }

  it('should leave few pixels, few filters and groups to the kernels', () => {
    const { variants } = primitive('conv2d');
    const applies = (attributes: object, x: Shape, weight: Shape, y: Shape) =>
      variants![0]!.applies({ stride: 1, padding: 0, dilation: 1, groups: 1, ...attributes }, [x, weight], y);
    assert.equal(applies({}, [1, 2, 2, 4], [1, 1, 4, 8], [1, 2, 2, 8]), true);
    assert.equal(applies({}, [1, 1, 3, 4], [1, 1, 4, 8], [1, 1, 3, 8]), false);
    assert.equal(applies({}, [1, 2, 2, 4], [1, 1, 4, 7], [1, 2, 2, 7]), false);
    assert.equal(applies({ groups: 2 }, [1, 2, 2, 4], [1, 1, 2, 16], [1, 2, 2, 16]), false);
  });
});
