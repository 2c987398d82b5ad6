/**
 * Convolutions of stride s as ones of stride 1: blocks of s × s pixels become pixels with s² times the channels (space to
 * depth), and the filters are cut the same way. `core/ops/variants/convWasmBlocks.ts` says when.
 */

/**
 * Images [N,H,W,C] with zeros around them as [N,height,width, s·s·C]. Pixel (b,d) holds rows b·s − padding and following and
 * columns d·s − padding and following, row by row. Units are rows of the result.
 */
export function blockImages(
  start: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  y: usize,
  H: i32,
  W: i32,
  C: i32,
  padding: i32,
  s: i32,
  height: i32,
  width: i32,
): void {
  const run = (<usize>(s * C)) << 2;
  const pixel = (<usize>C) << 2;
  const block = <usize>s * run;
  // blocks of which every column lies inside the image
  const firstInside = min((padding + s - 1) / s, width);
  const pastInside = max(firstInside, min((W + padding) / s, width));
  for (let unit = start; unit < end; unit++) {
    const n = unit / height;
    const top = (unit % height) * s - padding;
    for (let i = 0; i < s; i++) {
      const h = top + i;
      const inside = <u32>h < <u32>H;
      const line = x + <usize>((n * H + h) * W) * pixel;
      let to = y + <usize>(unit * width) * block + <usize>i * run;
      for (let d = 0; d < width; d++) {
        const left = d * s - padding;
        if (!inside) memory.fill(to, 0, run);
        else if (d < firstInside || d >= pastInside) {
          for (let j = 0; j < s; j++) {
            const w = left + j;
            const at = to + <usize>j * pixel;
            if (<u32>w < <u32>W) copyFloats(line + <usize>w * pixel, at, at + pixel);
            else memory.fill(at, 0, pixel);
          }
        } else if (run >= 16 && run <= 32) {
          // as ResNet's three colors of two pixels: two vectors that overlap
          const from = line + <usize>left * pixel;
          v128.store(to, v128.load(from));
          v128.store(to + run - 16, v128.load(from + run - 16));
        } else copyFloats(line + <usize>left * pixel, to, to + run);
        to += block;
      }
    }
  }
}

function copyFloats(from: usize, to: usize, past: usize): void {
  const whole = to + 16 <= past;
  for (; to + 16 <= past; to += 16) {
    v128.store(to, v128.load(from));
    from += 16;
  }
  if (to < past && whole) {
    // the last vector once more, over what is there already
    const rest = past - to;
    v128.store(past - 16, v128.load(from + rest - 16));
    return;
  }
  for (; to < past; to += 4) {
    store<f32>(to, load<f32>(from));
    from += 4;
  }
}

/**
 * Filters [R,S,C·K] as [B,B, s·s, C·K], B per side: row b · s + i of the filter is row i of block b, and zero from R on; columns are
 * the same. `floats` is C · K. Units are (block row, block column, i, j).
 */
export function blockFilters(
  start: i32,
  end: i32,
  _scratch: usize,
  weight: usize,
  blocks: usize,
  R: i32,
  S: i32,
  floats: i32,
  s: i32,
  B: i32,
): void {
  const size = (<usize>floats) << 2;
  for (let unit = start; unit < end; unit++) {
    const block = unit / (s * s);
    const at = unit % (s * s);
    const r = (block / B) * s + at / s;
    const c = (block % B) * s + (at % s);
    const to = blocks + <usize>unit * size;
    if (r < R && c < S) memory.copy(to, weight + <usize>(r * S + c) * size, size);
    else memory.fill(to, 0, size);
  }
}

/** The way back, for gradients: what belongs to no weight is left out. Units are (row, column) of the filter. */
export function unblockFilters(
  start: i32,
  end: i32,
  _scratch: usize,
  blocks: usize,
  weight: usize,
  S: i32,
  floats: i32,
  s: i32,
  B: i32,
): void {
  const size = (<usize>floats) << 2;
  for (let unit = start; unit < end; unit++) {
    const r = unit / S;
    const c = unit % S;
    const block = (r / s) * B + c / s;
    const at = block * s * s + (r % s) * s + (c % s);
    memory.copy(weight + <usize>unit * size, blocks + <usize>at * size, size);
  }
}
