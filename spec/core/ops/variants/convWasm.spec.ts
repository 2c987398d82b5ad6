import assert from 'node:assert/strict';
import type { Device } from '../../../../core/devices/device.ts';
import { openWasm } from '../../../../core/devices/wasm/device.ts';
import { lower } from '../../../../core/plan/lower.ts';
import { uniforms } from '../../../../core/random.ts';
import { elements, type Shape } from '../../../../core/shape.ts';
import { noise } from '../finiteDifferences.ts';
import { type OpProgram, opProgram } from '../opProgram.ts';
import { interpret, onDevice, type Runner, type Values } from '../run.ts';
import { directly } from './direct.ts';

interface Case {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly x: Shape;
  /** Fused into the forward pass. */
  readonly relu?: boolean;
}
const of = (x: Shape, filters: number, kernel: unknown, more: Record<string, unknown> = {}): Case => ({
  attributes: { filters, kernel, ...more },
  x,
});

/** Each for what it may break. */
const cases: readonly Case[] = [
  of([1, 1, 1, 1], 1, 1), // a single number
  of([2, 5, 7, 8], 8, 3, { padding: 1 }), // whole panels
  of([1, 6, 6, 3], 5, 3), // a joined row, no padding, ragged filters
  of([2, 9, 8, 3], 16, 7, { stride: 2, padding: 3 }), // a stem
  of([1, 12, 11, 1], 9, 5, { stride: 3, padding: 2 }), // one channel
  of([2, 4, 4, 3], 7, 3, { dilation: 2, padding: 2 }), // few channels that cannot be joined
  of([3, 1, 1, 21], 10, 1), // single pixels
  of([1, 2, 3, 17], 12, [5, 7], { padding: 3 }), // a kernel larger than the image
  of([1, 9, 9, 6], 10, [1, 4], { stride: 2 }), // rows and columns of the input that no window touches
  of([2, 8, 8, 5], 11, 1, { stride: 2 }), // a 1×1 kernel that leaves pixels out
  of([2, 7, 7, 5], 4, 1, { stride: 3, padding: 2 }), // and one that looks at padding alone
  of([1, 3, 3, 4], 8, 1, { stride: 5 }), // a stride beyond the image
  of([1, 10, 9, 4], 6, 3, { stride: 2, dilation: 2, padding: 2 }), // taps that all belong to one phase
  of([1, 13, 12, 4], 6, 3, { stride: 2, dilation: 3, padding: 3 }),
  of([1, 8, 9, 6], 9, 3, { stride: 4, padding: 1 }), // a stride beyond the kernel
  of([2, 6, 5, 12], 9, 3, { groups: 3, padding: 1 }), // groups with ragged panels
  of([1, 6, 6, 32], 32, 3, { groups: 2, padding: 1, stride: 2 }), // groups with whole panels
  of([1, 5, 6, 4], 12, 3, { groups: 4, padding: 1, stride: 2 }), // several filters a channel
  of([1, 4, 5, 300], 10, 3, { padding: 1 }), // more than one chunk of channels
  of([1, 4, 4, 10], 300, 3, { padding: 1, bias: false }), // and of filters
  of([2, 3, 3, 1300], 9, 1), // chunks of a 1×1 kernel
  of([1, 2, 3, 520], 520, 3, { padding: 1 }), // several ranges of panels
  of([2, 30, 31, 4], 8, 3, { padding: 1 }), // several parts of pixels
  of([3, 1, 5, 3], 9, [1, 4], { padding: 4 }), // one row an image: windows of two images are not one run
];
/** A filter a channel. */
const depthwise: readonly Case[] = [
  of([1, 7, 6, 10], 10, 3, { groups: 10, padding: 1 }),
  of([2, 9, 8, 48], 48, 3, { groups: 48, padding: 1, stride: 2, bias: false }), // whole runs of 16 channels
  of([2, 5, 6, 23], 23, [2, 5], { groups: 23, padding: 3, stride: 3 }), // windows that see padding alone
  of([1, 12, 13, 2], 2, 3, { groups: 2, padding: 2, dilation: 3, stride: 2 }),
  of([1, 3, 2, 3], 3, 2, { groups: 3, stride: 4 }), // a stride beyond the image
];

/** Shapes that nobody thought of. */
function randomCases(count: number): Case[] {
  const random = uniforms(20);
  const pick = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
  const found: Case[] = [];
  while (found.length < count) {
    const groups = random() < 0.75 ? 1 : pick(2, 4);
    const kernel = [pick(1, 5), pick(1, 5)];
    const [stride, dilation, padding] = [pick(1, 3), random() < 0.7 ? 1 : pick(2, 3), pick(0, 4)];
    const x = [pick(1, 3), pick(1, 14), pick(1, 14), groups * pick(1, random() < 0.8 ? 9 : 40)];
    const reach = kernel.map(size => dilation * (size - 1) + 1);
    if (reach[0]! > x[1]! + 2 * padding || reach[1]! > x[2]! + 2 * padding) continue;
    const filters = groups * pick(1, random() < 0.8 ? 9 : 40);
    if (groups > 1 && filters === groups && x[3] === groups) continue;
    found.push({ attributes: { filters, kernel, stride, dilation, padding, groups, bias: random() < 0.5 }, x, relu: random() < 0.5 });
  }
  return found;
}

