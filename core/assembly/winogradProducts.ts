/**
 * The products of Winograd's method: 6 rows × 8 columns in twelve vector registers, as `block`, but with rows and sums where the
 * transforms put and want them, so that nothing is packed in between.
 */
import { madd } from './vector';

/** Bytes of six tiles' runs of 16 channels each. */
export const SIX_RUNS: i32 = 384;

/**
 * sums[i][0..7] (+)= Σ_k tiles[i][k] · weights[k][0..7]   for i in 0..5.
 *
 * @param depth how many k
 * @param tiles six tiles' channels, as [k / 16][6][16], `jump` bytes from one run of 16 to the next
 * @param sums [6][8]
 */
export function tileProduct(depth: i32, tiles: usize, jump: usize, weights: usize, sums: usize, accumulate: bool): void {
  let l0 = f32x4.splat(0);
  let r0 = f32x4.splat(0);
  let l1 = f32x4.splat(0);
  let r1 = f32x4.splat(0);
  let l2 = f32x4.splat(0);
  let r2 = f32x4.splat(0);
  let l3 = f32x4.splat(0);
  let r3 = f32x4.splat(0);
  let l4 = f32x4.splat(0);
  let r4 = f32x4.splat(0);
  let l5 = f32x4.splat(0);
  let r5 = f32x4.splat(0);
  if (accumulate) {
    l0 = v128.load(sums, 0);
    r0 = v128.load(sums, 16);
    l1 = v128.load(sums, 32);
    r1 = v128.load(sums, 48);
    l2 = v128.load(sums, 64);
    r2 = v128.load(sums, 80);
    l3 = v128.load(sums, 96);
    r3 = v128.load(sums, 112);
    l4 = v128.load(sums, 128);
    r4 = v128.load(sums, 144);
    l5 = v128.load(sums, 160);
    r5 = v128.load(sums, 176);
  }
  const end = weights + ((<usize>depth) << 5);
  const next = jump - 60;
  while (weights < end) {
    const left = v128.load(weights);
    const right = v128.load(weights, 16);
    const a0 = v128.load_splat<f32>(tiles, 0);
    l0 = madd(a0, left, l0);
    r0 = madd(a0, right, r0);
    const a1 = v128.load_splat<f32>(tiles, 64);
    l1 = madd(a1, left, l1);
    r1 = madd(a1, right, r1);
    const a2 = v128.load_splat<f32>(tiles, 128);
    l2 = madd(a2, left, l2);
    r2 = madd(a2, right, r2);
    const a3 = v128.load_splat<f32>(tiles, 192);
    l3 = madd(a3, left, l3);
    r3 = madd(a3, right, r3);
    const a4 = v128.load_splat<f32>(tiles, 256);
    l4 = madd(a4, left, l4);
    r4 = madd(a4, right, r4);
    const a5 = v128.load_splat<f32>(tiles, 320);
    l5 = madd(a5, left, l5);
    r5 = madd(a5, right, r5);
    weights += 32;
    // on to the next run after its sixteenth channel
    tiles += (tiles & 60) === 60 ? next : 4;
  }
  v128.store(sums, l0, 0);
  v128.store(sums, r0, 16);
  v128.store(sums, l1, 32);
  v128.store(sums, r1, 48);
  v128.store(sums, l2, 64);
  v128.store(sums, r2, 80);
  v128.store(sums, l3, 96);
  v128.store(sums, r3, 112);
  v128.store(sums, l4, 128);
  v128.store(sums, r4, 144);
  v128.store(sums, l5, 160);
  v128.store(sums, r5, 176);
}

/** As `tileProduct`, for the first four of six tiles; the other two are left alone. */
export function tileProduct4(depth: i32, tiles: usize, jump: usize, weights: usize, sums: usize, accumulate: bool): void {
  let l0 = f32x4.splat(0);
  let r0 = f32x4.splat(0);
  let l1 = f32x4.splat(0);
  let r1 = f32x4.splat(0);
  let l2 = f32x4.splat(0);
  let r2 = f32x4.splat(0);
  let l3 = f32x4.splat(0);
  let r3 = f32x4.splat(0);
  if (accumulate) {
    l0 = v128.load(sums, 0);
    r0 = v128.load(sums, 16);
    l1 = v128.load(sums, 32);
    r1 = v128.load(sums, 48);
    l2 = v128.load(sums, 64);
    r2 = v128.load(sums, 80);
    l3 = v128.load(sums, 96);
    r3 = v128.load(sums, 112);
  }
  const end = weights + ((<usize>depth) << 5);
  const next = jump - 60;
  while (weights < end) {
    const left = v128.load(weights);
    const right = v128.load(weights, 16);
    const a0 = v128.load_splat<f32>(tiles, 0);
    l0 = madd(a0, left, l0);
    r0 = madd(a0, right, r0);
    const a1 = v128.load_splat<f32>(tiles, 64);
    l1 = madd(a1, left, l1);
    r1 = madd(a1, right, r1);
    const a2 = v128.load_splat<f32>(tiles, 128);
    l2 = madd(a2, left, l2);
    r2 = madd(a2, right, r2);
    const a3 = v128.load_splat<f32>(tiles, 192);
    l3 = madd(a3, left, l3);
    r3 = madd(a3, right, r3);
    weights += 32;
    tiles += (tiles & 60) === 60 ? next : 4;
  }
  v128.store(sums, l0, 0);
  v128.store(sums, r0, 16);
  v128.store(sums, l1, 32);
  v128.store(sums, r1, 48);
  v128.store(sums, l2, 64);
  v128.store(sums, r2, 80);
  v128.store(sums, l3, 96);
  v128.store(sums, r3, 112);
}

/** Whether of so many tiles the next four go through without two more: what is left ends without idle rows, or with fewer. */
function byFour(left: i32): bool {
  return left === 8 || left <= 4;
}

/**
 * Where tile `index` of `count` lies: bytes from the first run to its first one. Tiles fill sixes, except where `tilesProduct` takes
 * four.
 */
export function runOf(index: i32, count: i32): usize {
  const fours = count - 8;
  let six = index / 6;
  let place = index % 6;
  if (fours >= 0 && fours % 6 === 0 && index >= fours) {
    six = fours / 6 + ((index - fours) >> 2);
    place = (index - fours) & 3;
  }
  return <usize>six * SIX_RUNS + ((<usize>place) << 6);
}

/**
 * sums[p][tile][8] (+)= Σ_k V[tile][k] · U[p][k][8] for `count` tiles and `panels` panels. Up to five sums past the last tile's get
 * anything.
 *
 * @param tiles channels of the first six tiles, as `tileProduct`; the runs of the next six follow
 * @param weights of the first panel, `panel` bytes to the next one
 * @param sums of the first panel, `sumPanel` bytes to the next one
 */
export function tilesProduct(
  depth: i32,
  tiles: usize,
  jump: usize,
  count: i32,
  weights: usize,
  panel: usize,
  panels: i32,
  sums: usize,
  sumPanel: usize,
  accumulate: bool,
): void {
  while (count > 0) {
    const four = byFour(count);
    let by = weights;
    let at = sums;
    for (let p = 0; p < panels; p++) {
      if (four) tileProduct4(depth, tiles, jump, by, at, accumulate);
      else tileProduct(depth, tiles, jump, by, at, accumulate);
      by += panel;
      at += sumPanel;
    }
    tiles += SIX_RUNS;
    sums += four ? 128 : 192;
    count -= four ? 4 : 6;
  }
}
