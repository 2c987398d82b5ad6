/**
 * Batch norm by the routines of `core/assembly/batchNormSums.ts` (sums over pixels) and `batchNorm.ts` (every element), for any
 * shape. Memory is read once for the statistics, once for the gradients' sums, and once for each element-wise pass.
 */
import type { Variant, VariantLaunch } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import type { Fused } from '../fusion.ts';
import type { Tensor } from '../op.ts';
import { rowScratch, rowsOf } from './channelSumsWasm.ts';
import { wasmLaunch } from './wasmLaunch.ts';

/** Units of 16 channels that a thread takes at once: about a microsecond of work, where a claim costs a tenth of one. */
const FEW = 4;

type Scratch = (shape: Shape) => Tensor;
const always = () => true;

export const statisticsWasm: Variant<unknown> = {
  name: 'batchNorm2d.statistics/wasm',
  device: 'wasm',
  applies: always,
  lower({ inputs: [x], output, scratch }) {
    const { C, pixels, repeat, length, chunks, units } = rowsOf(x.shape);
    const partial = scratch([chunks, 2, C]);
    return [
      wasmLaunch('batchNorm2d.statistics.chunks', {
        routine: 'chunkStatistics',
        units,
        lastFirst: true,
        scratch: rowScratch(6),
        inputs: [x],
        output: partial,
        arguments: ([x], partial) => [x, partial, pixels, C, length, repeat],
      }),
      wasmLaunch('batchNorm2d.statistics', {
        routine: 'combineStatistics',
        units: Math.ceil(C / 16),
        grain: FEW,
        scratch: 192,
        inputs: [partial, x],
        output,
        arguments: (inputs, statistics) => [...inputs, statistics, chunks, C, pixels, length],
      }),
    ];
  },
};

/** A batch's statistics [shift, offset, variance], or the running mean and variance. */
type Statistics = readonly [statistics: Tensor] | readonly [mean: Tensor, variance: Tensor];

/** Tables of the coefficients of `width` channels, so many of each: see `batchNormFactors`. */
const tableOf = (width: number, each: number): Shape => [Math.ceil(width / 4), each, 4];

/** Shift, factor and base. */
function factorsOf(x: Shape, eps: number, statistics: Statistics, scratch: Scratch, weight?: Tensor, bias?: Tensor) {
  const { C, repeat, width } = rowsOf(x);
  const factors = scratch(tableOf(width, 3));
  const row = 4 * C;
  const own = statistics.length;
  const launch = wasmLaunch('batchNorm2d.factors', {
    routine: 'batchNormFactors',
    units: Math.ceil(C / 64),
    inputs: [...statistics, weight, bias].filter(tensor => tensor !== undefined),
    output: factors,
    arguments(inputs, factors) {
      const [first] = inputs;
      const [weight = 0, bias = 0] = inputs.slice(own);
      const [offset, variance] = own === 1 ? [first + row, first + 2 * row] : [0, inputs[1]];
      return [first, offset, variance, weight, bias, factors, C, repeat, eps];
    },
  });
  return { factors, launch };
}

function forward(name: string, own: 1 | 2): Variant<{ eps: number } & Fused> {
  return {
    name: `${name}/wasm`,
    device: 'wasm',
    fuses: ['relu', 'residual', 'inPlace'],
    applies: always,
    lower({ attributes: { eps, relu }, inputs: [x, ...rest], output, scratch }) {
      const statistics = rest.slice(0, own) as unknown as Statistics;
      const [weight, bias, residual] = rest.slice(own);
      const { C, pixels, repeat, some } = rowsOf(x.shape);
      const { factors, launch } = factorsOf(x.shape, eps, statistics, scratch, weight, bias);
      return [
        launch,
        wasmLaunch(name, {
          routine: 'batchNorm',
          units: Math.ceil(pixels / some),
          inputs: residual ? [x, factors, residual] : [x, factors],
          output,
          arguments: ([x, factors, residual = 0], y) => {
            const low = relu ? 0 : Number.NEGATIVE_INFINITY;
            return [x, residual, factors, y, pixels, C, repeat, some, low];
          },
        }),
      ];
    },
  };
}
export const batchNormWasm = forward('batchNorm2d', 1);
export const batchNormEvaluateWasm = forward('batchNorm2d.evaluate', 2);

