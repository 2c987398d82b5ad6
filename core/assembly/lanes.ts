/** What needs a look at single lanes: rows whose last vector counts only as far as the row goes. */

/** All bits set in the lanes whose index, from `first` on, is below `length`. */
export function lanesBelow(first: i32, length: i32): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3)), i32x4.splat(length));
}

/** The largest of `length` numbers, NaN passed over; -infinity if there is no other. By `pmax`, one instruction where `max` is eight. */
export function largestOf(x: usize, length: i32): f32 {
  const low = f32x4.splat(-Infinity);
  let a = low;
  let b = low;
  let c = low;
  let d = low;
  let i = 0;
  for (; i + 16 <= length; i += 16, x += 64) {
    a = f32x4.pmax(a, v128.load(x));
    b = f32x4.pmax(b, v128.load(x, 16));
    c = f32x4.pmax(c, v128.load(x, 32));
    d = f32x4.pmax(d, v128.load(x, 48));
  }
  a = f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d));
  for (; i < length; i += 4, x += 16) a = f32x4.pmax(a, v128.bitselect(v128.load(x), low, lanesBelow(i, length)));
  a = f32x4.pmax(a, v128.shuffle<f32>(a, a, 2, 3, 0, 1));
  return max(f32x4.extract_lane(a, 0), f32x4.extract_lane(a, 1));
}

/** The sum of a vector's lanes. */
export function lanesSum(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}
