import assert from 'node:assert/strict';
import type { Device } from '../../../../core/devices/device.ts';
import { openWasm } from '../../../../core/devices/wasm/device.ts';
import { lower } from '../../../../core/plan/lower.ts';
import { elements, type Shape } from '../../../../core/shape.ts';
import { noise } from '../finiteDifferences.ts';
import { type OpProgram, opProgram } from '../opProgram.ts';
import { onDevice } from '../run.ts';

export type VariantCase = readonly [op: string, attributes: Record<string, unknown>, x: Shape];

/** One test a case: that the variant is chosen, and computes what the op's gpu.js kernels do, on one thread and on three. */
export function agreesWithKernels(
  cases: readonly VariantCase[],
  variantOf: (op: string) => string,
  compared: (built: OpProgram) => string[],
): void {
  const devices: Device[] = [];
  before(async () => {
    for (const threads of [1, 3]) devices.push(await openWasm({ threads }));
  });
  after(() => Promise.all(devices.map(device => device.destroy())));

  for (const [op, attributes, x] of cases) {
    const label = JSON.stringify(attributes).replaceAll('"', '');
    it(`should equal the gpu.js kernels of ${op} ${label} on [${x}]`, async () => {
      const built = opProgram(op, attributes, [x]);
      const { program } = built;
      const chosen = lower(program, 'wasm').nodes.map(({ variant }) => variant);
      assert.ok(chosen.includes(variantOf(op)), `chosen were ${chosen}`);
      const values: Record<string, ArrayLike<number>> = {};
      Object.values(program.tensors).forEach(({ name, kind, shape }, i) => {
        if (kind === 'input' || kind === 'parameter') values[name] = Float32Array.from(noise(elements(shape), i));
      });
      for (const device of devices) {
        const plain = await onDevice(device, { variants: false })(program, values);
        const tuned = await onDevice(device, { variants: true })(program, values);
        for (const name of compared(built)) {
          const expected = Array.from(plain[name]!);
          const largest = Math.max(...expected.map(Math.abs));
          const worst = Math.max(...expected.map((value, i) => Math.abs(value - tuned[name]![i]!)));
          assert.ok(largest > 0.01 && worst <= 1e-6 * largest + 1e-7, `${name} on ${device.description}: off by ${worst} of ${largest}`);
        }
      }
    });
  }
}