function build({ attributes, x, relu }: Case): OpProgram {
  const built = opProgram('conv2d', attributes, [x]);
  const nodes = built.program.nodes.map(node =>
    relu && node.primitive === 'conv2d' ? { ...node, attributes: { ...node.attributes, relu } } : node,
  );
  return { ...built, program: { ...built.program, nodes } };
}
function valuesOf({ program }: OpProgram): Values {
  const values: Record<string, ArrayLike<number>> = {};
  Object.values(program.tensors).forEach(({ name, kind, shape }, i) => {
    if (kind === 'input' || kind === 'parameter') values[name] = Float32Array.from(noise(elements(shape), i));
  });
  return values;
}
const compared = ({ output, inputGradients, parameterGradients }: OpProgram): string[] => [
  output,
  inputGradients[0]!,
  parameterGradients.weight!,
];
const primitives = ['conv2d', 'conv2d.inputGradient', 'conv2d.filterGradient'];

async function agree(each: Case, runners: readonly Runner[], variant = 'wasm-gemm'): Promise<void> {
  const built = build(each);
  const chosen = lower(built.program, 'wasm', { exact: true }).nodes.map(({ variant }) => variant);
  for (const name of primitives) assert.ok(chosen.includes(`${name}/${variant}`), `chosen were ${chosen}`);
  const values = valuesOf(built);
  const expected = await interpret()(built.program, values);
  const what = JSON.stringify(each);
  for (const [i, run] of runners.entries()) {
    const got = await run(built.program, values);
    for (const name of compared(built)) {
      const [want, have] = [expected[name]!, got[name]!];
      let [largest, worst] = [1e-3, 0];
      for (let at = 0; at < want.length; at++) {
        largest = Math.max(largest, Math.abs(want[at]!));
        worst = Math.max(worst, Math.abs(want[at]! - have[at]!));
      }
      assert.ok(worst <= 5e-6 * largest, `${what}: ${name} of runner ${i} is off by ${worst} of ${largest}`);
    }
  }
}

describe('conv2d/wasm-gemm', () => {
  const builds = (['relaxed', 'simd'] as const).map(build => directly({ build, exact: true }));

  for (const each of cases) {
    it(`should equal the gpu.js kernels for ${JSON.stringify(each.attributes).replaceAll('"', '')} on [${each.x}]`, () =>
      agree(each, builds));
  }

  it('should equal the gpu.js kernels for 60 random shapes @smoke', async () => {
    for (const each of randomCases(60)) await agree(each, builds);
  });

  it('should give the same bits however the units are cut', async () => {
    for (const each of cases) {
      const built = build(each);
      const values = valuesOf(built);
      const whole = await directly({ build: 'simd', exact: true })(built.program, values);
      const single = await directly({ build: 'simd', exact: true, grain: 1 })(built.program, values);
      for (const name of compared(built)) assert.deepEqual(single[name], whole[name], `${name} of ${JSON.stringify(each)}`);
    }
  });

  describe('on the device', () => {
    const devices: Device[] = [];
    before(async () => {
      for (const threads of [1, 3]) devices.push(await openWasm({ threads }));
    });
    after(() => Promise.all(devices.map(device => device.destroy())));

    it('should give the same bits on one thread and on three', async () => {
      for (const each of [...cases.slice(1, 4), ...cases.slice(-4)]) {
        const built = build(each);
        const values = valuesOf(built);
        const [one, three] = await Promise.all(devices.map(device => onDevice(device, { exact: true })(built.program, values)));
        for (const name of compared(built)) assert.deepEqual(three![name], one![name], `${name} of ${JSON.stringify(each)}`);
      }
    });
  });
});

describe('conv2d/wasm-depthwise', () => {
  const builds = (['relaxed', 'simd'] as const).map(build => directly({ build }));

  for (const [i, each] of depthwise.entries()) {
    it(`should equal the gpu.js kernels for ${JSON.stringify(each.attributes).replaceAll('"', '')} on [${each.x}]${i ? '' : ' @smoke'}`, async () => {
      await agree(each, builds, 'wasm-depthwise');
      await agree({ ...each, relu: true }, builds, 'wasm-depthwise');
    });
  }

  it('should equal the gpu.js kernels for random shapes, and give the same bits however the units are cut', async () => {
    const random = uniforms(21);
    const pick = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
    for (let i = 0; i < 20; i++) {
      const [kernel, stride, padding] = [[pick(1, 4), pick(1, 4)], pick(1, 3), pick(0, 4)];
      const channels = pick(2, 40);
      const each = of([pick(1, 3), pick(4, 12), pick(4, 12), channels], channels, kernel, { groups: channels, stride, padding });
      await agree(each, builds, 'wasm-depthwise');
      const built = build(each);
      const values = valuesOf(built);
      const whole = await directly({ build: 'simd' })(built.program, values);
      const single = await directly({ build: 'simd', grain: 1 })(built.program, values);
      for (const name of compared(built)) assert.deepEqual(single[name], whole[name], `${name} of ${JSON.stringify(each)}`);
    }
  });
});
