/**
 * The products of a linear layer in WebAssembly: `core/assembly/linear.ts` and `linearGradients.ts` say how. The operand that the
 * blocks read along their columns is packed into panels of eight by a launch of its own; strips of the other one times groups of
 * panels are the units.
 *
 * Measured with two threads and relaxed SIMD on two cores of an AMD EPYC: `bench gemm` at 1024³ 100 GFLOP/s, 512³ 102, 2048³ 101,
 * 1000 × 999 × 1001 107, 16384 × 32 × 256 74; batch 16, best of 30, packing included, 9216 → 4096: forward 17.9 ms, input
 * gradient 13.9, filter gradient 10.4; 4096 → 4096: 8.1, 6.2, 4.7; 4096 → 1000: 1.7, 1.5, 1.2.
 */
import type { Variant, VariantLaunch } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import type { Fused } from '../fusion.ts';
import type { Tensor } from '../op.ts';

/** As in `core/assembly`. */
const DEPTH = 256;
const STRIP = 48;
/** Panels of a unit, at most: 256 KiB of them are packed 256 deep, a quarter of the second cache. */
const WIDTH = 32;
const WIDTH_BYTES = WIDTH * DEPTH * 32;
/** Enough to keep 16 threads busy to the end. */
const UNITS = 48;
/** Below as many multiplications a launch costs more than the product. */
const LEAST_PRODUCTS = 1024;
/** A larger weight has pages that the processor forgets between two visits. */
const LARGE_WEIGHT = 2 ** 21;

const worthwhile = (sizes: readonly number[]): boolean => sizes.reduce((product, size) => product * size, 1) >= LEAST_PRODUCTS;
const matrix = ({ shape }: Tensor): [number, number] => shape as readonly number[] as [number, number];

type Packed = { panels: Tensor; launch: VariantLaunch };
type Scratch = (shape: Shape) => Tensor;

/** The rows of a batch as columns of panels: [columns, depth] → [ceil(columns / 8), depth, 8]. */
function panelsOfRows(source: Tensor, scratch: Scratch): Packed {
  const [columns, depth] = matrix(source);
  const panels = scratch([Math.ceil(columns / 8), depth, 8]);
  return { panels, launch: pack('panelsOfRows', source, panels, Math.ceil(columns / 8) * Math.ceil(depth / DEPTH), [columns, depth]) };
}

/** The columns of a batch as columns of panels: [depth, columns] → [ceil(columns / 8), depth, 8]. */
function panelsOfColumns(source: Tensor, scratch: Scratch): Packed {
  const [depth, columns] = matrix(source);
  const panels = scratch([Math.ceil(columns / 8), depth, 8]);
  return { panels, launch: pack('panelsOfColumns', source, panels, Math.ceil(columns / 8), [columns, depth]) };
}

function pack(routine: string, source: Tensor, panels: Tensor, units: number, sizes: readonly number[]): VariantLaunch {
  return {
    kernel: { name: 'linear.panels' },
    inputs: [source.name],
    output: panels.name,
    body: { language: 'wasm', routine, units, arguments: ({ inputs: [from], output }) => [from!, output, ...sizes] },
  };
}

/** How the forward product is cut: strips as wide as the tile fits the cache, then more units by splitting sums or narrower strips. */
export function cut(N: number, I: number, O: number) {
  const panels = Math.ceil(N / 8);
  const width = Math.min(WIDTH, panels);
  const twelves = (size: number) => Math.min(Math.max(STRIP, Math.floor(size / 12) * 12), Math.ceil(O / 12) * 12);
  let strip = twelves(Math.min(1008, WIDTH_BYTES / 32 / width));
  let range = I;
  const units = () => Math.ceil(O / strip) * Math.ceil(panels / width) * Math.ceil(I / range);
  // a partial sum is written and read again: at most a tenth of the weight's own traffic
  const shortest = Math.max(DEPTH, 20 * N);
  while (units() < UNITS) {
    if (I * O >= LARGE_WEIGHT && width === panels && range >= 2 * shortest) range = Math.ceil(range / 2 / 64) * 64;
    else if (strip > STRIP) strip = twelves(strip / 2);
    else break;
  }
  const piece = Math.min(DEPTH, Math.max(64, Math.floor(WIDTH_BYTES / 4 / strip / 64) * 64));
  return { strip, width, piece, range, splits: Math.ceil(I / range), units: units() };
}

