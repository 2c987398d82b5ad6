/** Each window's dy goes to the pixel that its index names: a row of pixels at a time, from the windows that cover it. */
import { storeFirst } from './vector';

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
