/** Routines that move numbers: joining and cutting channels, skipping pixels, swapping dimensions. */
import { copyLine, copyRun } from './elementwise';
import { storeFirst, touch } from './vector';

function clearRun(y: usize, bytes: usize): void {
  let c: usize = 0;
  for (; c + 64 <= bytes; c += 64) {
    v128.store(y + c, f32x4.splat(0));
    v128.store(y + c, f32x4.splat(0), 16);
    v128.store(y + c, f32x4.splat(0), 32);
    v128.store(y + c, f32x4.splat(0), 48);
  }
  for (; c < bytes; c += 16) storeFirst(y + c, f32x4.splat(0), bytes - c);
}

/**
 * y[pixel, 0 .. channels) = x[pixel, 0 .. channels) of rows of X and Y channels. Units are `some` pixels. Lines of x are read crosswise
 * where a run has four: one after another they look like a stream, of which a core then fetches what lies between the runs, too.
 */
export function copyChannels(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  y: usize,
  pixels: i32,
  channels: i32,
  X: i32,
  Y: i32,
  some: i32,
): void {
  const bytes = (<usize>channels) << 2;
  const crosswise = X > channels ? bytes & ~255 : 0;
  for (let pixel = start * some, past = min(end * some, pixels); pixel < past; pixel++) {
    const from = x + ((<usize>(pixel * X)) << 2);
    const to = y + ((<usize>(pixel * Y)) << 2);
    for (let c: usize = 0; c < crosswise; c += 256) {
      copyLine(from + c + 128, to + c + 128);
      copyLine(from + c, to + c);
      copyLine(from + c + 192, to + c + 192);
      copyLine(from + c + 64, to + c + 64);
    }
    copyRun(from + crosswise, to + crosswise, bytes - crosswise);
  }
}

/**
 * y[pixel] = the channels of up to four inputs one behind another, from channel `to` of rows of Y: what is written is one stream then,
 * if nothing else belongs into the rows. Units are `some` pixels. Inputs that are absent have 0 channels.
 */
export function joinChannels(
  start: i32,
  end: i32,
  _scratch: usize,
  x0: usize,
  x1: usize,
  x2: usize,
  x3: usize,
  y: usize,
  pixels: i32,
  C0: i32,
  C1: i32,
  C2: i32,
  C3: i32,
  Y: i32,
  some: i32,
): void {
  const bytes0 = (<usize>C0) << 2;
  const bytes1 = (<usize>C1) << 2;
  const bytes2 = (<usize>C2) << 2;
  const bytes3 = (<usize>C3) << 2;
  const target = (<usize>Y) << 2;
  const first = <usize>(start * some);
  const past = <usize>min(end * some, pixels);
  for (let pixel = first; pixel < past; pixel++) {
    let to = y + pixel * target;
    copyRun(x0 + pixel * bytes0, to, bytes0);
    to += bytes0;
    copyRun(x1 + pixel * bytes1, to, bytes1);
    if (!bytes2) continue;
    to += bytes1;
    copyRun(x2 + pixel * bytes2, to, bytes2);
    copyRun(x3 + pixel * bytes3, to + bytes2, bytes3);
  }
}

/**
 * y[n,p,q,k] = x[n, p · stride, q · stride, k] for k < C, else 0. Units are rows n · P + p. What is copied of a row is first read and
 * nothing else, so that a core has as many lines under way as it can. Scratch: 4 bytes.
 */
export function padChannels(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  y: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  K: i32,
  stride: i32,
): void {
  const small = (<usize>C) << 2;
  const large = (<usize>K) << 2;
  const step = small * <usize>stride;
  let to = y + <usize>(start * Q) * large;
  let bits: i32 = 0;
  for (let row = start; row < end; row++) {
    const n = row / P;
    let from = x + <usize>((n * H + (row - n * P) * stride) * W) * small;
    for (let at = from, past = from + step * <usize>Q; at < past; at += step) bits |= touch(at, small);
    for (let q = 0; q < Q; q++, to += large, from += step) {
      copyRun(from, to, small);
      clearRun(to + small, large - small);
    }
  }
  store<i32>(scratch, bits);
}

