import assert from 'node:assert/strict';
import type { Device } from '../../../../core/devices/device.ts';
import { openWasm } from '../../../../core/devices/wasm/device.ts';
import { lower } from '../../../../core/plan/lower.ts';
import { normals, uniforms } from '../../../../core/random.ts';
import { elements } from '../../../../core/shape.ts';
import { opProgram } from '../opProgram.ts';
import { onDevice } from '../run.ts';

/** A 1 × 1 convolution of [batch, height, width, channels]. */
interface Case {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly filters: number;
  readonly stride?: number;
  readonly bias?: boolean;
  readonly relu?: boolean;
}
const describeCase = ({ batch, height, width, channels, filters, stride = 1, bias, relu }: Case) =>
  `${filters} filters${bias ? ' with bias' : ''}${relu ? ' and relu' : ''}, stride ${stride} on [${[batch, height, width, channels]}]`;

function build({ batch, height, width, channels, filters, stride = 1, bias = false, relu = false }: Case) {
  const built = opProgram('conv2d', { filters, kernel: 1, stride, bias }, [[batch, height, width, channels]]);
  const nodes = built.program.nodes.map(node =>
    relu && node.primitive === 'conv2d' ? { ...node, attributes: { ...node.attributes, relu } } : node,
  );
  const program = { ...built.program, nodes };
  const values: Record<string, Float32Array> = {};
  Object.values(program.tensors).forEach(({ name, kind, shape }, i) => {
    if (kind === 'input' || kind === 'parameter') values[name] = Float32Array.from({ length: elements(shape) }, normals(i + 1));
  });
  return { ...built, program, values };
}

/** The definition in float64: y, dx and dweight. */
function reference(
  { batch, height, width, channels, filters, stride = 1, relu }: Case,
  [x, w, b, dy]: readonly (Float32Array | undefined)[],
) {
  const [P, Q] = [Math.ceil(height / stride), Math.ceil(width / stride)];
  const y = new Float64Array(batch * P * Q * filters);
  const dx = new Float64Array(batch * height * width * channels);
  const dweight = new Float64Array(channels * filters);
  for (let n = 0; n < batch; n++) {
    for (let p = 0; p < P; p++) {
      for (let q = 0; q < Q; q++) {
        const from = ((n * height + p * stride) * width + q * stride) * channels;
        const to = ((n * P + p) * Q + q) * filters;
        for (let c = 0; c < channels; c++) {
          for (let o = 0; o < filters; o++) {
            y[to + o]! += x![from + c]! * w![c * filters + o]!;
            dx[from + c]! += dy![to + o]! * w![c * filters + o]!;
            dweight[c * filters + o]! += x![from + c]! * dy![to + o]!;
          }
        }
      }
    }
  }
  return [y.map((value, i) => Math.max(value + (b?.[i % filters] ?? 0), relu ? 0 : -Infinity)), dx, dweight];
}

describe('Strassen convolutions', () => {
  const devices: Device[] = [];
  before(async () => {
    for (const threads of [1, 3]) devices.push(await openWasm({ threads }));
  });
  after(() => Promise.all(devices.map(device => device.destroy())));

  const chosen = (each: Case, exact = false) =>
    lower(build(each).program, 'wasm', { exact })
      .nodes.map(({ variant = '' }) => variant)
      .filter(name => name.includes('strassen'));
  const all = ['conv2d', 'conv2d.filterGradient', 'conv2d.inputGradient'].map(name => `${name}/wasm-strassen`);

  /** Within 2e-5 of the RMS, a fifth of what is promised. And the same bits on one thread and on three. */
  async function agree(each: Case) {
    const { program, values, inputs, parameters, output, inputGradients, parameterGradients } = build(each);
    const names = [output, inputGradients[0]!, parameterGradients.weight!];
    const exact = reference(each, [values[inputs[0]!], values[parameters.weight!], values[parameters.bias!], values.dy]);
    const [one, three] = await Promise.all(devices.map(device => onDevice(device)(program, values)));
    names.forEach((name, pass) => {
      const expected = exact[pass]!;
      assert.equal(one![name]!.length, expected.length);
      let [worst, squares] = [0, 0];
      for (let i = 0; i < expected.length; i++) {
        squares += expected[i]! ** 2;
        const error = Math.abs(expected[i]! - one![name]![i]!);
        if (!(error <= worst)) worst = error;
      }
      const error = worst / Math.sqrt(squares / expected.length);
      assert.ok(error < 2e-5, `${name} of ${describeCase(each)} errs by ${error.toExponential(1)} of its RMS`);
      assert.deepEqual(three![name], one![name]);
    });
  }

  const cases: Case[] = [
    { batch: 8, height: 4, width: 5, channels: 128, filters: 128, bias: true, relu: true },
    // a single pixel more than some twelves, and more than one part of pixels
    { batch: 1, height: 35, width: 31, channels: 128, filters: 128 },
    { batch: 3, height: 9, width: 21, channels: 144, filters: 176, stride: 2, bias: true },
    // strides beyond what is left of the image
    { batch: 25, height: 5, width: 4, channels: 128, filters: 128, stride: 3, relu: true },
    // several chunks of what is summed over in either direction, the last ones shorter; several ranges of panels
    { batch: 1, height: 14, width: 7, channels: 1040, filters: 528, bias: true },
  ];
  for (const [i, each] of cases.entries()) {
    it(`should compute what the definition does: ${describeCase(each)}${i === 0 ? ' @smoke' : ''}`, async () => {
      assert.deepEqual(chosen(each), all);
      await agree(each);
    });
  }

  it('should compute what the definition does for few channels', async () => {
    // of half of 64, 80 and 96 channels, blocks of six rows leave two, four and none
    for (const channels of [64, 80, 96]) {
      const each = { batch: 3, height: 17, width: 19, channels, filters: 144 };
      assert.deepEqual(chosen(each), all);
      await agree(each);
    }
  });

  it('should compute what the definition does at random shapes', async () => {
    const next = uniforms(7);
    const upTo = (n: number) => 1 + Math.floor(n * next());
    for (let i = 0; i < 8; i++) {
      const [channels, filters] = [112 + 16 * upTo(8), 112 + 16 * upTo(8)];
      const [P, Q, stride] = [upTo(16), upTo(16), upTo(3)];
      const [height, width] = [(P - 1) * stride + upTo(stride), (Q - 1) * stride + upTo(stride)];
      const each = { batch: Math.ceil(96 / (P * Q)), height, width, channels, filters, stride, bias: next() < 0.5, relu: next() < 0.5 };
      assert.deepEqual(chosen(each), all);
      await agree(each);
    }
  }).timeout(20_000);

  it('should leave alone what it would not speed up or cannot halve, and exact runs @smoke', () => {
    const takes: Case = { batch: 8, height: 4, width: 4, channels: 128, filters: 128 };
    assert.deepEqual(chosen(takes), all);
    const others: Partial<Case>[] = [
      { batch: 5 },
      { channels: 48 },
      { filters: 48 },
      { channels: 56, filters: 56 },
      { channels: 136, filters: 136 },
    ];
    for (const other of others) assert.deepEqual(chosen({ ...takes, ...other }), [], JSON.stringify(other));
    assert.deepEqual(chosen(takes, true), []);
  });
});
