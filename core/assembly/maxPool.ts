/**
 * Maximum over sliding windows of images [H,W,C], and its gradient, along rows: channels innermost, so that a vector holds four
 * channels of a pixel. A row of windows goes through its rows of pixels one after another, because a core reads memory faster as one
 * long stream than as three; what the rows so far have won stays in the cache. The windows of nets, 3 and 2 pixels wide, have
 * their loads written out; others and those at the edges go through a loop. A comparison with NaN is false: NaN never wins.
 */
import { storeFirst, touch } from './vector';

/** Below everything but -∞, which never wins either. */
const LOWEST: f32 = -3.4028234e38;

/** Bytes of the vectors of places. */
const PLACES: usize = 176;

/** The larger; `a` where either is NaN. */
function larger(a: v128, b: v128): v128 {
  return f32x4.pmax(a, b);
}

/** y[n,p,q,c] = max x over window p, q. Units are rows n · P + p. */
export function maxPool(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  y: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  kernel: i32,
  stride: i32,
  padding: i32,
): void {
  const pixel = (<usize>C) << 2;
  const line = <usize>W * pixel;
  for (let row = start; row < end; row++) {
    const n = row / P;
    const top = (row - n * P) * stride - padding;
    const first = max(top, 0);
    const past = min(top + kernel, H);
    for (let h = first; h < past; h++) {
      const from = x + <usize>(n * H + h) * line;
      let to = y + <usize>(row * Q) * pixel;
      for (let q = 0; q < Q; q++, to += pixel) {
        const left = q * stride - padding;
        const column = max(left, 0);
        const columns = min(left + kernel, W) - column;
        const at = from + <usize>column * pixel;
        if (columns === 3) maximum3(at, pixel, h === first, to);
        else if (columns === 2) maximum2(at, pixel, h === first, to);
        else maximum(at, columns, pixel, h === first, to);
      }
    }
  }
}

/** y = max of y, or of what never wins at first, and of pixels side by side. */
function maximum(x: usize, columns: i32, pixel: usize, first: bool, y: usize): void {
  for (let c: usize = 0; c < pixel; c += 16) {
    let best = first ? f32x4.splat(LOWEST) : v128.load(y + c);
    let at = x + c;
    for (let s = 0; s < columns; s++, at += pixel) best = larger(best, v128.load(at));
    storeFirst(y + c, best, pixel - c);
  }
}

function maximum2(x: usize, pixel: usize, first: bool, y: usize): void {
  const low = f32x4.splat(LOWEST);
  const other = x + pixel;
  let c: usize = 0;
  for (; c + 32 <= pixel; c += 32) {
    const left = larger(first ? low : v128.load(y + c), v128.load(x + c));
    const right = larger(first ? low : v128.load(y + c, 16), v128.load(x + c, 16));
    v128.store(y + c, larger(left, v128.load(other + c)));
    v128.store(y + c, larger(right, v128.load(other + c, 16)), 16);
  }
  for (; c < pixel; c += 16) {
    const best = larger(first ? low : v128.load(y + c), v128.load(x + c));
    storeFirst(y + c, larger(best, v128.load(other + c)), pixel - c);
  }
}

function maximum3(x: usize, pixel: usize, first: bool, y: usize): void {
  const low = f32x4.splat(LOWEST);
  const second = x + pixel;
  const third = second + pixel;
  let c: usize = 0;
  for (; c + 32 <= pixel; c += 32) {
    const left = larger(first ? low : v128.load(y + c), v128.load(x + c));
    const right = larger(first ? low : v128.load(y + c, 16), v128.load(x + c, 16));
    v128.store(y + c, larger(larger(left, v128.load(second + c)), v128.load(third + c)));
    v128.store(y + c, larger(larger(right, v128.load(second + c, 16)), v128.load(third + c, 16)), 16);
  }
  for (; c < pixel; c += 16) {
    const best = larger(first ? low : v128.load(y + c), v128.load(x + c));
    storeFirst(y + c, larger(larger(best, v128.load(second + c)), v128.load(third + c)), pixel - c);
  }
}

/**
 * indices[n,p,q,c] = the place r · kernel + s of the first maximum of the window, -1 where nothing wins. Units as above.
 * Scratch: 176 bytes, and a row of windows, the largest so far.
 */
