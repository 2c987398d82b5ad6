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
  readonly work: VectorWork;
}
/**
 * Instructions on vectors that the formula needs, for four elements of the output: loads, stores, arithmetic and shuffles, a
 * multiply-add as one, constants and sums in registers. Counted from the formula, not from what a routine happens to do.
 */
export interface VectorWork {
  readonly instructions: number;
  /** They are for four elements of the first input. */
  readonly ofInput?: true;
  /** Which instructions they are. */
  readonly are: string;
}
const work = (instructions: number, are: string): VectorWork => ({ instructions, are });
const inputWork = (instructions: number, are: string): VectorWork => ({ instructions, are, ofInput: true });
const moved = work(2, 'load, store');

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

const same = (primitive: string, operands: number, work: VectorWork): MemoryCase[] =>
  [stem, small].map(shape => ({ primitive, inputs: Array.from({ length: operands }, () => ({ shape })), output: shape, work }));

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
    { primitive: 'batchNorm2d.statistics', inputs: [x], output: [3, shape[3]], work: inputWork(4, 'load, shift, sum, square') },
    { ...forward, attributes: { eps }, inputs: [x, statistics, weight, weight], work: work(3, 'load, multiply-add, store') },
    {
      ...forward,
      attributes: { eps, relu: true, residual: true },
      inputs: [x, statistics, weight, weight, x],
      work: work(6, '2 loads, multiply-add, sum, maximum, store'),
    },
    { ...sums, attributes: { eps }, inputs: [x, x, statistics], work: inputWork(5, '2 loads, shift, sum, multiply-add') },
    {
      ...sums,
      attributes: { eps, gate: true },
      inputs: [x, x, statistics, weight, weight],
      work: inputWork(8, '2 loads, shift, sum, multiply-add; multiply-add, comparison, mask'),
    },
    {
      ...sums,
      attributes: { eps, mask: true },
      inputs: [x, x, statistics, x],
      work: inputWork(9, '3 loads, shift, sum, multiply-add; comparison, mask, store'),
    },
    {
      ...sums,
      attributes: { eps, mask: true, sum: true },
      inputs: [x, x, statistics, x, x],
      work: inputWork(11, '4 loads, shift, sum, multiply-add; sum of both, comparison, mask, store'),
    },
    { ...gradient, attributes: { eps }, inputs: back, work: work(5, '2 loads, 2 multiply-adds, store') },
    {
      ...gradient,
      attributes: { eps, gate: true },
      inputs: [...back, weight],
      work: work(8, '2 loads, 2 multiply-adds, store; multiply-add, comparison, mask'),
    },
  ];
};

/** ResNet-18's parameters in one range, and one of its smaller ones. */
const weights: readonly Shape[] = [[11_700_000], [147_456]];
/** Edits that blend each of N images with the one before it, a number a call. */
function mixedUp(N: number): () => number {
  const row = (n: number) => [0.3, 0.7, (n + N - 1) % N, ...new Array<number>(editsLength(3) - 3).fill(0)];
  let next = 0;
  return () => row(Math.floor(next / editsLength(3)) % N)[next++ % editsLength(3)]!;
}
const hyper = { shape: [hyperLength], value: () => 0.5 };
const update = (primitive: string, states: number, attributes: Readonly<Record<string, unknown>>, work: VectorWork): MemoryCase[] =>
  weights.map(shape => ({
    primitive,
    attributes,
    inputs: [...Array.from({ length: 2 + states }, () => ({ shape, value: () => 0.25 })), hyper],
    output: shape,
    work,
  }));

