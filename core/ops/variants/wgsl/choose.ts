import type { VariantLimits } from '../../../kernels/variant.ts';
import { type Tile, tilesFor } from './tiles.ts';

/** Outputs M × N, each a sum of K products. */
export interface ProductSize {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}
/** The outputs of a workgroup, and the products of each that it sums up between two barriers. */
export interface Block {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Rows of tiles that are walked together, so that what they read is still in the second-level cache. */
  readonly walk: number;
}
/** How a product is computed: by workgroups of this tile, each output's sum cut into so many slices of `depth` tiles. */
export interface Choice<T extends Block = Tile> {
  readonly tile: T;
  readonly slices: number;
  /** Tiles along k of a slice; the last slice may have fewer. */
  readonly depth: number;
}
export type Chooser = (size: ProductSize, limits: VariantLimits) => Choice | undefined;

/** Streaming multiprocessors of an H200, and the workgroups that each should have at least. */
const UNITS = 132;
const PER_UNIT = 2;
/** Tiles along k of a slice, at least: a slice costs a pass over its partial sums. */
const SHORTEST = 8;
/** A tile is out where it is over the edge this much more often than the best one. */
const WASTE = 0.8;

/** Outputs of the problem per output computed. */
export const useful = ({ M, N }: ProductSize, { m, n }: Block): number => (M * N) / (Math.ceil(M / m) * m * Math.ceil(N / n) * n);
const workgroups = ({ M, N }: ProductSize, { m, n }: Block): number => Math.ceil(M / m) * Math.ceil(N / n);

/**
 * Chooses by rules as ggml does, since nothing can be measured when a plan is made:
 *  1. the largest tile of which there are twice as many as the device has compute units, among those that waste little at
 *     the edges (a tile of 128 columns computes as many outputs in vain as it keeps where there are only 64);
 *  2. otherwise, where sums are long, the largest tile for which slices of the sums make up that number;
 *  3. otherwise the tile with the most workgroups, its sums in as many slices as they are long enough for.
 * Undefined where the device can run no tile.
 */
export const choose = (size: ProductSize, limits: VariantLimits, units = UNITS): Choice | undefined =>
  chooseAmong(tilesFor(limits), size, units);

/** The same among other tiles. */
export function chooseAmong<T extends Block>(fitting: readonly T[], size: ProductSize, units = UNITS): Choice<T> | undefined {
  const best = Math.max(...fitting.map(tile => useful(size, tile)));
  const candidates = fitting
    .filter(tile => useful(size, tile) >= WASTE * best)
    .sort((a, b) => b.m * b.n - a.m * a.n || useful(size, b) - useful(size, a));
  const wanted = PER_UNIT * units;
  const most = (tile: T) => Math.max(1, Math.floor(Math.ceil(size.K / tile.k) / SHORTEST));

  const enough = candidates.find(tile => workgroups(size, tile) >= wanted);
  if (enough) return sliced(enough, size, 1);
  const sliceable = candidates.find(tile => workgroups(size, tile) * most(tile) >= wanted);
  if (sliceable) return sliced(sliceable, size, Math.ceil(wanted / workgroups(size, sliceable)));
  const last = candidates.at(-1);
  return last && sliced(last, size, most(last));
}

/** About so many slices, none of them empty. */
export function sliced<T extends Block>(tile: T, { K }: ProductSize, slices: number): Choice<T> {
  const total = Math.ceil(K / tile.k);
  const depth = Math.max(1, Math.ceil(total / slices));
  return { tile, depth, slices: Math.max(1, Math.ceil(total / depth)) };
}