export function maxPoolIndices(
  start: i32,
  end: i32,
  scratch: usize,
  x: usize,
  indices: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  kernel: i32,
  stride: i32,
  padding: i32,
): void {
  const pixel = (<usize>C) << 2;
  const line = <usize>W * pixel;
  // vectors of the places in a window and of what stands before them, then a row of windows, which are whole vectors
  const places = scratch;
  for (let i: usize = 0; i < 9; i++) v128.store(places + (i << 4), f32x4.splat(<f32>i));
  v128.store(places, f32x4.splat(LOWEST), 144);
  v128.store(places, f32x4.splat(-1), 160);
  const room = (pixel + 15) & ~15;
  for (let row = start; row < end; row++) {
    const n = row / P;
    const top = (row - n * P) * stride - padding;
    const first = max(top, 0);
    const past = min(top + kernel, H);
    const whole = kernel === 3 && past - first === 3 && (C & 3) === 0;
    // the rows that the windows before did not have
    if (whole) store<i32>(scratch + PLACES, touch(x + <usize>(n * H + past - min(stride, 3)) * line, <usize>min(stride, 3) * line));
    for (let h = first; h < past; h++) {
      const from = x + <usize>(n * H + h) * line;
      let to = indices + <usize>(row * Q) * pixel;
      let best = scratch + PLACES;
      for (let q = 0; q < Q; q++, to += pixel, best += room) {
        const left = q * stride - padding;
        const column = max(left, 0);
        const columns = min(left + kernel, W) - column;
        const at = from + <usize>column * pixel;
        const place = (h - top) * kernel + column - left;
        if (whole && columns === 3) {
          if (h === first) winner9(at, at + line, at + 2 * line, pixel, places, to);
        } else if (columns === 3) winner3(at, pixel, place, h === first, best, to);
        else winner(at, columns, pixel, place, h === first, best, to);
      }
    }
  }
}

/** a where the mask is set, b elsewhere. */
function select(a: v128, b: v128, mask: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_laneselect(a, b, mask);
  return v128.bitselect(a, b, mask);
}

/** Whole windows of nine, read once, of whole vectors of channels: four instructions for each of the nine. */
export function winner9(x: usize, x1: usize, x2: usize, pixel: usize, places: usize, indices: usize): void {
  const low = v128.load(places, 144);
  const none = v128.load(places, 160);
  const p0 = v128.load(places);
  const p1 = v128.load(places, 16);
  const p2 = v128.load(places, 32);
  const p3 = v128.load(places, 48);
  const p4 = v128.load(places, 64);
  const p5 = v128.load(places, 80);
  const p6 = v128.load(places, 96);
  const p7 = v128.load(places, 112);
  const p8 = v128.load(places, 128);
  const third = pixel << 1;
  for (let c: usize = 0; c < pixel; c += 16) {
    const at = x + c;
    const at1 = x1 + c;
    const at2 = x2 + c;
    let v = v128.load(at);
    let found = select(p0, none, f32x4.gt(v, low));
    let best = larger(low, v);
    v = v128.load(at + pixel);
    found = select(p1, found, f32x4.gt(v, best));
    best = larger(best, v);
    v = v128.load(at + third);
    found = select(p2, found, f32x4.gt(v, best));
    best = larger(best, v);
    v = v128.load(at1);
    found = select(p3, found, f32x4.gt(v, best));
    best = larger(best, v);
    v = v128.load(at1 + pixel);
    found = select(p4, found, f32x4.gt(v, best));
    best = larger(best, v);
    v = v128.load(at1 + third);
    found = select(p5, found, f32x4.gt(v, best));
    best = larger(best, v);
    v = v128.load(at2);
    found = select(p6, found, f32x4.gt(v, best));
    best = larger(best, v);
    v = v128.load(at2 + pixel);
    found = select(p7, found, f32x4.gt(v, best));
    best = larger(best, v);
    v128.store(indices + c, select(p8, found, f32x4.gt(v128.load(at2 + third), best)));
  }
}

/** `place` is that of the first of the pixels side by side. */
function winner(x: usize, columns: i32, pixel: usize, place: i32, first: bool, most: usize, indices: usize): void {
  const one = f32x4.splat(1);
  for (let c: usize = 0; c < pixel; c += 16) {
    let best = first ? f32x4.splat(LOWEST) : v128.load(most + c);
    let found = first ? f32x4.splat(-1) : v128.load(indices + c);
    let at = x + c;
    let here = f32x4.splat(<f32>place);
    for (let s = 0; s < columns; s++, at += pixel) {
      const value = v128.load(at);
      found = v128.bitselect(here, found, f32x4.gt(value, best));
      best = larger(best, value);
      here = f32x4.add(here, one);
    }
    v128.store(most + c, best);
    storeFirst(indices + c, found, pixel - c);
  }
}

