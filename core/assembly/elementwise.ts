/**
 * Routines that compute y[i] from what their inputs hold at i, in blocks of 4096 elements. Each is one loop over whole vectors
 * and one last vector of which only the elements that exist are stored.
 */
import { storeFirst } from './vector';

/** Elements of one unit of work: 16 KiB of each array. */
const BLOCK: i32 = 4096;

/** Bytes from an array's start to the first element of unit `unit`, or to its end. */
function offset(unit: i32, length: i32): usize {
  return (<usize>min(unit * BLOCK, length)) << 2;
}

/** y = x. */
export function copy(start: i32, end: i32, _scratch: usize, x: usize, y: usize, length: i32): void {
  let at = offset(start, length);
  const past = offset(end, length);
  for (; at + 16 <= past; at += 16) v128.store(y + at, v128.load(x + at));
  storeFirst(y + at, v128.load(x + at), past - at);
}

/** y = a + b. */
export function add(start: i32, end: i32, _scratch: usize, a: usize, b: usize, y: usize, length: i32): void {
  let at = offset(start, length);
  const past = offset(end, length);
  for (; at + 16 <= past; at += 16) v128.store(y + at, f32x4.add(v128.load(a + at), v128.load(b + at)));
  storeFirst(y + at, f32x4.add(v128.load(a + at), v128.load(b + at)), past - at);
}

/** (x + |x|) / 2, as the op's definition has it: NaN stays NaN. */
function rectify(x: v128): v128 {
  return f32x4.mul(f32x4.splat(0.5), f32x4.add(x, f32x4.abs(x)));
}

/** y = max(x, 0). */
export function relu(start: i32, end: i32, _scratch: usize, x: usize, y: usize, length: i32): void {
  let at = offset(start, length);
  const past = offset(end, length);
  for (; at + 16 <= past; at += 16) v128.store(y + at, rectify(v128.load(x + at)));
  storeFirst(y + at, rectify(v128.load(x + at)), past - at);
}

/** dy where y > 0, otherwise 0. */
function pass(y: v128, dy: v128): v128 {
  return v128.and(dy, f32x4.gt(y, f32x4.splat(0)));
}

/** dx = dy where y > 0, otherwise 0. */
export function reluGradient(start: i32, end: i32, _scratch: usize, y: usize, dy: usize, dx: usize, length: i32): void {
  let at = offset(start, length);
  const past = offset(end, length);
  for (; at + 16 <= past; at += 16) v128.store(dx + at, pass(v128.load(y + at), v128.load(dy + at)));
  storeFirst(dx + at, pass(v128.load(y + at), v128.load(dy + at)), past - at);
}
