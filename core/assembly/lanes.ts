/** What needs a look at single lanes: rows whose last vector counts only as far as the row goes. */

/** All bits set in the lanes whose index, from `first` on, is below `length`. */
export function lanesBelow(first: i32, length: i32): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3)), i32x4.splat(length));
}

/** The largest of `length` numbers; NaN if one of them is. By `pmax`, one instruction where `max` is eight; NaN is looked for beside it. */
export function largestOf(x: usize, length: i32): f32 {
  let even = f32x4.splat(-Infinity);
  let odd = even;
  let unordered = f32x4.splat(0);
  let i = 0;
  for (; i + 8 <= length; i += 8) {
    const a = v128.load(x);
    const b = v128.load(x, 16);
    even = f32x4.pmax(even, a);
    odd = f32x4.pmax(odd, b);
    unordered = v128.or(unordered, v128.or(f32x4.ne(a, a), f32x4.ne(b, b)));
    x += 32;
  }
  even = f32x4.pmax(even, odd);
  for (; i < length; i += 4) {
    const v = v128.bitselect(v128.load(x), even, lanesBelow(i, length));
    even = f32x4.pmax(even, v);
    unordered = v128.or(unordered, f32x4.ne(v, v));
    x += 16;
  }
  if (v128.any_true(unordered)) return NaN;
  const pairs = f32x4.pmax(even, v128.shuffle<f32>(even, even, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** The sum of a vector's lanes. */
export function lanesSum(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}
