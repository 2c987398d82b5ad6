import assert from 'node:assert/strict';
import { openCpu } from '../../../core/devices/cpu.ts';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { openAnyWebgpu } from '../devices/openAnyWebgpu.ts';
import { checkLayer, layers, readGolden } from './golden.ts';
import { interpret, onDevice, type Runner } from './run.ts';

describe("layers against PyTorch's reference tensors", () => {
  const golden = readGolden();
  const cases = golden.cases.filter(({ op }) => op in layers);
  const matches = async (run: Runner) => {
    const failures: string[] = [];
    for (const testCase of cases) {
      const errors = await checkLayer(golden, testCase, run).catch(error => ({ [(error as Error).message]: Number.POSITIVE_INFINITY }));
      for (const [name, error] of Object.entries(errors)) {
        if (!(error <= 1)) failures.push(`${testCase.case} ${name}: ${error.toPrecision(3)} times the allowed error`);
      }
    }
    assert.deepEqual(failures, []);
  };

  it('should cover every layer with one case or more', () => {
    assert.deepEqual([...new Set(cases.map(({ op }) => op))].sort(), Object.keys(layers).sort());
  });

  it('should match as plain functions in float32 @smoke', () => matches(interpret({ precision: Float32Array })));

  const devices: Record<string, (context: Mocha.Context) => Promise<Device>> = {
    cpu: openCpu,
    wasm: () => openWasm({ threads: 2 }),
    'webgpu, a software adapter too': openAnyWebgpu,
  };
  for (const [name, open] of Object.entries(devices)) {
    it(`should match on ${name}`, async function () {
      this.timeout(60_000);
      const device = await open(this);
      try {
        await matches(onDevice(device, { variants: false }));
      } finally {
        await device.destroy();
      }
    });
  }
});
