import '../../../../../core/losses/index.ts';
import '../../../../../core/optimizers/index.ts';
import type { Device } from '../../../../../core/devices/device.ts';
import type { Shape } from '../../../../../core/shape.ts';
import { openAnyWebgpu } from '../../../devices/openAnyWebgpu.ts';
import { type PrimitiveCase, primitiveAgrees } from './primitives.ts';

const positive = (shape: Shape) => ({ shape, values: (i: number) => 0.3 + ((i * 7) % 11) / 9 });
/** Statistics [3,C] as batch norm keeps them: two halves of the mean, a variance. */
const statistics = (C: number) => ({ shape: [3, C], values: (i: number) => (i < 2 * C ? ((i * 5) % 7) / 20 - 0.1 : 0.2 + (i % 3)) });

/** Pixels in one chunk and in many, rows of the last chunk that no thread or only some have; channels in fours and not. */
const shapes: readonly Shape[] = [
  [1, 1, 2, 4],
  [2, 5, 7, 8],
  [3, 33, 17, 12],
  [2, 40, 40, 36],
  [2, 3, 5, 3],
  [1, 61, 13, 7],
  [70, 33],
  [9, 300],
];

describe('memory-bound primitives in WGSL', () => {
  let device: Device;
  before(async function () {
    device = await openAnyWebgpu(this);
  });
  after(() => device?.destroy());

  const agree = async (cases: readonly PrimitiveCase[]) => {
    for (const each of cases) await primitiveAgrees(device, each);
  };

  it('should take the statistics of a batch norm', () =>
    agree(
      shapes.map(x => ({
        primitive: 'batchNorm2d.statistics',
        variant: 'batchNorm2d.statistics/wgsl-columns',
        inputs: [x],
        output: [3, x.at(-1)!],
      })),
    ));

  it('should lose no digits of a deviation that is small beside its mean, nor to a first pixel far from the others', () =>
    agree([
      {
        primitive: 'batchNorm2d.statistics',
        variant: 'batchNorm2d.statistics/wgsl-columns',
        inputs: [{ shape: [2, 30, 30, 4], values: i => 4096 + ((i * 37) % 64) / 64 }],
        output: [3, 4],
        // of the shift, which is 4096
        tolerance: 1e-9,
      },
      {
        primitive: 'batchNorm2d.statistics',
        variant: 'batchNorm2d.statistics/wgsl-columns',
        inputs: [{ shape: [2, 30, 30, 4], values: i => (i < 4 ? 100 : ((i * 37) % 64) / 64) }],
        output: [3, 4],
        tolerance: 1e-5,
      },
    ]));

  it("should take the sums of a batch norm's gradients, alone and with a rectifier's gradient", () => {
    const variant = 'batchNorm2d.gradientSums/wgsl-columns';
    const primitive = 'batchNorm2d.gradientSums';
    return agree(
      shapes.map((x, i) => {
        const C = x.at(-1)!;
        const [attributes, more] = [
          [{ eps: 1e-5 }, []],
          [{ eps: 1e-3, gate: true }, [[C], [C]]],
          [{ eps: 1e-5, mask: true }, [x]],
          [{ eps: 1e-5, mask: true, sum: true }, [x, x]],
        ][i % 4] as [Record<string, unknown>, Shape[]];
        return { primitive, variant, attributes, inputs: [x, x, statistics(C), ...more], output: [2, C] };
      }),
    );
  });

  it("should normalise, with a skip connection, a rectifier, both, and the running statistics'", () => {
    const x = [3, 5, 7, 12];
    const own = [x, statistics(12), [12], [12]];
    const running = [x, [12], positive([12]), [12], [12]];
    return agree(
      [{}, { relu: true }, { residual: true }, { residual: true, relu: true }].flatMap(fused => {
        const more = 'residual' in fused ? [x] : [];
        const attributes = { eps: 1e-5, ...fused };
        return [
          { primitive: 'batchNorm2d', variant: 'batchNorm2d/wgsl-fours', attributes, inputs: [...own, ...more], output: x },
          {
            primitive: 'batchNorm2d.evaluate',
            variant: 'batchNorm2d.evaluate/wgsl-fours',
            attributes,
            inputs: [...running, ...more],
            output: x,
          },
        ];
      }),
    );
  });

  it("should compute a batch norm's input gradient, also over the gradient that came in and with a rectifier's", () => {
    const x = [2, 9, 7, 20];
    const inputs = [x, x, statistics(20), [20], [2, 20]];
    const [primitive, variant] = ['batchNorm2d.inputGradient', 'batchNorm2d.inputGradient/wgsl-fours'];
    return agree(
      [{}, { inPlace: 1 }, { inPlace: 0 }, { gate: true }, { gate: true, inPlace: 1 }, { gate: true, inPlace: 0 }].map(fused => ({
        primitive,
        variant,
        attributes: { eps: 1e-5, ...fused },
        inputs: 'gate' in fused ? [...inputs, [20]] : inputs,
        output: x,
      })),
    );
  });

  it('should rectify and add, in place or not', () =>
    agree(
      [[4], [5000, 8]].flatMap(x => [
        { primitive: 'relu', variant: 'relu/wgsl-fours', inputs: [x], output: x },
        { primitive: 'relu', variant: 'relu/wgsl-fours', attributes: { inPlace: 0 }, inputs: [x], output: x },
        { primitive: 'relu.inputGradient', variant: 'relu.inputGradient/wgsl-fours', inputs: [x, x], output: x },
        {
          primitive: 'relu.inputGradient',
          variant: 'relu.inputGradient/wgsl-fours',
          attributes: { inPlace: 1 },
          inputs: [x, x],
          output: x,
        },
        { primitive: 'add', variant: 'add/wgsl-fours', inputs: [x, x], output: x },
        { primitive: 'add', variant: 'add/wgsl-fours', attributes: { inPlace: 1 }, inputs: [x, x], output: x },
      ]),
    ));

  it('should let NaN through a rectifier', () =>
    agree([
      { primitive: 'relu', variant: 'relu/wgsl-fours', inputs: [{ shape: [8], values: i => (i === 3 ? Number.NaN : i - 4) }], output: [8] },
    ]));

  it('should add up channels, alone and while a rectifier masks them', () =>
    agree(
      shapes.map((x, i) => {
        const primitive = `${x.length === 2 ? 'linear' : 'conv2d'}.biasGradient`;
        const mask = i % 2 === 0;
        const inputs = mask ? [x, x] : [x];
        return { primitive, variant: `${primitive}/wgsl-columns`, attributes: { mask }, inputs, output: [x.at(-1)!] };
      }),
    ));

  it('should take the steps of the optimizers', () => {
    const w = [5, 64];
    const positiveState = positive(w);
    const hyper = (step: number) => ({ shape: [8], values: (i: number) => [0.1, step, 0, 0.25, 0, 4, 0.12, 1.5][i]! });
    const momentum = { momentum: 0.9, dampening: 0.1, weightDecay: 0.01, nesterov: false };
    const adam = { beta1: 0.9, beta2: 0.999, eps: 1e-8, gradientDecay: 0.01, parameterDecay: 0 };
    return agree(
      [
        { primitive: 'sgd', attributes: { weightDecay: 0.01, inPlace: 0 }, inputs: [w, w, hyper(0)] },
        ...[0, 3].map(step => ({ primitive: 'sgd.momentum', attributes: { ...momentum, inPlace: 0 }, inputs: [w, w, w, hyper(step)] })),
        { primitive: 'sgd.momentum', attributes: { ...momentum, dampening: 0, nesterov: true, inPlace: 0 }, inputs: [w, w, w, hyper(3)] },
        { primitive: 'adam', attributes: { ...adam, inPlace: 0 }, inputs: [w, w, positiveState, w, hyper(3)] },
        {
          primitive: 'adam',
          attributes: { ...adam, gradientDecay: 0, parameterDecay: 0.02, inPlace: 0 },
          inputs: [w, w, positiveState, w, hyper(0)],
        },
      ].map(each => ({ ...each, variant: `${each.primitive}/wgsl-fours`, output: w })),
    );
  });

  it('should count what is not finite', () =>
    agree(
      [1, 700, 300_001].map(length => ({
        primitive: 'notFinite',
        variant: 'notFinite/wgsl-bits',
        inputs: [{ shape: [length], values: (i: number) => [i % 5, i % 7 === 3 ? [Number.NaN, Infinity, -Infinity][i % 3]! : -i][i % 2]! }],
        // the parts differ in who counts what: compared in sum
        output: [512],
        summed: true,
      })),
    ));

  it('should compute the parts of a cross entropy', () =>
    agree(
      [
        [5, 1000],
        [17, 33],
      ].flatMap(([N, C]) => {
        const logits = { shape: [N!, C!], values: (i: number) => ((i * 7919) % 1009) / 101 - 4 };
        const row = (values: (i: number) => number) => ({ shape: [N!], values });
        const [largest, sum] = [row(() => 6), row(i => 20 + i)];
        // padding, the first class, the last, and one that there is not
        const targets = row(i => [-1, 0, C! - 1, 5, C!][i % 5]!);
        return [
          { primitive: 'crossEntropy.largest', variant: 'crossEntropy.largest/wgsl-rows', inputs: [logits], output: [N!] },
          { primitive: 'crossEntropy.sum', variant: 'crossEntropy.sum/wgsl-rows', inputs: [logits, largest], output: [N!] },
          ...[0, 0.1].map(labelSmoothing => ({
            primitive: 'crossEntropy.samples',
            variant: 'crossEntropy.samples/wgsl-rows',
            attributes: { labelSmoothing },
            inputs: [logits, targets, largest, sum],
            output: [4, N!],
          })),
        ];
      }),
    ));

  it('should compute softmax and its gradient, a workgroup a row', () =>
    agree(
      [
        [5, 1000],
        [17, 33],
        [3, 129],
      ].flatMap(([N, C]) => {
        const [x, y] = [(i: number) => ((i * 7919) % 1009) / 101 - 4, (i: number) => ((i * 31) % 17) / 170];
        const output = [N!, C!];
        return [
          { primitive: 'softmax', variant: 'softmax/wgsl-rows', inputs: [{ shape: output, values: x }], output },
          {
            primitive: 'softmax.inputGradient',
            variant: 'softmax.inputGradient/wgsl-rows',
            inputs: [
              { shape: output, values: y },
              { shape: output, values: x },
            ],
            output,
          },
        ];
      }),
    ));
});
