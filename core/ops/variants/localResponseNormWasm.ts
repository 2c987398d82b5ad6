/**
 * Local response normalisation by the routines of `core/assembly/localResponseNorm.ts`, for any shape. Powers are products of square roots,
 * so beta is a multiple of a quarter (the paper's is 3/4); for others the definition runs.
 */
import type { Variant } from '../../kernels/variant.ts';
import { elements, type Shape } from '../../shape.ts';
import { channelsOf, pixelsOf } from '../channelSums.ts';
import { BLOCK } from './elementwiseWasm.ts';
import { wasmLaunch } from './wasmLaunch.ts';

/** Pixels that go through scratch together. As in the assembly. */
const GROUP = 8;
/** Bytes of scratch for constants. As in the assembly. */
const FACTORS = 96;

function pixelUnits(shape: Shape, size: number) {
  const [C, pixels] = [channelsOf(shape), pixelsOf(shape)];
  const some = GROUP * Math.max(1, Math.floor(BLOCK / (GROUP * C)));
  return { C, pixels, some, units: Math.ceil(pixels / some), scratch: GROUP * 4 * (C + 2 * size + 8) };
}

/** A larger window is no net's, and would be slow. */
const LARGEST_WINDOW = 64;
const quarters = (beta: number): boolean => Number.isInteger(4 * beta) && beta > 0 && beta <= 8;

type Scale = { size: number; alpha: number; k: number };
export const scaleWasm: Variant<Scale> = {
  name: 'localResponseNorm.scale/wasm',
  device: 'wasm',
  applies: ({ size }) => size <= LARGEST_WINDOW,
  lower({ attributes: { size, alpha, k }, inputs: [x], output }) {
    const { C, pixels, some, units, scratch } = pixelUnits(x.shape, size);
    const before = Math.floor(size / 2);
    return [
      wasmLaunch('localResponseNorm.scale', {
        routine: 'responseScale',
        units,
        scratch,
        inputs: [x],
        output,
        arguments: ([x], scale) => [x, scale, pixels, C, some, size, before, alpha / size, k],
      }),
    ];
  },
};

export const normWasm: Variant<{ beta: number }> = {
  name: 'localResponseNorm/wasm',
  device: 'wasm',
  applies: ({ beta }) => quarters(beta),
  lower({ attributes: { beta }, inputs, output }) {
    const length = elements(output.shape);
    return [
      wasmLaunch('localResponseNorm', {
        routine: 'responseNorm',
        units: Math.ceil(length / BLOCK),
        scratch: FACTORS,
        inputs,
        output,
        arguments: (inputs, y) => [...inputs, y, length, 4 * beta],
      }),
    ];
  },
};

type Gradient = { size: number; alpha: number; beta: number };
export const normGradientWasm: Variant<Gradient> = {
  name: 'localResponseNorm.inputGradient/wasm',
  device: 'wasm',
  applies: ({ size, beta }) => size <= LARGEST_WINDOW && quarters(beta),
  lower({ attributes: { size, alpha, beta }, inputs, output }) {
    const { C, pixels, some, units, scratch } = pixelUnits(output.shape, size);
    // the window mirrored
    const before = size - 1 - Math.floor(size / 2);
    return [
      wasmLaunch('localResponseNorm.inputGradient', {
        routine: 'responseNormGradient',
        units,
        scratch: FACTORS + scratch,
        inputs,
        output,
        arguments: (inputs, dx) => [...inputs, dx, pixels, C, some, size, before, 4 * beta, (2 * beta * alpha) / size],
      }),
    ];
  },
};
