import assert from 'node:assert/strict';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { uniforms } from '../../../core/random.ts';

/** The distance between subnormal numbers, which have fewer bits. */
const smallest = 2 ** -149;
const relative = 1e-6;

describe('exp and log in WebAssembly', () => {
  let device: Device;
  before(async () => {
    device = await openWasm({ threads: 2 });
  });
  after(() => device.destroy());

  async function each(routine: 'exponential' | 'logarithm', values: Float32Array): Promise<Float32Array> {
    const { length } = values;
    const [from, to] = [device.allocate(4 * length, 'x'), device.allocate(4 * length, 'y')];
    device.write(from, values);
    const launch = {
      kernel: { name: routine },
      inputs: ['x'],
      output: 'y',
      body: {
        language: 'wasm' as const,
        routine,
        scratch: 160,
        units: Math.ceil(length / 4),
        arguments: ({ inputs: [x], output: y }: { inputs: readonly number[]; output: number }) => [x!, y, length],
      },
    };
    const placed = { label: routine, launch, inputs: [{ buffer: from, length, dtype: 'f32' as const }] };
    await device.run(await device.compile([{ ...placed, output: { buffer: to, length, dtype: 'f32' as const } }]));
    const result = await device.read(to, 4 * length);
    device.free(from);
    device.free(to);
    return result;
  }

  function close(got: Float32Array, values: Float32Array, exact: (x: number) => number): void {
    for (const [i, x] of values.entries()) {
      const expected = exact(x);
      if (!Number.isFinite(Math.fround(expected))) {
        assert.deepEqual(got[i], Math.fround(expected), `of ${x}`);
        continue;
      }
      const allowed = Math.max(relative * Math.abs(expected), smallest);
      assert.ok(Math.abs(got[i]! - expected) <= allowed, `of ${x}: ${got[i]}, expected ${expected}`);
    }
  }

  it('should be within 1e-6 of exp of what is not above 0, down to 0', async () => {
    const edges = [0, -0, -1e-30, -1, -87.33654, -103.2, -103.97, -103.98, -104, -150, -1e30, Number.NaN, -Infinity];
    const values = Float32Array.from([...edges, ...Array.from({ length: 100_000 }, (_, i) => -i * 0.00105)]);
    close(await each('exponential', values), values, Math.exp);
  });

  it('should be within 1e-6 of log over its range, near 1 and among subnormal numbers, too', async () => {
    const next = uniforms(3);
    // every exponent, with random fractions
    const all = Array.from({ length: 60_000 }, (_, i) => 2 ** (-149 + (i % 277)) * (1 + next()));
    const nearOne = Array.from({ length: 40_000 }, (_, i) => 1 + (i - 20_000) * 2 ** -23);
    const edges = [0, -0, 1, -1, -1e-40, 1e-40, 2 ** -149, 2 ** -126, 3.4e38, Number.NaN, Infinity, -Infinity];
    const values = Float32Array.from([...edges, ...all, ...nearOne]);
    close(await each('logarithm', values), values, Math.log);
  });

  it('should leave what follows a ragged end alone', async () => {
    for (const length of [1, 2, 3, 5])
      assert.deepEqual(Array.from(await each('exponential', new Float32Array(length))), Array(length).fill(1));
  });
});
