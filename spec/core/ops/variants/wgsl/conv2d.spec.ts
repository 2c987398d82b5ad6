import assert from 'node:assert/strict';
import type { Device } from '../../../../../core/devices/device.ts';
import { convFilterGradient, convForward, convInputGradient, phaseOf } from '../../../../../core/ops/variants/wgsl/conv2d.ts';
import { uniforms } from '../../../../../core/random.ts';
import { type Shape, windowOutput } from '../../../../../core/shape.ts';
import { openAnyWebgpu } from '../../../devices/openAnyWebgpu.ts';
import { agrees, type Case } from './agreement.ts';

interface Geometry {
  readonly x: Shape;
  readonly O: number;
  readonly kernel: readonly [number, number];
  readonly stride?: number;
  readonly padding?: number;
  readonly dilation?: number;
}
const passes = ({ x, O, kernel, stride = 1, padding = 0, dilation = 1 }: Geometry, force?: Case['force']): Record<string, Case> => {
  const [N, H, W, C] = x as [number, number, number, number];
  const attributes = { stride, padding, dilation, groups: 1 };
  const y = [N, windowOutput(H, kernel[0], stride, padding, dilation), windowOutput(W, kernel[1], stride, padding, dilation), O];
  const filters = [...kernel, C, O];
  const [forward, input, filter] = ['conv2d', 'conv2d.inputGradient', 'conv2d.filterGradient'] as const;
  return {
    forward: { primitive: forward, attributes, inputs: [x, filters, [O]], output: y, variant: convForward, force },
    inputGradient: { primitive: input, attributes, inputs: [y, filters], output: x, variant: convInputGradient, force },
    filterGradient: { primitive: filter, attributes, inputs: [x, y], output: filters, variant: convFilterGradient, force },
  };
};

/** What a network's layers are made of, and what only a test is. */
const shapes: readonly Geometry[] = [
  // channels that fill a step of the sum, so that its tap is the same in all threads
  { x: [2, 5, 6, 16], O: 20, kernel: [3, 3], padding: 1 },
  { x: [1, 7, 8, 32], O: 16, kernel: [3, 3], stride: 2, padding: 1 },
  { x: [2, 6, 5, 16], O: 8, kernel: [1, 1], stride: 2 },
  { x: [2, 4, 3, 12], O: 24, kernel: [1, 1] },
  { x: [1, 9, 9, 4], O: 4, kernel: [3, 3], stride: 2, padding: 2, dilation: 2 },
  // taps that no window has inside the image, rows that no window reaches
  { x: [1, 1, 2, 4], O: 4, kernel: [3, 3], padding: 1 },
  { x: [1, 8, 7, 1], O: 1, kernel: [2, 2], stride: 3 },
];
/** Three channels or so; their input gradient takes a product for each remainder by the stride, and nobody needs it. */
const stems: readonly Geometry[] = [
  { x: [1, 13, 11, 3], O: 8, kernel: [7, 7], stride: 2, padding: 3 },
  { x: [1, 19, 15, 3], O: 5, kernel: [11, 11], stride: 4, padding: 2 },
  { x: [2, 8, 8, 5], O: 7, kernel: [2, 3], stride: 3, padding: 1, dilation: 2 },
];
const kinds = ['forward', 'inputGradient', 'filterGradient'] as const;

describe('conv2d in WGSL', () => {
  let device: Device;
  before(async function () {
    device = await openAnyWebgpu(this);
  });
  after(() => device?.destroy());

  for (const kind of kinds) {
    it(`should agree with the kernels in the ${kind} of a network's layers`, async () => {
      for (const shape of kind === 'inputGradient' ? shapes : [...shapes, ...stems]) await agrees(device, passes(shape)[kind]!);
    });

    it(`should agree with the kernels in the ${kind} of random shapes`, async () => {
      const next = uniforms(5);
      const pick = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
      for (let i = 0; i < 3; i++) {
        const [stride, padding, dilation] = [pick(1, 2), pick(0, 2), pick(1, 2)];
        const kernel = [pick(1, 3), pick(1, 3)] as const;
        const room = dilation * 2 + 1;
        const x = [pick(1, 2), pick(room, room + 5), pick(room, room + 5), pick(1, 9)];
        await agrees(device, passes({ x, O: pick(1, 9), kernel, stride, padding, dilation })[kind]!);
      }
    });

    it(`should agree with the kernels in the ${kind} by large tiles and in slices`, async () => {
      const shape: Geometry = { x: [2, 9, 9, 16], O: 132, kernel: [3, 3], padding: 1 };
      await agrees(device, passes(shape, { tile: [128, 128] })[kind]!);
      const launches = await agrees(device, passes(shape, { tile: [64, 64], slices: 3 })[kind]!);
      assert.equal(launches.length, 2);
    });
  }

  it('should rectify after the bias', async () => {
    const { forward } = passes(shapes[0]!);
    await agrees(device, { ...forward!, attributes: { ...forward!.attributes, relu: true } });
  });

  it('should put slices of an input gradient with a stride where they belong', async () => {
    await agrees(device, passes(shapes[1]!, { tile: [32, 32], slices: 2 }).inputGradient!);
  });

  it('should find the taps of each remainder by the stride', () => {
    const place = { stride: 2, padding: 1, dilation: 1, groups: 1 };
    // rows 0, 2, … are reached by the middle tap alone, rows 1, 3, … by the outer two
    assert.deepEqual(phaseOf(0, 7, 3, place), { rows: 4, taps: 1, first: 1, every: 0, start: 0, step: -0 });
    assert.deepEqual(phaseOf(1, 7, 3, place), { rows: 3, taps: 2, first: 0, every: 2, start: 1, step: -1 });
    assert.equal(phaseOf(1, 7, 1, { ...place, padding: 0 }).taps, 0);
  });

  it('should leave groups and very large kernels to others @smoke', () => {
    const terms = {
      exact: false,
      features: new Set<string>(),
      limits: { workgroupBytes: 16_384, invocations: 256, storageBuffers: 8, groups: 65_535, subgroupMatrices: [] },
    };
    const takes = (R: number, groups: number, limits = terms.limits) =>
      convForward().applies(
        { stride: 1, padding: 0, dilation: 1, groups },
        [
          [1, 20, 20, 8],
          [R, 3, 8 / groups, 8],
        ],
        [1, 21 - R, 18, 8],
        { ...terms, limits },
      );
    assert.equal(takes(3, 1), true);
    assert.equal(takes(3, 2), false);
    assert.equal(takes(16, 1), false);
    // too little to compile a shader for
    assert.equal(
      convForward().applies(
        { stride: 1, padding: 0, dilation: 1, groups: 1 },
        [
          [1, 4, 4, 2],
          [3, 3, 2, 2],
        ],
        [1, 2, 2, 2],
        terms,
      ),
      false,
    );
    // a device whose workgroups are too small for every tile
    assert.equal(takes(3, 1, { ...terms.limits, invocations: 32 }), false);
  });
});
