/** Sums over all pixels, per channel, in two launches: chunks of pixels, then the chunks' sums. */
import { addMaskedRows, addRows, BLOCK, clear, fold } from './rows';
import { storeFirst } from './vector';

/** Channels of one unit of work of the second launch. */
const FEW: i32 = 64;

/**
 * partial[chunk, c] = Σ dy over the `length` pixels of the chunk. With a y, dy = 0 where y is not above 0, in place, comes first.
 * Units are chunk · ⌈C / 2048⌉ + block of channels. Scratch: a row of 2048 floats.
 *
 * @param y address, 0 for none
 * @param length a multiple of `repeat`
 * @param repeat pixels of a row, 1 if C > 2048
 */
export function channelSums(
  start: i32,
  end: i32,
  scratch: usize,
  dy: usize,
  y: usize,
  partial: usize,
  pixels: i32,
  C: i32,
  length: i32,
  repeat: i32,
): void {
  const blocks = (C + BLOCK - 1) / BLOCK;
  const pixel = (<usize>C) << 2;
  const stride = pixel * <usize>repeat;
  for (let unit = start; unit < end; unit++) {
    const chunk = unit / blocks;
    const channel = (unit - chunk * blocks) * BLOCK;
    const channels = min(BLOCK, C - channel);
    const bytes = (<usize>(channels * repeat)) << 2;
    const count = min(length, pixels - chunk * length);
    const rows = count / repeat;
    const rest = <usize>(count - rows * repeat) * pixel;
    const at = <usize>(chunk * length) * pixel + ((<usize>channel) << 2);
    const last = at + <usize>rows * stride;
    clear(scratch, bytes);
    if (y) {
      addMaskedRows(dy + at, y + at, rows, stride, bytes, scratch);
      if (rest) addMaskedRows(dy + last, y + last, 1, stride, rest, scratch);
    } else {
      addRows(dy + at, rows, stride, bytes, scratch);
      if (rest) addRows(dy + last, 1, stride, rest, scratch);
    }
    fold(scratch, repeat, channels, partial + <usize>chunk * pixel + ((<usize>channel) << 2));
  }
}

/** sums[c] = Σ_chunk partial[chunk, c]. Units are blocks of 64 channels. Scratch: 256 bytes. */
export function combineSums(start: i32, end: i32, scratch: usize, partial: usize, sums: usize, chunks: i32, C: i32): void {
  for (let unit = start; unit < end; unit++) {
    const bytes = (<usize>min(FEW, C - unit * FEW)) << 2;
    const at = (<usize>(unit * FEW)) << 2;
    clear(scratch, bytes);
    addRows(partial + at, chunks, (<usize>C) << 2, bytes, scratch);
    for (let c: usize = 0; c < bytes; c += 16) storeFirst(sums + at + c, v128.load(scratch + c), bytes - c);
  }
}