const exp = 'exp (14: load, shift, bound, 8 multiply-adds, difference, shift of bits, sum)';
/** Softmax and cross entropy of [samples, classes], forward and backward. */
const losses = (shape: Shape): MemoryCase[] => {
  const [N, C] = shape;
  const logits = { shape };
  const targets = { shape: [N], value: () => Math.floor(C * Math.random()) };
  const positive = { shape: [N], value: () => 1 + Math.random() };
  const attributes = { labelSmoothing: 0.1 };
  return [
    { primitive: 'softmax', inputs: [logits], output: shape, work: work(21, 'load, maximum; exp, sum, store; load, product, store') },
    {
      primitive: 'softmax.inputGradient',
      inputs: [logits, logits],
      output: shape,
      work: work(8, '2 loads, multiply-add; 2 loads, difference, product, store'),
    },
    { primitive: 'crossEntropy.largest', inputs: [logits], output: [N], work: inputWork(2, 'load, maximum') },
    { primitive: 'crossEntropy.sum', inputs: [logits, positive], output: [N], work: inputWork(15, `${exp}, sum`) },
    {
      primitive: 'crossEntropy.samples',
      attributes,
      inputs: [logits, targets, positive, positive],
      output: [4, N],
      work: inputWork(5, 'load, difference, sum, comparison, count'),
    },
    { primitive: 'crossEntropy', inputs: [{ shape: [4, N] }], output: [4], work: inputWork(2, 'load, sum') },
    {
      primitive: 'crossEntropy.gradient',
      attributes,
      inputs: [logits, targets, positive, positive, { shape: [4], value: () => N }, hyper],
      output: shape,
      work: work(16, `${exp}, multiply-add, store`),
    },
  ];
};

const maxima = work(18, '9 loads, 8 maxima, store');
/** 16 elements: 4 loads, 8 shuffles, 4 stores. */
const turned = work(4, 'load, 2 shuffles, store');