/**
 * dx[n,h,w,c] = dy of the pixel that was copied, 0 for the skipped ones. Units are rows n · H + h. The channels that x does not have
 * are read, too, if they are no more than those that it has: one stream, which costs less than finding each run. Scratch: 4 bytes.
 */
export function padChannelsGradient(
  start: i32,
  end: i32,
  scratch: usize,
  dy: usize,
  dx: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  K: i32,
  stride: i32,
): void {
  const small = (<usize>C) << 2;
  const large = (<usize>K) << 2;
  const passed = large - small <= small ? large - small : <usize>0;
  let to = dx + <usize>(start * W) * small;
  let bits: i32 = 0;
  for (let row = start; row < end; row++) {
    const n = row / H;
    const h = row - n * H;
    const p = h / stride;
    if (p * stride < h) {
      clearRun(to, <usize>W * small);
      to += <usize>W * small;
      continue;
    }
    let from = dy + <usize>((n * P + p) * Q) * large;
    for (let w = 0; w < W; w += stride, from += large) {
      copyRun(from, to, small);
      bits |= touch(from + small, passed);
      // the skipped pixels up to the next one that was copied
      const skipped = small * <usize>(min(stride, W - w) - 1);
      clearRun(to + small, skipped);
      to += small + skipped;
    }
  }
  store<i32>(scratch, bits);
}

/** Bytes of a matrix that stay in the second-level cache beside others. */
const NEAR: usize = 262144;

/**
 * y[n, column, row] = x[n, row, column]. Units are n · ⌈columns / strip⌉ + strip of columns, a multiple of four. A strip's part of y is to stay
 * in the second-level cache, since its lines fill up bit by bit; then x is read along its rows, sixteen of them at a time, and
 * what is written is a cache line of each column. A small matrix is first read as the one stream that it is. Scratch: 4 bytes.
 */
export function transpose(start: i32, end: i32, scratch: usize, x: usize, y: usize, rows: i32, columns: i32, strip: i32): void {
  const strips = (columns + strip - 1) / strip;
  const line = (<usize>columns) << 2;
  const target = (<usize>rows) << 2;
  for (let unit = start; unit < end; unit++) {
    const n = unit / strips;
    const first = (unit - n * strips) * strip;
    const past = min(first + strip, columns);
    const from = x + <usize>(n * rows) * line;
    const to = y + <usize>(n * rows) * line;
    if (<usize>rows * line <= NEAR && (first === 0 || unit === start)) store<i32>(scratch, touch(from, <usize>rows * line));
    let row = 0;
    for (; row + 4 <= rows; row += 16) {
      const some = min(row + 16, rows & ~3);
      let column = first;
      for (; column + 4 <= past; column += 4) {
        const aim = to + <usize>column * target;
        const source = from + ((<usize>column) << 2);
        for (let r = row; r < some; r += 4) turn(source + <usize>r * line, line, aim + ((<usize>r) << 2), target);
      }
      for (; column < past; column++) {
        for (let r = row; r < some; r++) {
          store<f32>(to + <usize>column * target + ((<usize>r) << 2), load<f32>(from + <usize>r * line + ((<usize>column) << 2)));
        }
      }
    }
    for (row = rows & ~3; row < rows; row++) {
      for (let column = first; column < past; column++) {
        store<f32>(to + <usize>column * target + ((<usize>row) << 2), load<f32>(from + <usize>row * line + ((<usize>column) << 2)));
      }
    }
  }
}

/** Four rows of four into four columns of four. */
function turn(x: usize, line: usize, y: usize, target: usize): void {
  const v0 = v128.load(x);
  const v1 = v128.load(x + line);
  const v2 = v128.load(x + line * 2);
  const v3 = v128.load(x + line * 3);
  const low01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
  const high23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
  v128.store(y, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
  v128.store(y + target, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
  v128.store(y + target * 2, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
  v128.store(y + target * 3, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
}
