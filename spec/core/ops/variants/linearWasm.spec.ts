import assert from 'node:assert/strict';
import { openWasm } from '../../../../core/devices/wasm/device.ts';
import { primitive } from '../../../../core/ops/index.ts';
import { linearWasm } from '../../../../core/ops/variants/linearWasm.ts';
import { noise } from '../finiteDifferences.ts';
import { opProgram } from '../opProgram.ts';
import { onDevice } from '../run.ts';

describe('linearWasm', () => {
  it('should be tried by the primitive linear', () => {
    assert.ok(primitive('linear').variants!.includes(linearWasm));
  });

  it('should leave single rows and few columns to the kernel', () => {
    const applies = (x: number[], weight: number[]) => linearWasm.applies({}, [x, weight], []);
    assert.equal(applies([4, 9], [9, 8]), true);
    assert.equal(applies([3, 9], [9, 8]), false);
    assert.equal(applies([4, 9], [9, 7]), false);
  });

  // rows and columns that the block divides, and not; one input; more units than threads
  for (const [N, I, O, bias] of [
    [4, 5, 8, true],
    [7, 33, 19, true],
    [7, 33, 19, false],
    [5, 1, 15, true],
    [66, 17, 10, false],
  ] as const) {
    it(`should equal the gpu.js kernels for [${N},${I}] x [${I},${O}]${bias ? ' with bias' : ''} on one thread and on three`, async () => {
      const { program, output } = opProgram('linear', { features: O, bias }, [[N, I]]);
      const values: Record<string, ArrayLike<number>> = {};
      Object.values(program.tensors).forEach(({ name, kind, shape }, i) => {
        if (kind === 'input' || kind === 'parameter')
          values[name] = Float32Array.from(
            noise(
              shape.reduce((a, b) => a * b, 1),
              i,
            ),
          );
      });
      for (const threads of [1, 3]) {
        const device = await openWasm({ threads });
        try {
          const plain = (await onDevice(device, { variants: false })(program, values))[output]!;
          const tuned = (await onDevice(device, { variants: true })(program, values))[output]!;
          const worst = Math.max(...Array.from(plain, (value, i) => Math.abs(value - tuned[i]!)));
          assert.ok(worst <= 1e-6 * Math.sqrt(I) + 1e-6, `off by ${worst}`);
          assert.ok(Array.from(plain).some(value => Math.abs(value) > 0.01));
        } finally {
          await device.destroy();
        }
      }
    });
  }
});