export const memoryCases: readonly MemoryCase[] = [
  ...same('add', 2, work(4, '2 loads, sum, store')),
  ...same('relu', 1, work(3, 'load, maximum, store')),
  ...same('relu.inputGradient', 2, work(5, '2 loads, comparison, mask, store')),
  { primitive: 'conv2d.biasGradient', inputs: [{ shape: stem }], output: [64], work: inputWork(2, 'load, sum') },
  { primitive: 'conv2d.biasGradient', inputs: [{ shape: alexPooled }], output: [64], work: inputWork(2, 'load, sum') },
  ...batchNorm(stem),
  ...batchNorm([128, 7, 7, 2048]),
  ...batchNorm([8, 56, 56, 256]),
  ...batchNorm([8, 28, 28, 512]),
  ...batchNorm([8, 14, 14, 1024]),
  ...batchNorm([8, 14, 14, 256]),
  { primitive: 'maxPool2d', attributes: window, inputs: [{ shape: stem }], output: pooled, work: maxima },
  { primitive: 'maxPool2d', attributes: bare, inputs: [{ shape: alex }], output: alexPooled, work: maxima },
  {
    primitive: 'maxPool2d.indices',
    attributes: window,
    inputs: [{ shape: stem }],
    output: pooled,
    work: work(36, '9 loads, 9 comparisons, 9 selections, 8 maxima, store'),
  },
  {
    primitive: 'maxPool2d.inputGradient',
    attributes: window,
    inputs: [{ shape: pooled }, { shape: pooled, value: () => Math.floor(9 * Math.random()) }],
    output: stem,
    work: work(35 / 4, 'of 4 pixels: 8 loads, 9 comparisons, 9 masks, 5 sums, 4 stores'),
  },
  { primitive: 'avgPool2d', attributes: mean, inputs: [{ shape: stem }], output: pooled, work: work(9, '4 loads, 3 sums, product, store') },
  {
    primitive: 'avgPool2d.inputGradient',
    attributes: mean,
    inputs: [{ shape: pooled }],
    output: stem,
    work: work(1.5, 'a quarter of load, product; store'),
  },
  { primitive: 'adaptiveAvgPool2d', inputs: [{ shape: [8, 7, 7, 512] }], output: [8, 1, 1, 512], work: inputWork(2, 'load, sum') },
  { primitive: 'adaptiveAvgPool2d', inputs: [{ shape: [128, 7, 7, 2048] }], output: [128, 1, 1, 2048], work: inputWork(2, 'load, sum') },
  { primitive: 'adaptiveAvgPool2d', inputs: [{ shape: [32, 7, 7, 8] }], output: [32, 1, 1, 8], work: inputWork(2, 'load, sum') },
  {
    primitive: 'adaptiveAvgPool2d.inputGradient',
    inputs: [{ shape: [128, 1, 1, 2048] }],
    output: [128, 7, 7, 2048],
    work: work(1, 'store'),
  },
  {
    primitive: 'toFloat',
    inputs: [{ shape: [64, 224, 224, 3], dtype: 'u8' }, { shape: [2, 3] }],
    output: [64, 224, 224, 3],
    work: work(4.75, 'a quarter of a load, 1½ extensions, conversion, multiply-add, store'),
  },
  {
    primitive: 'toFloat.edited',
    inputs: [{ shape: [64, 224, 224, 3], dtype: 'u8' }, { shape: [2, 3] }, { shape: [64, editsLength(3)], value: mixedUp(64) }],
    output: [64, 224, 224, 3],
    work: work(9.5, 'of both images a quarter of a load, 1½ extensions, conversion; product, 2 multiply-adds, store'),
  },
  { primitive: 'flatten', inputs: [{ shape: [256, 6, 6, 256] }], output: [256, 9216], work: turned },
  { primitive: 'flatten.inputGradient', inputs: [{ shape: [256, 9216] }], output: [256, 6, 6, 256], work: turned },
  {
    primitive: 'dropout',
    attributes: { probability: 0.5, key: 0xabcdef },
    inputs: [{ shape: [256, 9216] }, { shape: [8] }],
    output: [256, 9216],
    work: work(31 / 2, 'of 8 elements: 4 products, 11 sums, 3 swaps, 2 for the comparison, 3 for masks; 2 of load, product, mask, store'),
  },
  { primitive: 'concat', inputs: [{ shape: stem }, { shape: stem }], output: [16, 112, 112, 128], work: moved },
  { primitive: 'concat.slice', attributes: { from: 64 }, inputs: [{ shape: [16, 112, 112, 128] }], output: stem, work: moved },
  {
    primitive: 'padChannels',
    attributes: { stride: 2 },
    inputs: [{ shape: stem }],
    output: [16, 56, 56, 128],
    work: work(1.5, 'half a load, store'),
  },
  {
    primitive: 'padChannels.inputGradient',
    attributes: { stride: 2 },
    inputs: [{ shape: [16, 56, 56, 128] }],
    output: stem,
    work: work(1.25, 'a quarter of a load, store'),
  },
  {
    primitive: 'localResponseNorm.scale',
    attributes: { size: 5, alpha: 5e-4, k: 2 },
    inputs: [{ shape: responses }],
    output: responses,
    work: work(12, 'load, square, 4 shuffles, 4 sums, multiply-add, store'),
  },
  {
    primitive: 'localResponseNorm',
    attributes: { beta: 0.75 },
    inputs: [{ shape: responses }, positive],
    output: responses,
    work: work(20, '2 loads, 2 for the range, 8 for the root, 7 for its improvement and the power, store'),
  },
  {
    primitive: 'localResponseNorm.inputGradient',
    attributes: { size: 5, alpha: 5e-4, beta: 0.75 },
    inputs: [{ shape: responses }, { shape: responses }, positive, { shape: responses }],
    output: responses,
    work: work(35, '4 loads, 2 for the range, 8 for the root, 10 for its improvement and two powers, 8 for the window, 2, store'),
  },
  ...losses([256, 1000]),
  ...losses([32, 10]),
  ...update('sgd', 0, { weightDecay: 1e-4 }, work(6, '2 loads, product, 2 multiply-adds, store')),
  ...update(
    'sgd.momentum',
    1,
    { momentum: 0.9, dampening: 0, weightDecay: 1e-4, nesterov: false },
    work(10, '3 loads, 2 products, 3 multiply-adds, 2 stores'),
  ),
  ...update(
    'adam',
    2,
    { beta1: 0.9, beta2: 0.999, eps: 1e-8, gradientDecay: 0, parameterDecay: 1e-2 },
    work(20, '4 loads, 5 products, 5 multiply-adds, root, quotient, difference, 3 stores'),
  ),
];