export const linearWasm: Variant<Fused> = {
  name: 'linear/wasm-gemm',
  device: 'wasm',
  fuses: ['relu'],
  applies: (_, [x], y) => worthwhile([...x!, y[1]!]),
  lower({ attributes, inputs: [x, weight, bias], output, scratch }) {
    const [N, I] = matrix(x!);
    const [, O] = matrix(weight!);
    const { panels, launch } = panelsOfRows(x!, scratch);
    const { strip, width, piece, range, splits, units } = cut(N, I, O);
    const packedBytes = 64 + (strip / 6) * (piece * 24 + 64);
    const relu = attributes.relu ? 1 : 0;
    const sizes = [N, I, O, strip, width, piece, range, relu];
    const biases = bias ? [bias.name] : [];
    if (splits === 1) {
      const product: VariantLaunch = {
        kernel: { name: 'linear' },
        inputs: [panels.name, weight!.name, ...biases],
        output: output.name,
        body: {
          language: 'wasm',
          routine: 'linear',
          units,
          scratch: packedBytes + strip * width * 32,
          arguments: ({ inputs: [packed, w, b = 0], output: y }) => [packed!, w!, b, y, 0, ...sizes],
        },
      };
      return [launch, product];
    }
    const rows = Math.ceil(O / strip) * strip;
    const partial = scratch([splits, rows, width * 8]);
    const product: VariantLaunch = {
      kernel: { name: 'linear' },
      inputs: [panels.name, weight!.name],
      output: partial.name,
      body: {
        language: 'wasm',
        routine: 'linear',
        units,
        scratch: packedBytes,
        arguments: ({ inputs: [packed, w], output: tiles }) => [packed!, w!, 0, 0, tiles, ...sizes],
      },
    };
    const sum: VariantLaunch = {
      kernel: { name: 'linear.sum' },
      inputs: [partial.name, ...biases],
      output: output.name,
      body: {
        language: 'wasm',
        routine: 'linearSum',
        units: Math.ceil(O / STRIP),
        scratch: STRIP * width * 32,
        arguments: ({ inputs: [tiles, b = 0], output: y }) => [tiles!, b, y, N, O, rows, splits, relu],
      },
    };
    return [launch, product, sum];
  },
};

export const linearInputGradientWasm: Variant<unknown> = {
  name: 'linear.inputGradient/wasm-gemm',
  device: 'wasm',
  applies: (_, [dy], dx) => worthwhile([...dy!, dx[1]!]),
  lower({ inputs: [dy, weight], output, scratch }) {
    const [N, O] = matrix(dy!);
    const [I] = matrix(weight!);
    const { panels, launch } = panelsOfRows(dy!, scratch);
    const width = Math.min(WIDTH, Math.ceil(N / 8));
    const product: VariantLaunch = {
      kernel: { name: 'linear.inputGradient' },
      inputs: [panels.name, weight!.name],
      output: output.name,
      body: {
        language: 'wasm',
        routine: 'linearInputGradient',
        units: Math.ceil(I / STRIP) * Math.ceil(N / 8 / width),
        scratch: 64 + 24 * (DEPTH + 4) + STRIP * width * 32,
        arguments: ({ inputs: [packed, w], output: dx }) => [packed!, w!, dx, N, I, O, width],
      },
    };
    return [launch, product];
  },
};

export const linearFilterGradientWasm: Variant<unknown> = {
  name: 'linear.filterGradient/wasm-gemm',
  device: 'wasm',
  applies: (_, [x], dweight) => worthwhile([...x!, dweight[1]!]),
  lower({ inputs: [x, dy], output, scratch }) {
    const [N, I] = matrix(x!);
    const [, O] = matrix(dy!);
    const { panels, launch } = panelsOfColumns(dy!, scratch);
    // few rows make short sums: then more columns fit, and each row of the result is written in a longer run
    const width = Math.min(Math.ceil(O / 8), Math.floor(WIDTH_BYTES / 32 / Math.min(DEPTH, N)));
    const product: VariantLaunch = {
      kernel: { name: 'linear.filterGradient' },
      inputs: [x!.name, panels.name],
      output: output.name,
      body: {
        language: 'wasm',
        routine: 'linearFilterGradient',
        units: Math.ceil(I / STRIP) * Math.ceil(O / 8 / width),
        scratch: 256 + (STRIP / 6) * (DEPTH * 24 + 64) + width * 32,
        arguments: ({ inputs: [values, packed], output: dweight }) => [values!, packed!, dweight, N, I, O, width],
      },
    };
    return [launch, product];
  },
};