function winner3(x: usize, pixel: usize, place: i32, first: bool, most: usize, indices: usize): void {
  const one = f32x4.splat(1);
  const here = f32x4.splat(<f32>place);
  const second = x + pixel;
  const third = second + pixel;
  for (let c: usize = 0; c < pixel; c += 16) {
    const before = first ? f32x4.splat(LOWEST) : v128.load(most + c);
    const found = first ? f32x4.splat(-1) : v128.load(indices + c);
    const a = v128.load(x + c);
    const b = v128.load(second + c);
    const best = larger(larger(larger(before, a), b), v128.load(third + c));
    // one further for each that is not the largest, as long as none was
    const notA = f32x4.ne(best, a);
    const notB = v128.and(notA, f32x4.ne(best, b));
    const where = f32x4.add(f32x4.add(here, v128.and(notA, one)), v128.and(notB, one));
    v128.store(most + c, best);
    storeFirst(indices + c, v128.bitselect(where, found, f32x4.gt(best, before)), pixel - c);
  }
}

/**
 * dx[n,h,w,c] = Σ dy of the windows that cover (h,w) and whose index names it, the last window first, as the definition adds.
 * Units are rows n · H + h.
 */
export function maxPoolGradient(
  start: i32,
  end: i32,
  _scratch: usize,
  dy: usize,
  indices: usize,
  dx: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  kernel: i32,
  stride: i32,
  padding: i32,
): void {
  const pixel = (<usize>C) << 2;
  // from dy to indices
  const other = indices - dy;
  for (let row = start; row < end; row++) {
    const n = row / H;
    const h = row - n * H;
    const from = dy + <usize>(n * P * Q) * pixel;
    const to = dx + <usize>(row * W) * pixel;
    gradientRow(from, other, pixel, 0, W, h + padding, P, Q, kernel, stride, padding, to);
  }
}

/** Pixels `first` to `past` of row h of the padded image; dx is the row. */
function gradientRow(
  dy: usize,
  other: usize,
  pixel: usize,
  first: i32,
  past: i32,
  h: i32,
  P: i32,
  Q: i32,
  kernel: i32,
  stride: i32,
  padding: i32,
  dx: usize,
): void {
  const line = <usize>Q * pixel;
  const p = min(h / stride, P - 1);
  const rows = p - firstOver(h, kernel, stride) + 1;
  const r = h - p * stride;
  const from = dy + <usize>p * line;
  let to = dx + <usize>first * pixel;
  for (let column = first; column < past; column++, to += pixel) {
    const w = column + padding;
    const q = min(w / stride, Q - 1);
    const columns = q - firstOver(w, kernel, stride) + 1;
    const place = r * kernel + w - q * stride;
    const at = from + <usize>q * pixel;
    if (rows === 1 && columns === 1) won1(at, other, pixel, place, to);
    else if (rows === 1 && columns === 2) won2(at, pixel, other, pixel, place, stride, to);
    else if (rows === 2 && columns === 1) won2(at, line, other, pixel, place, stride * kernel, to);
    else if (rows === 2 && columns === 2) won4(at, line, other, pixel, place, stride, stride * kernel, to);
    else won(at, rows, columns, line, other, pixel, place, stride, stride * kernel, to);
  }
}

/**
 * `maxPoolGradient` of 3 × 3 windows of stride 2, two rows and two columns at a time: the four pixels at the corner of window
 * p, q belong to it and to the three windows before it, which so are read once. Units are n · ⌈(H + padding) / 2⌉ + pair of rows.
 */
export function maxPoolGradient3(
  start: i32,
  end: i32,
  _scratch: usize,
  dy: usize,
  indices: usize,
  dx: usize,
  H: i32,
  W: i32,
  C: i32,
  P: i32,
  Q: i32,
  padding: i32,
): void {
  const pixel = (<usize>C) << 2;
  const wide = <usize>W * pixel;
  const line = <usize>Q * pixel;
  const other = indices - dy;
  const pairs = (H + padding + 1) >> 1;
  // from the column pair of the second window to that of the last, as far as they lie in the image
  const firstPair = max(1, (padding + 1) >> 1);
  const pastPair = max(firstPair, min(Q, (W + padding) >> 1));
  const firstColumn = 2 * firstPair - padding;
  const pastColumn = 2 * pastPair - padding;
  for (let unit = start; unit < end; unit++) {
    const n = unit / pairs;
    const p = unit - n * pairs;
    const h = 2 * p - padding;
    const from = dy + <usize>(n * P) * line;
    const to = dx + <usize>(n * H) * wide;
    const inside = p >= 1 && p < P && h >= 0 && h + 1 < H && pastPair > firstPair;
    for (let row = max(h, 0); row < min(h + 2, H); row++) {
      const own = to + <usize>row * wide;
      if (inside) {
        gradientRow(from, other, pixel, 0, firstColumn, row + padding, P, Q, 3, 2, padding, own);
        gradientRow(from, other, pixel, pastColumn, W, row + padding, P, Q, 3, 2, padding, own);
      } else gradientRow(from, other, pixel, 0, W, row + padding, P, Q, 3, 2, padding, own);
    }
    if (!inside) continue;
    let at = from + <usize>p * line + <usize>firstPair * pixel;
    let cell = to + <usize>h * wide + <usize>firstColumn * pixel;
    for (let q = firstPair; q < pastPair; q++, at += pixel, cell += pixel << 1) corner(at, other, pixel, line, cell, wide);
  }
}

