import assert from 'node:assert/strict';
import { openCpu } from '../../../core/devices/cpu.ts';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { elements, type Shape } from '../../../core/shape.ts';
import { openAnyWebgpu } from '../devices/openAnyWebgpu.ts';
import { noise } from './finiteDifferences.ts';
import { excess } from './golden.ts';
import { opProgram } from './opProgram.ts';
import { interpret, onDevice } from './run.ts';

/** What the reference tensors leave out: forward and backward of each, at sizes that four lanes and four rows do not divide. */
const cases: [string, Record<string, unknown>, Shape[]][] = [
  ['conv2d', { filters: 6, kernel: 2, groups: 2, dilation: 2, padding: 1, stride: 2 }, [[2, 5, 6, 4]]],
  ['conv2d', { filters: 6, kernel: 3, groups: 3, padding: 1, bias: false }, [[1, 4, 3, 6]]],
  ['conv2d', { filters: 5, kernel: [1, 4], stride: 2, padding: 2 }, [[1, 3, 6, 3]]],
  ['conv2d', { filters: 2, kernel: 1, stride: 3, padding: 1 }, [[1, 3, 4, 3]]],
  ['conv2d', { filters: 1, kernel: 1 }, [[1, 1, 1, 1]]],
  ['conv2d', { filters: 7, kernel: 1 }, [[3, 29, 37, 3]]],
  // several images a chunk of the filter gradient, the last chunk with fewer
  ['conv2d', { filters: 3, kernel: 3, padding: 1 }, [[45, 5, 5, 4]]],
  ['conv2d', { filters: 4, kernel: 3, groups: 2, padding: 1, stride: 2 }, [[2, 13, 14, 8]]],
  ['linear', { features: 9, bias: false }, [[6, 13]]],
  ['maxPool2d', { kernel: 2, stride: 3, padding: 1, ceilMode: true }, [[2, 5, 6, 5]]],
  ['avgPool2d', { kernel: 3, stride: 2, padding: 1, ceilMode: true, countIncludePad: true }, [[2, 6, 7, 3]]],
  ['avgPool2d', { kernel: 3, stride: 2, padding: 1, ceilMode: true, countIncludePad: false }, [[2, 6, 7, 3]]],
  ['adaptiveAvgPool2d', { output: 5 }, [[1, 3, 7, 6]]],
  ['padChannels', { stride: 2, channels: 5 }, [[2, 5, 7, 3]]],
  [
    'concat',
    {},
    [
      [3, 2, 1, 2],
      [3, 2, 1, 1],
      [3, 2, 1, 5],
    ],
  ],
  ['flatten', {}, [[2, 3, 2, 5]]],
];

describe('layers on devices', () => {
  const devices: Record<string, (context: Mocha.Context) => Promise<Device>> = {
    cpu: openCpu,
    wasm: () => openWasm({ threads: 2 }),
    'webgpu, a software adapter too': openAnyWebgpu,
  };
  for (const [name, open] of Object.entries(devices)) {
    it(`should compute on ${name} what their kernels say in float64`, async function () {
      this.timeout(60_000);
      const device = await open(this);
      const failures: string[] = [];
      try {
        for (const [op, attributes, shapes] of cases) {
          const { program, output, inputGradients, parameterGradients } = opProgram(op, attributes, shapes);
          const values: Record<string, ArrayLike<number>> = {};
          Object.values(program.tensors).forEach(({ name: tensor, kind, shape }, i) => {
            if (kind === 'input' || kind === 'parameter') values[tensor] = Float32Array.from(noise(elements(shape), i));
          });
          const expected = await interpret()(program, values);
          const got = await onDevice(device, { variants: false })(program, values);
          for (const tensor of [output, ...inputGradients, ...Object.values(parameterGradients)]) {
            const error = excess(got[tensor!], expected[tensor!]);
            if (!(error <= 1))
              failures.push(`${op} ${JSON.stringify(attributes)} ${tensor}: ${error.toPrecision(3)} times the allowed error`);
          }
        }
      } finally {
        await device.destroy();
      }
      assert.deepEqual(failures, []);
    });
  }
});
