/** Calls of memory-bound primitives that `memory.ts` times: those of nets, large ones first, and a small one of each kind. */
import { editsLength } from '../../core/program/edits.ts';
import { hyperLength } from '../../core/program/hyper.ts';
import type { Shape } from '../../core/shape.ts';

export interface MemoryCase {
  readonly primitive: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** `value` gives each element; noise in [-1, 1) without it. */
  readonly inputs: readonly { readonly shape: Shape; readonly dtype?: 'u8'; readonly value?: () => number }[];
  readonly output: Shape;
  /** What else than memory limits it. */
  readonly limit?: string;
}

/** The first activations of a ResNet at 224, batch 16: 51 MB. */
const stem: Shape = [16, 112, 112, 64];
const pooled: Shape = [16, 56, 56, 64];
/** The first activations of AlexNet at 224, batch 64. */
const alex: Shape = [64, 55, 55, 64];
const alexPooled: Shape = [64, 27, 27, 64];
/** The first responses of the AlexNet of 2012, batch 64. */
const responses: Shape = [64, 55, 55, 96];
const positive = { shape: responses, value: () => 0.5 + Math.random() };
const small: Shape = [8, 14, 14, 64];

const window = { kernel: 3, stride: 2, padding: 1 };
const bare = { kernel: 3, stride: 2, padding: 0 };
const mean = { kernel: 2, stride: 2, padding: 0, countIncludePad: true };

const same = (primitive: string, operands: number, shapes: readonly Shape[]): MemoryCase[] =>
  shapes.map(shape => ({ primitive, inputs: Array.from({ length: operands }, () => ({ shape })), output: shape }));

const rows = (count: number, [, , , C]: Shape): MemoryCase['inputs'][number] => ({ shape: [count, C], value: () => 0.5 + Math.random() });
const vector = ([, , , C]: Shape): MemoryCase['inputs'][number] => ({ shape: [C], value: () => 0.5 + Math.random() });
const eps = 1e-5;
/** Batch norm forward and backward on images of one shape, plain and as the fusion pass has it. */
const batchNorm = (shape: Shape): MemoryCase[] => {
  const [x, statistics, weight] = [{ shape }, rows(3, shape), vector(shape)];
  const forward = { primitive: 'batchNorm2d', output: shape };
  const sums = { primitive: 'batchNorm2d.gradientSums', output: [2, shape[3]] };
  const gradient = { primitive: 'batchNorm2d.inputGradient', output: shape };
  const back = [x, x, statistics, weight, rows(2, shape)];
  return [
    { primitive: 'batchNorm2d.statistics', inputs: [x], output: [3, shape[3]] },
    { ...forward, attributes: { eps }, inputs: [x, statistics, weight, weight] },
    { ...forward, attributes: { eps, relu: true, residual: true }, inputs: [x, statistics, weight, weight, x] },
    { ...sums, attributes: { eps }, inputs: [x, x, statistics] },
    { ...sums, attributes: { eps, gate: true }, inputs: [x, x, statistics, weight, weight] },
    { ...sums, attributes: { eps, mask: true }, inputs: [x, x, statistics, x] },
    { ...gradient, attributes: { eps }, inputs: back },
    { ...gradient, attributes: { eps, gate: true }, inputs: [...back, weight] },
  ];
};

/** ResNet-18's parameters in one range, and one of its smaller ones. */
const weights: readonly Shape[] = [[11_700_000], [147_456]];
/** Edits that blend each of N images with the one before it, a number a call. */
function mixedUp(N: number): () => number {
  const row = (n: number) => [0.3, 0.7, (n + N - 1) % N, ...new Array<number>(8).fill(0), 0.5, 0.5, 0.5, 0, 0, 0];
  let next = 0;
  return () => row(Math.floor(next / editsLength(3)) % N)[next++ % editsLength(3)]!;
}
const hyper = { shape: [hyperLength], value: () => 0.5 };
const update = (primitive: string, states: number, attributes: Readonly<Record<string, unknown>>): MemoryCase[] =>
  weights.map(shape => ({
    primitive,
    attributes,
    inputs: [...Array.from({ length: 2 + states }, () => ({ shape, value: () => 0.25 })), hyper],
    output: shape,
  }));

/** Softmax and cross entropy of [samples, classes], forward and backward. */
const losses = (shape: Shape): MemoryCase[] => {
  const [N, C] = shape;
  const logits = { shape };
  const targets = { shape: [N], value: () => Math.floor(C * Math.random()) };
  const positive = { shape: [N], value: () => 1 + Math.random() };
  const attributes = { labelSmoothing: 0.1 };
  const limit = 'exp: 76 instructions for 4 elements, 44 of them make constants';
  return [
    { primitive: 'softmax', inputs: [logits], output: shape, limit: `${limit}, twice` },
    { primitive: 'softmax.inputGradient', inputs: [logits, logits], output: shape },
    { primitive: 'crossEntropy.largest', inputs: [logits], output: [N] },
    { primitive: 'crossEntropy.sum', inputs: [logits, positive], output: [N], limit },
    { primitive: 'crossEntropy.samples', attributes, inputs: [logits, targets, positive, positive], output: [4, N] },
    { primitive: 'crossEntropy', inputs: [{ shape: [4, N] }], output: [4] },
    {
      primitive: 'crossEntropy.gradient',
      attributes,
      inputs: [logits, targets, positive, positive, { shape: [4], value: () => N }, hyper],
      output: shape,
      limit,
    },
  ];
};