function gradientSums(name: string, own: 1 | 2): Variant<{ eps: number } & Fused> {
  return {
    name: `${name}/wasm`,
    device: 'wasm',
    fuses: ['gate', 'mask', 'sum'],
    applies: always,
    lower({ attributes: { eps, gate, mask }, inputs: [x, dy, ...rest], output, scratch }): VariantLaunch[] {
      const statistics = rest.slice(0, own) as unknown as Statistics;
      const more = rest.slice(own);
      const { C, pixels, repeat, length, chunks, units } = rowsOf(x.shape);
      const partial = scratch([chunks, 2, C]);
      // with `mask` the rectifier's output, and with `sum` the other gradient
      const others = mask ? more : [];
      const { factors, launch } = gate ? factorsOf(x.shape, eps, statistics, scratch, ...more) : {};
      const inputs = factors ? [x, dy, statistics[0], factors] : [x, dy, statistics[0], ...others];
      return [
        ...(launch ? [launch] : []),
        wasmLaunch(`${name}.chunks`, {
          routine: 'chunkProducts',
          units,
          lastFirst: true,
          scratch: rowScratch(6),
          inputs,
          output: partial,
          ...(mask && { writes: [dy] }),
          arguments([x, dy, shift, ...more], partial) {
            const [y, other, factors] = gate ? [0, 0, more[0]] : [...more, 0, 0];
            return [x, dy, y, other, shift, own === 1 ? shift + 4 * C : 0, gate ? factors : 0, partial, pixels, C, length, repeat];
          },
        }),
        wasmLaunch(name, {
          routine: 'combineProducts',
          units: Math.ceil(C / 16),
          grain: FEW,
          scratch: 128,
          inputs: [partial, statistics[own - 1]!],
          output,
          arguments: ([partial, last], sums) => [partial, own === 1 ? last + 8 * C : last, sums, chunks, C, eps],
        }),
      ];
    },
  };
}
export const gradientSumsWasm = gradientSums('batchNorm2d.gradientSums', 1);
export const gradientSumsEvaluateWasm = gradientSums('batchNorm2d.evaluate.gradientSums', 2);

export const inputGradientWasm: Variant<{ eps: number } & Fused> = {
  name: 'batchNorm2d.inputGradient/wasm',
  device: 'wasm',
  fuses: ['gate', 'inPlace'],
  applies: always,
  lower({ attributes: { eps, gate }, inputs: [x, dy, statistics, weight, sums, bias], output, scratch }) {
    const name = 'batchNorm2d.inputGradient';
    const { C, pixels, repeat, width, some } = rowsOf(x.shape);
    const factors = scratch(tableOf(width, 5));
    return [
      wasmLaunch('batchNorm2d.gradientFactors', {
        routine: 'batchNormGradientFactors',
        units: Math.ceil(C / 64),
        inputs: gate ? [statistics, weight, sums, bias] : [statistics, weight, sums],
        output: factors,
        arguments: ([statistics, weight, sums, bias = 0], factors) => [statistics, weight, sums, bias, factors, C, repeat, eps, pixels],
      }),
      wasmLaunch(name, {
        routine: 'batchNormGradient',
        units: Math.ceil(pixels / some),
        inputs: [x, dy, factors],
        output,
        arguments: (inputs, dx) => [...inputs, dx, pixels, C, repeat, some, gate ? 1 : 0],
      }),
    ];
  },
};

/** dy, running variance, weight → dx. */
export const inputGradientEvaluateWasm: Variant<{ eps: number } & Fused> = {
  name: 'batchNorm2d.evaluate.inputGradient/wasm',
  device: 'wasm',
  fuses: ['inPlace'],
  applies: always,
  lower({ attributes: { eps }, inputs: [dy, variance, weight], output, scratch }) {
    const { C, pixels, repeat, some } = rowsOf(dy.shape);
    // the shift is not used: the variance stands in its place
    const { factors, launch } = factorsOf(dy.shape, eps, [variance, variance], scratch, weight);
    return [
      launch,
      wasmLaunch('batchNorm2d.evaluate.inputGradient', {
        routine: 'scaleChannels',
        units: Math.ceil(pixels / some),
        inputs: [dy, factors],
        output,
        arguments: (inputs, dx) => [...inputs, dx, pixels, C, repeat, some],
      }),
    ];
  },
};

/** One row of the sums [2,C]. */
export const parameterGradientWasm: Variant<{ row: 0 | 1 }> = {
  name: 'batchNorm2d.parameterGradient/wasm',
  device: 'wasm',
  applies: always,
  lower({ attributes: { row }, inputs: [sums], output }) {
    const [C] = output.shape;
    return [
      wasmLaunch('batchNorm2d.parameterGradient', {
        routine: 'copy',
        units: Math.ceil(C / 4096),
        inputs: [sums],
        output,
        arguments: ([sums], gradient) => [sums + 4 * row * C, gradient, C],
      }),
    ];
  },
};

type Moving = { momentum: number; pixels?: number };
/** running, statistics [shift, offset, variance]: `weight` of the batch's, in row 0 + row 1 or in row 2. */
function running(name: string, mean: boolean): Variant<Moving> {
  return {
    name: `${name}/wasm`,
    device: 'wasm',
    applies: always,
    lower({ attributes: { momentum, pixels = 0 }, inputs: [running, statistics], output }) {
      const [C] = output.shape;
      const weight = mean ? momentum : (momentum * pixels) / (pixels - 1);
      return [
        wasmLaunch(name, {
          routine: 'moveRunning',
          units: Math.ceil(C / 4096),
          inputs: [running, statistics],
          output,
          arguments([, statistics], running) {
            const [shift, offset] = mean ? [statistics, statistics + 4 * C] : [statistics + 8 * C, 0];
            return [running, shift, offset, C, 1 - momentum, weight];
          },
        }),
      ];
    },
  };
}
export const runningMeanWasm = running('batchNorm2d.runningMean', true);
export const runningVarianceWasm = running('batchNorm2d.runningVariance', false);
