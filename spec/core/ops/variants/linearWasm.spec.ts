import assert from 'node:assert/strict';
import type { Device } from '../../../../core/devices/device.ts';
import { openWasm } from '../../../../core/devices/wasm/device.ts';
import { cut } from '../../../../core/ops/variants/linearWasm.ts';
import { lower } from '../../../../core/plan/lower.ts';
import { ProgramBuilder } from '../../../../core/program/builder.ts';
import { uniforms } from '../../../../core/random.ts';
import { elements } from '../../../../core/shape.ts';
import { noise } from '../finiteDifferences.ts';
import { opProgram } from '../opProgram.ts';
import { onDevice } from '../run.ts';

type Size = readonly [N: number, I: number, O: number, bias: boolean];

/** Edges of blocks (6 × 8), strips (48 and 192), panels in a unit (32) and packed depth (256), and one beside them. */
const nasty: readonly Size[] = [
  [1, 1024, 1, true],
  [1, 33, 1000, true],
  [8, 256, 192, true],
  [9, 257, 193, true],
  [16, 512, 24, false],
  [17, 3, 50, true],
  [255, 5, 47, true],
  [256, 9, 48, true],
  [257, 300, 49, true],
  [1030, 1, 2, false],
  [600, 2, 13, true],
  // the sums of a large weight are split
  [5, 2100, 1003, true],
];

function random(count: number): Size[] {
  const next = uniforms(20);
  const upTo = (most: number) => 1 + Math.floor(most * next() ** 2);
  const sizes: Size[] = [];
  while (sizes.length < count) {
    const [N, I, O] = [upTo(300), upTo(600), upTo(400)];
    if (N * I * O >= 1024 && N * I * O < 8e6) sizes.push([N, I, O, next() < 0.5]);
  }
  return sizes;
}

describe('linear on wasm', () => {
  const devices: Device[] = [];
  before(async () => {
    for (const threads of [1, 3]) devices.push(await openWasm({ threads }));
  });
  after(() => Promise.all(devices.map(device => device.destroy())));

  const values = ({ tensors }: ReturnType<typeof opProgram>['program']) =>
    Object.fromEntries(
      Object.values(tensors)
        .filter(({ kind }) => kind === 'input' || kind === 'parameter')
        .map(({ name, shape }, i) => [name, Float32Array.from(noise(elements(shape), i))]),
    );

  /** The variant on one thread and on three, which must be the same, against the gpu.js kernels. */
  async function agrees([N, I, O, bias]: Size): Promise<void> {
    const { program, output, inputGradients, parameterGradients } = opProgram('linear', { features: O, bias }, [[N, I]]);
    const given = values(program);
    const plain = await onDevice(devices[0]!, { variants: false })(program, given);
    const [one, three] = [await onDevice(devices[0]!)(program, given), await onDevice(devices[1]!)(program, given)];
    const compared: [string, depth: number][] = [
      [output, I],
      [inputGradients[0]!, O],
      [parameterGradients.weight!, N],
    ];
    for (const [name, depth] of compared) {
      const worst = Array.from(plain[name]!).reduce((most, value, i) => Math.max(most, Math.abs(value - one[name]![i]!)), 0);
      // terms are below 1, so their sum is of the size of the root of their number
      assert.ok(worst <= 3e-6 * Math.sqrt(depth) + 1e-7, `${name} of ${[N, I, O]}: off by ${worst}`);
      assert.deepEqual(three[name], one[name], `${name} of ${[N, I, O]} depends on the number of threads`);
    }
  }

  it('should take the place of the gpu.js kernels, but not for a handful of products @smoke', () => {
    const chosen = (N: number, I: number, O: number) =>
      lower(opProgram('linear', { features: O }, [[N, I]]).program, 'wasm')
        .nodes.filter(({ node }) => node.primitive !== 'linear.biasGradient')
        .map(({ variant }) => variant);
    assert.deepEqual(chosen(16, 64, 1), ['linear/wasm-gemm', 'linear.filterGradient/wasm-gemm', 'linear.inputGradient/wasm-gemm']);
    assert.deepEqual(chosen(2, 5, 3), [undefined, undefined, undefined]);
  });

  for (const size of nasty) {
    it(`should equal the gpu.js kernels on ${size.slice(0, 3).join(' × ')} ${size[3] ? 'with' : 'without'} bias`, () => agrees(size));
  }

  it('should equal the gpu.js kernels at 40 random shapes', async () => {
    for (const size of random(40)) await agrees(size);
  });

  it('should cut large weights into enough units, by splitting sums', () => {
    for (const [N, I, O] of [
      [16, 9216, 4096],
      [8, 2048, 1000],
      [5, 2100, 1003],
    ] as const) {
      const { range, splits, units, strip } = cut(N, I, O);
      assert.ok(units >= 16 && strip % 12 === 0 && range * splits >= I && range * (splits - 1) < I, `${N} × ${I} × ${O}: ${units} units`);
    }
    assert.ok(cut(5, 2100, 1003).splits > 1);
    assert.equal(cut(1024, 1024, 1024).splits, 1);
  });

  it('should rectify in the store, also where sums are split', async () => {
    for (const [N, I, O] of [
      [9, 40, 50],
      [5, 2100, 1003],
    ] as const) {
      const builder = new ProgramBuilder();
      const shapes = [[N, I], [I, O], [O]];
      const inputs = shapes.map((shape, i) => builder.declare(`input ${i}`, 'input', shape));
      builder.emit('linear', 'y', [N, O], inputs, { relu: true });
      const program = builder.build();
      assert.equal(lower(program, 'wasm').nodes[0]!.variant, 'linear/wasm-gemm');
      const given = Object.fromEntries(inputs.map(({ name, shape }, i) => [name, Float32Array.from(noise(elements(shape), i))]));
      const [expected, got] = [
        (await onDevice(devices[1]!, { variants: false })(program, given)).y!,
        (await onDevice(devices[1]!)(program, given)).y!,
      ];
      for (let i = 0; i < N * O; i++) assert.ok(Math.abs(got[i]! - expected[i]!) <= 3e-6 * Math.sqrt(I), `${N} × ${I} × ${O} [${i}]`);
      assert.ok(Array.from(got).every(value => value >= 0) && Array.from(got).includes(0));
    }
  });

  it('should let NaN and infinity through', async () => {
    const { program, output, inputs, parameters } = opProgram('linear', { features: 50 }, [[20, 30]], { backward: false });
    const given = values(program);
    given[inputs[0]!]![3 * 30 + 7] = Number.NaN;
    given[parameters.bias!]![49] = Number.POSITIVE_INFINITY;
    const y = Array.from((await onDevice(devices[1]!)(program, given))[output]!);
    y.forEach((value, i) => {
      if (Math.floor(i / 50) === 3) assert.ok(Number.isNaN(value));
      else if (i % 50 === 49) assert.equal(value, Number.POSITIVE_INFINITY);
      else assert.ok(Number.isFinite(value));
    });
  });
});
