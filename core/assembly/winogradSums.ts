/**
 * The products of the filters' gradient by Winograd's method: sums over tiles of channels times filters, as `block`, in twelve
 * vector registers.
 *
 * V's channels lie in slices of 48, three cache lines a tile, [channels / 48][tiles][48]: a core reads a slice as one stream, not as
 * bits of long rows. Up to 64 channels lie in one slice.
 */
import { madd } from './vector';

/** Channels of a slice: as many as the transform of an input sweeps over at a time. */
export function sliceOf(channels: i32): i32 {
  return channels <= 64 ? (channels + 15) & ~15 : 48;
}
/** Bytes from a tile of a slice to the next: 64 more where tiles would share the cache's sets. */
export function rowOf(slice: i32): usize {
  return slice === 48 ? 192 : ((<usize>slice) << 2) + 64;
}
/** Bytes from a slice to the next: 64 more for the same reason. */
export function leapOf(tiles: i32, slice: i32): usize {
  return rowOf(slice) * tiles + 64;
}
/** Where a channel begins that is a multiple of 48, in bytes from the first. */
export function sliceAt(channel: i32, slice: i32, leap: usize): usize {
  return slice === 48 ? <usize>(channel / 48) * leap : (<usize>channel) << 2;
}
/** Bytes of a place of V: not a multiple of 4096 either, as 63 tiles in rows of 128 bytes and twice 64 would be. */
export function planeOf(tiles: i32, channels: i32, slice: i32): usize {
  const slices = (channels + slice - 1) / slice;
  return <usize>slices * leapOf(tiles, slice) + (slices > 1 ? 64 : 0);
}
/** Bytes of the sums of a place [channels][8], in whole sixes, and 64 more for the same reason. */
export function sumsOf(channels: i32): usize {
  return <usize>((channels + 5) / 6) * 192 + 64;
}

/** sums[i][0..7] (+)= Σ_tiles v[tile][i] · d[tile][0..7]   for i in 0..5. */
function sumsOfSix(tiles: i32, v: usize, row: usize, d: usize, sums: usize, accumulate: bool): void {
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
  const end = d + ((<usize>tiles) << 5);
  while (d < end) {
    const left = v128.load(d);
    const right = v128.load(d, 16);
    const a0 = v128.load_splat<f32>(v, 0);
    l0 = madd(a0, left, l0);
    r0 = madd(a0, right, r0);
    const a1 = v128.load_splat<f32>(v, 4);
    l1 = madd(a1, left, l1);
    r1 = madd(a1, right, r1);
    const a2 = v128.load_splat<f32>(v, 8);
    l2 = madd(a2, left, l2);
    r2 = madd(a2, right, r2);
    const a3 = v128.load_splat<f32>(v, 12);
    l3 = madd(a3, left, l3);
    r3 = madd(a3, right, r3);
    const a4 = v128.load_splat<f32>(v, 16);
    l4 = madd(a4, left, l4);
    r4 = madd(a4, right, r4);
    const a5 = v128.load_splat<f32>(v, 20);
    l5 = madd(a5, left, l5);
    r5 = madd(a5, right, r5);
    d += 32;
    v += row;
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

/**
 * sums[p][c][0..7] (+)= Σ_tiles V[c][tile] · D[p][tile][0..7] for `channels` channels and `panels` panels of a place. Up to five sums
 * past the last channel's get anything.
 *
 * @param v of the first tile and channel: `row` bytes to the next tile, `leap` to the next slice
 * @param d of the first tile and panel, `panel` bytes to the next panel
 * @param sums of the first panel, `sumPanel` bytes to the next one
 */
export function sumsProduct(
  tiles: i32,
  v: usize,
  row: usize,
  leap: usize,
  slice: i32,
  channels: i32,
  d: usize,
  panel: usize,
  panels: i32,
  sums: usize,
  sumPanel: usize,
  accumulate: bool,
): void {
  for (; channels > 0; channels -= slice) {
    let from = v;
    for (let c = min(slice, channels); c > 0; c -= 6) {
      let by = d;
      let to = sums;
      let p = panels & 1;
      // two calls, or the compiler puts the loop in here, where V8 runs out of registers: half the speed
      if (p) {
        sumsOfSix(tiles, from, row, by, to, accumulate);
        by += panel;
        to += sumPanel;
      }
      for (; p < panels; p++) {
        sumsOfSix(tiles, from, row, by, to, accumulate);
        by += panel;
        to += sumPanel;
      }
      from += 24;
      sums += 192;
    }
    v += leap;
  }
}
