/** Packing of filters for Strassen's method: the sums of quarters that the seven products take (`strassen.ts`). */
import { COLUMNS } from './block';
import { quad } from './convPack';

/** How many k of a pair are packed before the next pair's: lines are written whole. */
const RUN: i32 = 16;
/** How many are transposed at a time, and their bytes. */
const TURN: i32 = 4;
const QUARTER: usize = 128;

/**
 * The right operands of the seven products, [chunks of k][7][pairs of panels][k of half a chunk][8]: those of weight[k][column],
 * or of weight[column][k] if `turned`, in the order in which `multiplySeven` wants them and T4 with its sign changed. Units are
 * (chunk, `together` pairs). Scratch: 512 bytes.
 *
 * @param depth, columns how many k and columns: multiples of 16
 * @param together 2 if not `turned`, so that lines are read whole
 */
export function packSeven(
  start: i32,
  end: i32,
  scratch: usize,
  weight: usize,
  packed: usize,
  depth: i32,
  columns: i32,
  chunk: i32,
  turned: i32,
  together: i32,
): void {
  const pairs = columns / (2 * COLUMNS);
  const units = (pairs + together - 1) / together;
  const k1 = turned ? <usize>4 : (<usize>columns) << 2;
  const column1 = turned ? (<usize>depth) << 2 : <usize>4;
  const right = <usize>(columns / 2) * column1;
  for (let unit = start; unit < end; unit++) {
    const first = (unit % units) * together;
    const past = min(pairs, first + together);
    const begin = (unit / units) * chunk;
    const half = min(chunk, depth - begin) / 2;
    const second = <usize>half * k1;
    const panel = (<usize>half) << 5;
    const product = panel * pairs;
    const target = packed + ((<usize>begin * <usize>(7 * pairs)) << 4);
    const run = turned ? TURN : RUN;
    for (let k = 0; k < half; k += run) {
      const size = min(run, half - k);
      for (let pair = first; pair < past; pair++) {
        const from = weight + <usize>(begin + k) * k1 + <usize>(pair * COLUMNS) * column1;
        const to = target + <usize>pair * panel + ((<usize>k) << 5);
        if (turned) {
          turnEight(from, column1, scratch);
          turnEight(from + right, column1, scratch + QUARTER);
          turnEight(from + second, column1, scratch + 2 * QUARTER);
          turnEight(from + second + right, column1, scratch + 3 * QUARTER);
          packRun(scratch, 32, QUARTER, 2 * QUARTER, size, to, product);
        } else packRun(from, k1, right, second, size, to, product);
      }
    }
  }
}

/** `TURN` k of eight columns that lie `column1` bytes apart, as rows. */
function turnEight(from: usize, column1: usize, to: usize): void {
  quad(from, column1, to);
  quad(from + 4 * column1, column1, to + 16);
}

/** Rows of eight columns of the four quarters, `k1` bytes apart, as rows of the seven operands, `product` bytes apart. */
function packRun(from: usize, k1: usize, right: usize, second: usize, rows: i32, to: usize, product: usize): void {
  for (; rows > 0; rows--) {
    for (let j: usize = 0; j < 32; j += 16) {
      const bottom = from + j + second;
      const b11 = v128.load(from + j);
      const b12 = v128.load(from + j + right);
      const b21 = v128.load(bottom);
      const b22 = v128.load(bottom + right);
      const t1 = f32x4.sub(b12, b11);
      const t2 = f32x4.sub(b22, t1);
      let at = to + j;
      v128.store(at, b11);
      at += product;
      v128.store(at, b21);
      at += product;
      v128.store(at, t2);
      at += product;
      v128.store(at, f32x4.sub(b22, b12));
      at += product;
      v128.store(at, t1);
      at += product;
      v128.store(at, b22);
      at += product;
      v128.store(at, f32x4.sub(b21, t2));
    }
    from += k1;
    to += 32;
  }
}