export const memoryCases: readonly MemoryCase[] = [
  ...same('add', 2, [stem, small]),
  ...same('relu', 1, [stem, small]),
  ...same('relu.inputGradient', 2, [stem, small]),
  { primitive: 'conv2d.biasGradient', inputs: [{ shape: stem }], output: [64] },
  { primitive: 'conv2d.biasGradient', inputs: [{ shape: alexPooled }], output: [64] },
  ...batchNorm(stem),
  ...batchNorm([128, 7, 7, 2048]),
  ...batchNorm([8, 14, 14, 256]),
  { primitive: 'maxPool2d', attributes: window, inputs: [{ shape: stem }], output: pooled },
  { primitive: 'maxPool2d', attributes: bare, inputs: [{ shape: alex }], output: alexPooled },
  {
    primitive: 'maxPool2d.indices',
    attributes: window,
    inputs: [{ shape: stem }],
    output: pooled,
    limit: '90 instructions for 4 windows of 9',
  },
  {
    primitive: 'maxPool2d.inputGradient',
    attributes: window,
    inputs: [{ shape: pooled }, { shape: pooled, value: () => Math.floor(9 * Math.random()) }],
    output: stem,
  },
  { primitive: 'avgPool2d', attributes: mean, inputs: [{ shape: stem }], output: pooled },
  { primitive: 'avgPool2d.inputGradient', attributes: mean, inputs: [{ shape: pooled }], output: stem },
  { primitive: 'adaptiveAvgPool2d', inputs: [{ shape: [8, 7, 7, 512] }], output: [8, 1, 1, 512] },
  { primitive: 'adaptiveAvgPool2d', inputs: [{ shape: [128, 7, 7, 2048] }], output: [128, 1, 1, 2048] },
  { primitive: 'adaptiveAvgPool2d', inputs: [{ shape: [32, 7, 7, 8] }], output: [32, 1, 1, 8] },
  { primitive: 'adaptiveAvgPool2d.inputGradient', inputs: [{ shape: [128, 1, 1, 2048] }], output: [128, 7, 7, 2048] },
  { primitive: 'toFloat', inputs: [{ shape: [64, 224, 224, 3], dtype: 'u8' }, { shape: [2, 3] }], output: [64, 224, 224, 3] },
  {
    primitive: 'toFloat.edited',
    inputs: [{ shape: [64, 224, 224, 3], dtype: 'u8' }, { shape: [2, 3] }, { shape: [64, editsLength(3)], value: mixedUp(64) }],
    output: [64, 224, 224, 3],
    limit: 'another image is read beside each',
  },
  { primitive: 'flatten', inputs: [{ shape: [256, 6, 6, 256] }], output: [256, 9216] },
  { primitive: 'flatten.inputGradient', inputs: [{ shape: [256, 9216] }], output: [256, 6, 6, 256] },
  {
    primitive: 'dropout',
    attributes: { probability: 0.5, key: 0xabcdef },
    inputs: [{ shape: [256, 9216] }, { shape: [8] }],
    output: [256, 9216],
    limit: '40 instructions for 8 elements, 4 of them products',
  },
  { primitive: 'concat', inputs: [{ shape: stem }, { shape: stem }], output: [16, 112, 112, 128] },
  { primitive: 'concat.slice', attributes: { from: 64 }, inputs: [{ shape: [16, 112, 112, 128] }], output: stem },
  { primitive: 'padChannels', attributes: { stride: 2 }, inputs: [{ shape: stem }], output: [16, 56, 56, 128] },
  { primitive: 'padChannels.inputGradient', attributes: { stride: 2 }, inputs: [{ shape: [16, 56, 56, 128] }], output: stem },
  { primitive: 'localResponseNorm.scale', attributes: { size: 5, alpha: 5e-4, k: 2 }, inputs: [{ shape: responses }], output: responses },
  {
    primitive: 'localResponseNorm',
    attributes: { beta: 0.75 },
    inputs: [{ shape: responses }, positive],
    output: responses,
    limit: '30 instructions for 4 elements, 13 of them products',
  },
  {
    primitive: 'localResponseNorm.inputGradient',
    attributes: { size: 5, alpha: 5e-4, beta: 0.75 },
    inputs: [{ shape: responses }, { shape: responses }, positive, { shape: responses }],
    output: responses,
    limit: '66 instructions for 4 elements, 18 of them products',
  },
  ...losses([256, 1000]),
  ...losses([32, 10]),
  ...update('sgd', 0, { weightDecay: 1e-4 }),
  ...update('sgd.momentum', 1, { momentum: 0.9, dampening: 0, weightDecay: 1e-4, nesterov: false }),
  ...update('adam', 2, { beta1: 0.9, beta2: 0.999, eps: 1e-8, gradientDecay: 0, parameterDecay: 1e-2 }),
];
