/**
 * How images are cut into tiles, and in which order tiles are numbered.
 *
 * Of the six places along a side of a tile the last one, of the point ∞, has a part only in the last of `size` outputs. So a tile
 * of one output less takes five places, and images whose size is no multiple of `size` are best cut into tiles of both lengths:
 * 14 outputs into 4 + 4 + 3 + 3 (22 places instead of 24), 7 into 4 + 3 (11 instead of 12). Long ones come first. Convolutions of
 * stride 2 have a last place too, of the point -b (`winogradStride2Tiles.ts`).
 *
 * Tiles of all images are numbered such that those that have a place are neighbours whatever the place: first the tiles that are
 * long only across, then those long in both directions, then those long only down, last those that are short in both.
 * A range is where such neighbours begin and end; there are four kinds: of the places that all tiles have, of those in the last
 * column, of those in the last line, and of the place in both.
 */

/** i32 cells of the table that the functions share. Cut: tiles across and down, and how many of them are long. */
const ACROSS: usize = 0;
const DOWN: usize = 4;
const LONG_ACROSS: usize = 8;
const LONG_DOWN: usize = 12;
const SIZE: usize = 16;
/** Where each of the four groups ends. */
const ENDS: usize = 20;
/** Of the tile last found: image, first output row and column, rows and columns. */
const IMAGE: usize = 36;
const TOP: usize = 40;
const LEFT: usize = 44;
const ROWS: usize = 48;
const COLUMNS: usize = 52;
/** Begin and end of each kind's range within the block last taken. */
const RANGES: usize = 56;
/** Bytes of the table. */
export const ORDER_BYTES: i32 = 128;

/** How many of the tiles along `length` outputs are long. */
function longOf(length: i32, size: i32): i32 {
  return max(0, length - ((length + size - 1) / size) * (size - 1));
}

/** Fills the table for `tiles` tiles of images of height × width outputs. */
export function cut(order: usize, tiles: i32, height: i32, width: i32, size: i32): void {
  const down = (height + size - 1) / size;
  const across = (width + size - 1) / size;
  const longDown = longOf(height, size);
  const longAcross = longOf(width, size);
  const images = tiles / (down * across);
  store<i32>(order, across, ACROSS);
  store<i32>(order, down, DOWN);
  store<i32>(order, longAcross, LONG_ACROSS);
  store<i32>(order, longDown, LONG_DOWN);
  store<i32>(order, size, SIZE);
  let end = images * (down - longDown) * longAcross;
  store<i32>(order, end, ENDS);
  end += images * longDown * longAcross;
  store<i32>(order, end, ENDS + 4);
  end += images * longDown * (across - longAcross);
  store<i32>(order, end, ENDS + 8);
  store<i32>(order, tiles, ENDS + 12);
}

/** Finds where a tile is. */
export function find(order: usize, tile: i32): void {
  const longAcross = load<i32>(order, LONG_ACROSS);
  const longDown = load<i32>(order, LONG_DOWN);
  const size = load<i32>(order, SIZE);
  let group: usize = 0;
  while (tile >= load<i32>(order + (group << 2), ENDS)) group++;
  const isLongAcross = group < 2;
  const isLongDown = group === 1 || group === 2;
  const index = group === 0 ? tile : tile - load<i32>(order + (group << 2), ENDS - 4);
  const columns = isLongAcross ? longAcross : load<i32>(order, ACROSS) - longAcross;
  const rows = isLongDown ? longDown : load<i32>(order, DOWN) - longDown;
  const row = (index / columns) % rows;
  const column = index % columns;
  store<i32>(order, index / (columns * rows), IMAGE);
  store<i32>(order, isLongDown ? row * size : longDown * size + row * (size - 1), TOP);
  store<i32>(order, isLongAcross ? column * size : longAcross * size + column * (size - 1), LEFT);
  store<i32>(order, isLongDown ? size : size - 1, ROWS);
  store<i32>(order, isLongAcross ? size : size - 1, COLUMNS);
}
export function image(order: usize): i32 {
  return load<i32>(order, IMAGE);
}
/** The first of the tile's output rows and columns. */
export function top(order: usize): i32 {
  return load<i32>(order, TOP);
}
export function left(order: usize): i32 {
  return load<i32>(order, LEFT);
}
/** How many outputs the tile has; some may lie beside the image. */
export function rows(order: usize): i32 {
  return load<i32>(order, ROWS);
}
export function columns(order: usize): i32 {
  return load<i32>(order, COLUMNS);
}

/** Which range a place takes: 0 to 3. */
export function kindOf(place: i32): i32 {
  return (place % 6 === 5 ? 1 : 0) + (place >= 30 ? 2 : 0);
}
/** Keeps the ranges of the kinds within the `count` tiles from the `first` on. */
export function takeRanges(order: usize, first: i32, count: i32): void {
  for (let kind: usize = 0; kind < 4; kind++) {
    const from = kind >= 2 ? load<i32>(order, ENDS) : 0;
    const to = load<i32>(order + (kind === 0 ? 12 : kind === 2 ? 8 : 4), ENDS);
    const begin = min(first + count, max(first, from));
    store<i32>(order + (kind << 3), begin, RANGES);
    store<i32>(order + (kind << 3), max(begin, min(first + count, to)), RANGES + 4);
  }
}
export function begins(order: usize, kind: i32): i32 {
  return load<i32>(order + ((<usize>kind) << 3), RANGES);
}
export function ends(order: usize, kind: i32): i32 {
  return load<i32>(order + ((<usize>kind) << 3), RANGES + 4);
}
