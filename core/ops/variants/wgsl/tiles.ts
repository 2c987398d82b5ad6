/**
 * Shapes of tiled matrix products, as data: to tune for a GPU is to change this table.
 *
 * A workgroup computes `m × n` outputs, `k` products of each at a time from tiles of both operands in workgroup memory. A
 * thread computes `rows × columns` of them in registers. The first entry is the layout of ggml's Vulkan convolution, and
 * the order of the others follows siboehm's ladder of CUDA kernels: more outputs per thread need fewer loads per product.
 *
 * Measured: on no GPU yet.
 */
import type { VariantLimits } from '../../../kernels/variant.ts';
import type { Block } from './choose.ts';

export interface Tile extends Block {
  /** Outputs of a thread: 4 or 8 (two groups of four, half a tile apart) each way. */
  readonly rows: 4 | 8;
  readonly columns: 4 | 8;
  /** 2: the next tiles are written while these are read, so that one barrier a step is enough. */
  readonly buffers: 1 | 2;
  /** vec4s after each row of a tile. Blocks are stored as whole vec4s, eight neighbours at a time: none are needed. */
  readonly pad: number;
  /** Steps of k written out in the inner loop. A driver may unroll by itself. */
  readonly unroll: number;
}

const usual = { k: 16, rows: 8, columns: 8, buffers: 2, pad: 0, unroll: 1, walk: 8 } as const;

/** From the largest to the smallest; the choice between the two oblong ones is by what they waste. */
export const tiles: readonly Tile[] = [
  { ...usual, m: 128, n: 128 },
  { ...usual, m: 128, n: 64 },
  { ...usual, m: 64, n: 128 },
  { ...usual, m: 64, n: 64 },
  { ...usual, m: 32, n: 32, rows: 4, columns: 4 },
];

export const threadsOf = ({ m, n, rows, columns }: Tile): number => (m / rows) * (n / columns);
/** vec4s in a row of the tile of an operand that is `width` wide. */
export const pitchOf = (tile: Tile, width: number): number => width / 4 + tile.pad;
export const sharedBytes = (tile: Tile): number => 16 * tile.buffers * tile.k * (pitchOf(tile, tile.m) + pitchOf(tile, tile.n));

/** The tiles that a device can run, with a single buffer where two take too much memory. */
export function tilesFor(limits: VariantLimits): Tile[] {
  return tiles
    .map(tile => (sharedBytes(tile) <= limits.workgroupBytes ? tile : { ...tile, buffers: 1 as const }))
    .filter(tile => sharedBytes(tile) <= limits.workgroupBytes && threadsOf(tile) <= limits.invocations);
}