/** `dy` is that of the window whose corner they are. */
function corner(dy: usize, other: usize, pixel: usize, line: usize, dx: usize, wide: usize): void {
  for (let c: usize = 0; c < pixel; c += 16) {
    const own = dy + c;
    const before = own - pixel;
    const above = own - line;
    const first = above - pixel;
    const to = dx + c;
    const left = pixel - c;
    const a = v128.load(own);
    const i = v128.load(own + other);
    const b = v128.load(before);
    const j = v128.load(before + other);
    const d = v128.load(above);
    const k = v128.load(above + other);
    const sum = f32x4.add(ifPlace(a, i, 0), ifPlace(b, j, 2));
    storeFirst(to, f32x4.add(f32x4.add(sum, ifPlace(d, k, 6)), ifPlace(v128.load(first), v128.load(first + other), 8)), left);
    storeFirst(to + pixel, f32x4.add(ifPlace(a, i, 1), ifPlace(d, k, 7)), left);
    storeFirst(to + wide, f32x4.add(ifPlace(a, i, 3), ifPlace(b, j, 5)), left);
    storeFirst(to + wide + pixel, ifPlace(a, i, 4), left);
  }
}

/** dy where its index is `place`. */
function ifPlace(dy: v128, index: v128, place: f32): v128 {
  return v128.and(dy, f32x4.eq(index, f32x4.splat(place)));
}

/** The first window that reaches cell h of the padded image. */
function firstOver(h: i32, kernel: i32, stride: i32): i32 {
  return h < kernel ? 0 : (h - kernel) / stride + 1;
}

/** dy where the index is `place`. */
function ifWon(dy: usize, other: usize, place: v128): v128 {
  return v128.and(v128.load(dy), f32x4.eq(v128.load(dy + other), place));
}

function won1(dy: usize, other: usize, pixel: usize, place: i32, dx: usize): void {
  const here = f32x4.splat(<f32>place);
  for (let c: usize = 0; c < pixel; c += 16) storeFirst(dx + c, ifWon(dy + c, other, here), pixel - c);
}

/** Two windows: the second begins `back` bytes before, and there the cell's place is `further`. */
function won2(dy: usize, back: usize, other: usize, pixel: usize, place: i32, further: i32, dx: usize): void {
  const here = f32x4.splat(<f32>place);
  const there = f32x4.splat(<f32>(place + further));
  for (let c: usize = 0; c < pixel; c += 16) {
    const at = dy + c;
    storeFirst(dx + c, f32x4.add(ifWon(at, other, here), ifWon(at - back, other, there)), pixel - c);
  }
}

function won4(dy: usize, line: usize, other: usize, pixel: usize, place: i32, right: i32, down: i32, dx: usize): void {
  const a = f32x4.splat(<f32>place);
  const b = f32x4.splat(<f32>(place + right));
  const d = f32x4.splat(<f32>(place + down));
  const e = f32x4.splat(<f32>(place + down + right));
  for (let c: usize = 0; c < pixel; c += 16) {
    const at = dy + c;
    const above = at - line;
    const sum = f32x4.add(ifWon(at, other, a), ifWon(at - pixel, other, b));
    storeFirst(dx + c, f32x4.add(f32x4.add(sum, ifWon(above, other, d)), ifWon(above - pixel, other, e)), pixel - c);
  }
}

function won(
  dy: usize,
  rows: i32,
  columns: i32,
  line: usize,
  other: usize,
  pixel: usize,
  place: i32,
  right: i32,
  down: i32,
  dx: usize,
): void {
  for (let c: usize = 0; c < pixel; c += 16) {
    let sum = f32x4.splat(0);
    for (let i = 0; i < rows; i++) {
      let at = dy + c - <usize>i * line;
      for (let j = 0; j < columns; j++, at -= pixel)
        sum = f32x4.add(sum, ifWon(at, other, f32x4.splat(<f32>(place + i * down + j * right))));
    }
    storeFirst(dx + c, sum, pixel - c);
  }
}
