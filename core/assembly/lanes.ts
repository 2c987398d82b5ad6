/** What needs a look at single lanes: rows whose last vector counts only as far as the row goes. */

/** All bits set in the lanes whose index, from `first` on, is below `length`. */
export function lanesBelow(first: i32, length: i32): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3)), i32x4.splat(length));
}

/** The largest of `length` numbers; NaN if one of them is. */
export function largestOf(x: usize, length: i32): f32 {
  let largest = f32x4.splat(-Infinity);
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    largest = f32x4.max(largest, v128.load(x));
    x += 16;
  }
  if (i < length) largest = f32x4.max(largest, v128.bitselect(v128.load(x), largest, lanesBelow(i, length)));
  const pairs = f32x4.max(largest, v128.shuffle<f32>(largest, largest, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** The sum of a vector's lanes. */
export function lanesSum(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}
