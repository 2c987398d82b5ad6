/**
 * Programs of random shapes, odd ones above all: forward and backward of every op, the loss, and every optimizer's update. A
 * case is a function of its op, seed and number, so that one which fails can be run alone.
 */
import { crossEntropy } from '../../../core/losses/index.ts';
import type { Tensor } from '../../../core/ops/op.ts';
import { adam, adamw, sgd } from '../../../core/optimizers/index.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { fillHyper, hyperLength, hyperName, hyperTensor } from '../../../core/program/hyper.ts';
import type { Program } from '../../../core/program/program.ts';
import { uniforms } from '../../../core/random.ts';
import { elements, type Shape } from '../../../core/shape.ts';
import { noise } from './finiteDifferences.ts';
import { opProgram } from './opProgram.ts';
import type { Values } from './run.ts';

export interface RaggedCase {
  /** Attributes and shapes, for the message. */
  readonly label: string;
  readonly program: Program;
  readonly values: Values;
  /** Tensors to compare: outputs and gradients. */
  readonly compared: readonly string[];
}

/** Draws for one case. */
class Draw {
  readonly #next: () => number;
  constructor(seed: number) {
    this.#next = uniforms(seed);
  }
  /** Whole numbers, each as likely. */
  from(least: number, most: number): number {
    return least + Math.floor(this.#next() * (most - least + 1));
  }
  /** Whole numbers, small ones more likely: as many below the geometric mean as above. */
  size(least: number, most: number): number {
    return Math.min(most, Math.floor(least * (1 + most / least) ** this.#next()));
  }
  one<T>(...values: readonly T[]): T {
    return values[this.from(0, values.length - 1)]!;
  }
}

/** The gpu.js kernels do about a GFLOP/s, and both sides take all passes. */
const mostMultiplications = 1e8;
const mostElements = 3e5;

const image = (draw: Draw, largest = 40, channels = 80): Shape => {
  const shape = [draw.size(1, 5), draw.size(1, largest), draw.size(1, largest), draw.size(1, channels)];
  while (elements(shape) > mostElements) {
    const axis = shape.indexOf(Math.max(...shape));
    shape[axis] = Math.ceil(shape[axis] / 2);
  }
  return shape;
};

type Drawn = readonly [attributes: Record<string, unknown>, shapes: readonly Shape[]];
const window = (draw: Draw) => {
  const kernel = draw.from(1, 5);
  return { kernel, stride: draw.from(1, 4), padding: draw.from(0, Math.floor(kernel / 2)), ceilMode: draw.one(true, false) };
};

/** What Strassen's method takes: 1×1 filters, channels by sixteens; or Winograd's at stride 2. Ragged is only the image. */
function bySixteens(draw: Draw): Drawn {
  const [kernel, stride] = draw.one([1, 1], [1, 2], [3, 2]);
  const [least, most] = kernel === 1 ? [8, 20] : [1, 8];
  const [channels, filters] = [16 * draw.from(least, most), 16 * draw.from(least, most)];
  const side = () => (kernel === 1 ? draw.from(7, 15) : draw.from(12, 30));
  const x = [draw.from(1, kernel === 1 ? 3 : 2), stride * side(), stride * side(), channels];
  return [{ filters, kernel, stride, padding: (kernel - 1) / 2, bias: draw.one(true, false) }, [x]];
}

/** What Winograd's method takes: stride 1 and square filters, on images of any size and numbers of channels. */
function byTiles(draw: Draw): Drawn {
  const kernel = draw.one(3, 3, 4, 5);
  const [channels, filters] = [draw.size(3, 90), draw.size(1, 90)];
  const side = () => draw.from(4, 30);
  const [H, W] = [side(), side()];
  const N = Math.max(1, Math.min(draw.size(1, 8), Math.floor(mostMultiplications / (H * W * kernel ** 2 * channels * filters))));
  const padding = draw.one(0, (kernel - 1) >> 1, (kernel - 1) >> 1, draw.from(0, kernel));
  return [{ filters, kernel, stride: 1, padding, bias: draw.one(true, false) }, [[N, Math.max(H, kernel), Math.max(W, kernel), channels]]];
}

function convolution(draw: Draw): Drawn {
  const special = draw.from(0, 5);
  if (special <= 1) return special === 0 ? bySixteens(draw) : byTiles(draw);
  // 3×3 to 7×7 of common kinds, 1×1, anything
  const kind = draw.from(0, 2);
  const groups = draw.one(1, 1, 1, 2, 3, 8);
  const x = image(draw, kind === 1 ? 20 : 32, kind === 1 ? 300 : 120);
  const depthwise = draw.from(0, 7) === 0;
  const channels = depthwise ? x[3] : groups * Math.ceil(x[3] / groups);
  const side = draw.one(3, 3, 5, 7);
  const [r, s] = kind === 0 ? [side, side] : kind === 1 ? [1, 1] : [draw.from(1, 6), draw.from(1, 6)];
  const filters = depthwise ? channels * draw.from(1, 2) : groups * draw.size(1, Math.ceil(200 / groups));
  const attributes = {
    filters,
    kernel: [r, s],
    stride: draw.one(1, 1, 2, 2, 3, 4),
    padding: draw.one(0, (r - 1) >> 1, (r - 1) >> 1, draw.from(0, 4)),
    dilation: kind === 2 ? draw.from(1, 2) : 1,
    groups: depthwise ? channels : groups,
    bias: draw.one(true, false),
  };
  const perPixel = (r * s * channels * filters) / attributes.groups;
  const pixels = Math.max(1, Math.floor((mostMultiplications * attributes.stride ** 2) / perPixel));
  let [N, H, W] = x;
  while (N * H * W > pixels && N * H * W > 1) {
    if (N > 1) N--;
    else [H, W] = [Math.max(1, Math.floor(H * 0.8)), Math.max(1, Math.floor(W * 0.8))];
  }
  const reach = (size: number) => attributes.dilation * (size - 1) + 1 - 2 * attributes.padding;
  return [attributes, [[N, Math.max(H, reach(r)), Math.max(W, reach(s)), channels]]];
}

/** Attributes and input shapes of each op. */
const drawn: Readonly<Record<string, (draw: Draw) => Drawn>> = {
  conv2d: convolution,
  linear: draw => [{ features: draw.size(1, 300), bias: draw.one(true, false) }, [[draw.size(1, 64), draw.size(1, 1500)]]],
  batchNorm2d: draw => {
    const [N, ...rest] = image(draw, 40, 600);
    // one value a channel is refused
    return [{}, [[N + 1, ...rest]]];
  },
  relu: draw => [{}, [image(draw)]],
  add: draw => {
    const x = image(draw);
    return [{}, [x, x]];
  },
  maxPool2d: draw => {
    const attributes = window(draw);
    return [attributes, [atLeast(attributes, image(draw))]];
  },
  avgPool2d: draw => {
    const attributes = { ...window(draw), countIncludePad: draw.one(true, false) };
    return [attributes, [atLeast(attributes, image(draw))]];
  },
  adaptiveAvgPool2d: draw => [{ output: draw.one(1, 1, draw.from(1, 7)) }, [image(draw, 20, 600)]],
  padChannels: draw => {
    const x = image(draw);
    return [{ stride: draw.from(1, 3), channels: x[3] + draw.from(0, 40) }, [x]];
  },
  concat: draw => {
    const [N, H, W] = image(draw);
    return [{}, Array.from({ length: draw.from(2, 4) }, () => [N, H, W, draw.size(1, 70)])];
  },
  flatten: draw => [{}, [image(draw, 20, 300)]],
  dropout: draw => [{ probability: draw.one(0.5, 0.1, 0.9) }, [draw.one(image(draw), [draw.size(1, 60), draw.size(1, 3000)])]],
  localResponseNorm: draw => [{ size: draw.from(1, 9), alpha: 0.1, k: draw.one(1, 2) }, [image(draw, 30, 200)]],
  softmax: draw => [{}, [[draw.size(1, 100), draw.size(1, 1500)]]],
};

/** The smallest image that a window fits into, if `x` is smaller. */
function atLeast({ kernel, padding }: { kernel: number; padding: number }, [N, H, W, C]: Shape): Shape {
  const least = Math.max(1, kernel - 2 * padding);
  return [N, Math.max(H, least), Math.max(W, least), C];
}

const hyper = (seed: number): Float32Array => {
  const values = new Float32Array(hyperLength);
  fillHyper(values, { lr: 0.05, step: 3, seed, lossScale: 4, corrections: { first: 0.3, second: 0.02 } });
  return values;
};

function ofOp(op: string, draw: Draw, seed: number): RaggedCase {
  const [attributes, shapes] = drawn[op]!(draw);
  // the only op that has other kernels when it evaluates
  const mode = op === 'batchNorm2d' ? draw.one('train', 'train', 'evaluate') : 'train';
  const { program, output, inputGradients, parameterGradients } = opProgram(op, attributes, shapes, { mode });
  const values: Record<string, ArrayLike<number>> = {};
  Object.values(program.tensors).forEach(({ name, kind, shape }, i) => {
    if (name === hyperName) values[name] = hyper(seed);
    else if (name.endsWith('running_var')) values[name] = new Float32Array(elements(shape)).fill(1);
    else if (kind === 'input' || kind === 'parameter' || kind === 'state')
      values[name] = Float32Array.from(noise(elements(shape), seed + i));
  });
  const state = Object.values(program.tensors).flatMap(({ name, kind }) => (kind === 'state' ? [name] : []));
  const gradients = [...inputGradients, ...Object.values(parameterGradients)].flatMap(name => name ?? []);
  const label = `${op} ${JSON.stringify(attributes)}${mode === 'train' ? '' : ', evaluating,'} of ${shapes.map(shape => `[${shape}]`).join(' ')}`;
  return { label, program, values, compared: [output, ...gradients, ...state] };
}

function ofLoss(draw: Draw, seed: number): RaggedCase {
  const [N, classes] = [draw.size(1, 100), draw.size(2, 1500)];
  const labelSmoothing = draw.one(0, 0.1);
  const mixes = draw.one(true, false);
  const builder = new ProgramBuilder();
  const input = (name: string, ...shape: number[]) => builder.declare(name, 'input', shape);
  const [logits, targets] = [input('logits', N, classes), input('targets', N)];
  const mixed = mixes ? { targets: input('second targets', N), weights: input('weights', N) } : undefined;
  const { result, gradient } = crossEntropy({ labelSmoothing }).build(builder, {
    logits,
    targets,
    mixed,
    hyper: hyperTensor(builder),
    train: true,
  });
  // a negative target is a place that the batch leaves empty; one sample at least is there
  const some = () => Float32Array.from({ length: N }, (_, i) => draw.from(i === 0 ? 0 : -1, classes - 1));
  const first = some();
  const values = {
    logits: Float32Array.from(noise(N * classes, seed), value => 8 * value),
    targets: first,
    'second targets': some().map((value, i) => (first[i]! < 0 ? -1 : Math.max(0, value))),
    weights: Float32Array.from(noise(N, seed + 1), value => Math.abs(value)),
    [hyperName]: hyper(seed),
  };
  const label = `crossEntropy ${JSON.stringify({ labelSmoothing, mixes })} of [${N},${classes}]`;
  return { label, program: builder.build(), values, compared: [result.name, gradient!.name] };
}

function ofOptimizer(name: string, draw: Draw, seed: number): RaggedCase {
  const weightDecay = draw.one(0, 0.01);
  const options = { lr: 0.05, weightDecay };
  const optimizer = name === 'sgd' ? sgd({ ...options, momentum: draw.one(0, 0.9) }) : name === 'adam' ? adam(options) : adamw(options);
  const builder = new ProgramBuilder();
  const shape = draw.one<Shape>([draw.size(1, 40_000)], [draw.size(1, 300), draw.size(1, 300)]);
  builder.declare('p', 'parameter', shape, { layout: 'plain', init: { kind: 'constant', value: 0 } });
  const gradient = builder.declare('g', 'input', shape);
  optimizer.build(builder, { parameter: builder.get('p'), gradient, hyper: hyperTensor(builder), decays: draw.one(true, false) });
  const program = builder.build();
  const state = Object.values(program.tensors).flatMap(({ name: at, kind }) => (kind === 'optimizer' ? [at] : []));
  const values: Record<string, ArrayLike<number>> = { [hyperName]: hyper(seed) };
  for (const [i, at] of ['p', 'g', ...state].entries()) {
    // squares are positive
    const squares = at.endsWith('secondMoment');
    values[at] = Float32Array.from(noise(elements(shape), seed + i), value => (squares ? value * value : value));
  }
  return { label: `${name} ${JSON.stringify({ weightDecay })} of [${shape}]`, program, values, compared: ['p', ...state] };
}

/**
 * A batch norm with what the fusion pass makes of a residual block. Not with a gate: whether a value that rounds to 0 passes it is left to
 * the order of sums.
 */
function ofFusedNorm(draw: Draw, seed: number): RaggedCase {
  const [N, ...rest] = image(draw, 40, 600);
  const shape = [N + 1, ...rest];
  const C = shape.at(-1)!;
  const fused = draw.one({}, { mask: true }, { mask: true, sum: true });
  const forward = draw.one({ residual: true }, { residual: true, relu: true });
  const inPlace = draw.from(0, 2);
  const builder = new ProgramBuilder();
  const values: Record<string, ArrayLike<number>> = {};
  const input = (name: string, of: Shape) => {
    values[name] = Float32Array.from(noise(elements(of), seed + Object.keys(values).length));
    return builder.declare(name, 'input', of);
  };
  const [x, dy, y, other] = ['x', 'dy', 'y', 'other'].map(name => input(name, shape)) as [Tensor, Tensor, Tensor, Tensor];
  const statistics = input('statistics', [3, C]);
  values.statistics = Float32Array.from(values.statistics!, (value, i) => (i < 2 * C ? value : 0.3 + value ** 2));
  const [weight, bias] = [input('weight', [C]), input('bias', [C])];
  const eps = 1e-5;
  builder.emit('batchNorm2d', 'forward', shape, [x, statistics, weight, bias, other], { eps, ...forward });
  const more = [...('mask' in fused ? [y] : []), ...('sum' in fused ? [other] : [])];
  const sums = builder.emit('batchNorm2d.gradientSums', 'sums', [2, C], [x, dy, statistics, ...more], { eps, ...fused });
  const operands = [x, dy, statistics, weight, sums];
  const written = [x, dy][inPlace];
  if (written) builder.update('batchNorm2d.inputGradient', written, operands, { eps, inPlace });
  else builder.emit('batchNorm2d.inputGradient', 'dx', shape, operands, { eps });
  const label = `fused batch norm ${JSON.stringify({ ...forward, ...fused, inPlace })} of [${shape}]`;
  return { label, program: builder.build(), values, compared: ['forward', 'sums', 'dy', written ? written.name : 'dx'] };
}

const optimizers = ['sgd', 'adam', 'adamw'];
const fusedNorm = 'batchNorm2d, fused';
/** Everything that has kernels: the ops, the loss, the optimizers; and what fusion makes of some. */
export const raggedNames: readonly string[] = [...Object.keys(drawn), 'crossEntropy', ...optimizers, fusedNorm];

export function raggedCase(name: string, seed: number, number: number): RaggedCase {
  const own = (seed * 1_000_003 + number * 7_919 + raggedNames.indexOf(name) * 104_729) >>> 0;
  const draw = new Draw(own);
  if (name === 'crossEntropy') return ofLoss(draw, own);
  if (name === fusedNorm) return ofFusedNorm(draw, own);
  return optimizers.includes(name) ? ofOptimizer(name, draw, own) : ofOp(name, draw, own);
}
