/**
 * Routines that compute y[i] from what their inputs hold at i, in blocks of 4096 elements. Each is one loop over four vectors at a
 * time, and one over the rest, of whose last vector only the elements that exist are stored. Units of one call follow one another, so
 * that they are one stream.
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
  copyRun(x + offset(start, length), y + offset(start, length), offset(end, length) - offset(start, length));
}

/** A cache line: 64 bytes. */
export function copyLine(x: usize, y: usize): void {
  const a = v128.load(x);
  const b = v128.load(x, 16);
  const c = v128.load(x, 32);
  const d = v128.load(x, 48);
  v128.store(y, a);
  v128.store(y, b, 16);
  v128.store(y, c, 32);
  v128.store(y, d, 48);
}

/** Four of them, without a loop: what is copied in pieces of as many bytes goes a little faster than line by line. */
function copyLines4(x: usize, y: usize): void {
  copyLine(x, y);
  copyLine(x + 64, y + 64);
  copyLine(x + 128, y + 128);
  copyLine(x + 192, y + 192);
}

/** y[0 .. bytes) = x. */
export function copyRun(x: usize, y: usize, bytes: usize): void {
  let at: usize = 0;
  for (; at + 256 <= bytes; at += 256) copyLines4(x + at, y + at);
  for (; at + 64 <= bytes; at += 64) copyLine(x + at, y + at);
  for (; at < bytes; at += 16) storeFirst(y + at, v128.load(x + at), bytes - at);
}

/** y = a + b. */
export function add(start: i32, end: i32, _scratch: usize, a: usize, b: usize, y: usize, length: i32): void {
  let at = offset(start, length);
  const past = offset(end, length);
  for (; at + 64 <= past; at += 64) {
    const c = f32x4.add(v128.load(a + at), v128.load(b + at));
    const d = f32x4.add(v128.load(a + at, 16), v128.load(b + at, 16));
    const e = f32x4.add(v128.load(a + at, 32), v128.load(b + at, 32));
    const f = f32x4.add(v128.load(a + at, 48), v128.load(b + at, 48));
    v128.store(y + at, c);
    v128.store(y + at, d, 16);
    v128.store(y + at, e, 32);
    v128.store(y + at, f, 48);
  }
  for (; at < past; at += 16) storeFirst(y + at, f32x4.add(v128.load(a + at), v128.load(b + at)), past - at);
}

/** (x + |x|) / 2, as the op's definition has it: NaN stays NaN. */
function rectify(x: v128): v128 {
  return f32x4.mul(f32x4.splat(0.5), f32x4.add(x, f32x4.abs(x)));
}

/** y = max(x, 0). */
export function relu(start: i32, end: i32, _scratch: usize, x: usize, y: usize, length: i32): void {
  let at = offset(start, length);
  const past = offset(end, length);
  for (; at + 64 <= past; at += 64) {
    const a = rectify(v128.load(x + at));
    const b = rectify(v128.load(x + at, 16));
    const c = rectify(v128.load(x + at, 32));
    const d = rectify(v128.load(x + at, 48));
    v128.store(y + at, a);
    v128.store(y + at, b, 16);
    v128.store(y + at, c, 32);
    v128.store(y + at, d, 48);
  }
  for (; at < past; at += 16) storeFirst(y + at, rectify(v128.load(x + at)), past - at);
}

/** dy where y > 0, otherwise 0. */
function pass(y: v128, dy: v128): v128 {
  return v128.and(dy, f32x4.gt(y, f32x4.splat(0)));
}

/** dx = dy where y > 0, otherwise 0. */
export function reluGradient(start: i32, end: i32, _scratch: usize, y: usize, dy: usize, dx: usize, length: i32): void {
  let at = offset(start, length);
  const past = offset(end, length);
  for (; at + 64 <= past; at += 64) {
    const a = pass(v128.load(y + at), v128.load(dy + at));
    const b = pass(v128.load(y + at, 16), v128.load(dy + at, 16));
    const c = pass(v128.load(y + at, 32), v128.load(dy + at, 32));
    const d = pass(v128.load(y + at, 48), v128.load(dy + at, 48));
    v128.store(dx + at, a);
    v128.store(dx + at, b, 16);
    v128.store(dx + at, c, 32);
    v128.store(dx + at, d, 48);
  }
  for (; at < past; at += 16) storeFirst(dx + at, pass(v128.load(y + at), v128.load(dy + at)), past - at);
}
