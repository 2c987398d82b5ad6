/** The dropout of `core/ops/dropout.ts` in whole numbers: the same masks, bit for bit. */
import { storeFirst } from './vector';

const BLOCK: i32 = 4096;
const ROUNDS: i32 = 10;

/** One half of a round: b + left + the middle of left's square, to be taken modulo 4096. `left` has 12 bits. */
function mix(b: v128, left: v128): v128 {
  // as pairs of 16 bits the upper of which is 0
  return i32x4.add(i32x4.add(b, left), i32x4.shr_u(i32x4.dot_i16x8_s(left, left), 6));
}

/**
 * y = 0 where the hash of (step, node, element) lies below `threshold`, x · factor elsewhere; units are blocks of 4096. The words
 * of the Feistel network are left unreduced between rounds: only their last 12 bits count, and ten rounds stay far below 2^31.
 *
 * @param low slot of `hyper` with the step's key, `high` that of its upper half; the node's key likewise in two
 */
export function dropout(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  hyper: usize,
  y: usize,
  length: i32,
  low: i32,
  high: i32,
  nodeLow: i32,
  nodeHigh: i32,
  threshold: i32,
  factor: f32,
): void {
  const keyLow = <i32>load<f32>(hyper + ((<usize>low) << 2));
  const keyHigh = <i32>load<f32>(hyper + ((<usize>high) << 2));
  const twelve = i32x4.splat(0xfff);
  const bound = i32x4.splat(threshold);
  const scale = f32x4.splat(factor);
  for (let unit = start; unit < end; unit++) {
    const first = (<usize>(unit * BLOCK)) << 2;
    const past = (<usize>min((unit + 1) * BLOCK, length)) << 2;
    const c0 = i32x4.splat((keyLow >> 12) + nodeLow + (unit >> 12));
    const d0 = i32x4.splat((keyHigh >> 12) + nodeHigh);
    let lanes = i32x4(0, 1, 2, 3);
    // eight elements at a time, so that one's arithmetic fills the other's waiting
    for (let at = first; at < past; at += 32) {
      let a = lanes;
      let e = i32x4.add(lanes, i32x4.splat(4));
      let b = i32x4.splat(unit & 0xfff);
      let f = b;
      let c = c0;
      let g = c0;
      let d = d0;
      let h = d0;
      let key0 = i32x4.splat(keyLow & 0xfff);
      let key1 = i32x4.splat(keyHigh & 0xfff);
      for (let round = 0; round < ROUNDS; round++) {
        const nextA = mix(b, v128.and(i32x4.add(a, key0), twelve));
        const nextC = mix(d, v128.and(i32x4.add(c, key1), twelve));
        const nextE = mix(f, v128.and(i32x4.add(e, key0), twelve));
        const nextG = mix(h, v128.and(i32x4.add(g, key1), twelve));
        b = c;
        d = a;
        f = g;
        h = e;
        a = nextA;
        c = nextC;
        e = nextE;
        g = nextG;
        key0 = i32x4.add(key0, i32x4.splat(2531));
        key1 = i32x4.add(key1, i32x4.splat(3001));
      }
      const drawn = i32x4.add(i32x4.shl(v128.and(a, twelve), 12), v128.and(c, twelve));
      storeFirst(y + at, v128.andnot(f32x4.mul(v128.load(x + at), scale), i32x4.lt_s(drawn, bound)), past - at);
      if (past - at > 16) {
        const other = i32x4.add(i32x4.shl(v128.and(e, twelve), 12), v128.and(g, twelve));
        storeFirst(y + at + 16, v128.andnot(f32x4.mul(v128.load(x + at, 16), scale), i32x4.lt_s(other, bound)), past - at - 16);
      }
      lanes = i32x4.add(lanes, i32x4.splat(8));
    }
  }
}
