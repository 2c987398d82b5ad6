/** y = a + b. */

/** Floats of one unit of work: 16 KiB of each array. */
const BLOCK: i32 = 4096;

/** Units are blocks of 4096 elements of `length`. */
export function add(start: i32, end: i32, _scratch: usize, a: usize, b: usize, y: usize, length: i32): void {
  const first = start * BLOCK;
  const past = min(end * BLOCK, length);
  let at = (<usize>first) << 2;
  const vectors = at + ((<usize>(past - first) >> 2) << 4);
  const all = (<usize>past) << 2;
  for (; at < vectors; at += 16) v128.store(y + at, f32x4.add(v128.load(a + at), v128.load(b + at)));
  for (; at < all; at += 4) store<f32>(y + at, load<f32>(a + at) + load<f32>(b + at));
}
