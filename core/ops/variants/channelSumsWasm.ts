/** Sums per channel by the routines of `core/assembly/channelSums.ts`; how tensors are cut into rows for these and for batch norm. */
import type { Variant } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import { channelsOf, chunksOf, pixelsOf } from '../channelSums.ts';
import type { Fused } from '../fusion.ts';
import { wasmLaunch } from './wasmLaunch.ts';

/** Channels of a unit of a sum over pixels, at most. As in `core/assembly/rows.ts`. */
const BLOCK = 2048;
/** Floats that a row has at least. */
const SHORT = 64;
/** Floats of an element-wise unit, about. */
const PIECE = 4096;

/**
 * Pixels of a chunk, where a chunk's beginning and end, which cost as much as a dozen pixels, would weigh: so many that there are UNITS
 * chunks, but no more than LENGTH, since short sums lose less.
 */
const UNITS = 16;
const LENGTH = 128;

/** How a tensor [...,C] is cut: see `core/assembly/rows.ts` and `channelSums.ts`. */
export interface Rows {
  readonly C: number;
  readonly pixels: number;
  /** Pixels that make a row together; a multiple of four where it is not one, so that rows are whole vectors. */
  readonly repeat: number;
  /** Floats of such a row. */
  readonly width: number;
  /** Pixels of a chunk of a sum. */
  readonly length: number;
  readonly chunks: number;
  /** Units of a sum over chunks of pixels. */
  readonly units: number;
  /** Pixels of an element-wise unit. */
  readonly some: number;
}

export function rowsOf(shape: Shape): Rows {
  const [C, pixels] = [channelsOf(shape), pixelsOf(shape)];
  const repeat = C < SHORT ? 4 * Math.ceil(SHORT / C / 4) : 1;
  const least = Math.max(chunksOf(pixels).length, Math.min(LENGTH, Math.ceil(pixels / UNITS)));
  const length = repeat * Math.ceil(least / repeat);
  const chunks = Math.ceil(pixels / length);
  const some = repeat * Math.max(1, Math.floor(PIECE / (repeat * C)));
  return { C, pixels, repeat, width: repeat * C, length, chunks, units: chunks * Math.ceil(C / BLOCK), some };
}

/** Bytes of `rows` rows of a unit's channels; a vector more each, since a table's entries are whole vectors. */
export const rowScratch = (rows: number): number => rows * (BLOCK * 4 + 16);

/** dy [...,C] → its sums [C]; with `mask` the last input is the rectifier's output, and dy is masked in place. */
export const channelSumsWasm = (name: string): Variant<Fused> => ({
  name: `${name}/wasm`,
  device: 'wasm',
  fuses: ['mask'],
  applies: () => true,
  lower({ attributes: { mask }, inputs: [dy, y], output, scratch }) {
    const { C, pixels, repeat, length, chunks, units } = rowsOf(dy.shape);
    const partial = scratch([chunks, C]);
    return [
      wasmLaunch(`${name}.chunks`, {
        routine: 'channelSums',
        units,
        scratch: rowScratch(1),
        inputs: mask ? [dy, y] : [dy],
        output: partial,
        ...(mask && { writes: [dy] }),
        arguments: ([dy, y = 0], partial) => [dy, y, partial, pixels, C, length, repeat],
      }),
      wasmLaunch(name, {
        routine: 'combineSums',
        units: Math.ceil(C / 64),
        scratch: 256,
        inputs: [partial],
        output,
        arguments: ([partial], sums) => [partial, sums, chunks, C],
      }),
    ];
  },
});
