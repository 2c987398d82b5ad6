/**
 * Reading ahead. A product whose operands come from memory waits while they are gathered, and computes nothing; WebAssembly has no
 * instruction to prefetch. So what is to be gathered next is listed beforehand, and one byte of each of its lines is read now
 * and then between two blocks of sums, in the order of the addresses: the processor sees a slow stream and runs ahead of it. Only what
 * is contiguous is worth it: pieces of rows, lines in larger steps, or all at once made things slower.
 *
 * A list lies in scratch: 0 the next line, 4 the end of its segment, 8 its segment, 12 the end of the list, 16 lines in all, 20 what
 * was read (so that reading is not idle), from 32 on segments, first and past-the-last byte.
 */
const SEGMENTS: usize = 32;
/** Bytes of a list of four segments. */
export const AHEAD: usize = 64;
const LINE: usize = 64;

/** Empties the list at `ahead`, `AHEAD` bytes. */
export function listNothing(ahead: usize): void {
  store<u32>(ahead, <u32>(ahead + SEGMENTS), 12);
  store<u32>(ahead, 0, 16);
}

/** Appends a segment. */
export function listAhead(ahead: usize, from: usize, bytes: usize): void {
  const past = <usize>load<u32>(ahead, 12);
  store<u32>(past, <u32>from);
  store<u32>(past, <u32>(from + bytes), 4);
  store<u32>(ahead, <u32>(past + 8), 12);
  store<u32>(ahead, load<u32>(ahead, 16) + <u32>((bytes + LINE - 1) / LINE), 16);
}

/** How many lines are listed, at least 1. */
export function linesAhead(ahead: usize): i32 {
  return max(1, load<i32>(ahead, 16));
}

/** Begins with the first segment; returns how many lines to read at each of `calls` calls. */
export function beginAhead(ahead: usize, calls: i32): i32 {
  const first = ahead + SEGMENTS;
  store<u32>(ahead, load<u32>(first));
  store<u32>(ahead, load<u32>(first, 4), 4);
  store<u32>(ahead, <u32>first, 8);
  return (load<i32>(ahead, 16) + calls - 1) / calls;
}

/** Reads the next `lines` of the list, if there are any. */
export function readAhead(ahead: usize, lines: i32): void {
  const pastList = <usize>load<u32>(ahead, 12);
  let segment = <usize>load<u32>(ahead, 8);
  if (segment >= pastList) return;
  let line = <usize>load<u32>(ahead);
  let past = <usize>load<u32>(ahead, 4);
  let sum = load<i32>(ahead, 20);
  for (; lines > 0; lines--) {
    sum += <i32>load<u8>(line);
    line += LINE;
    if (line < past) continue;
    segment += 8;
    if (segment >= pastList) break;
    line = <usize>load<u32>(segment);
    past = <usize>load<u32>(segment, 4);
  }
  store<u32>(ahead, <u32>line);
  store<u32>(ahead, <u32>past, 4);
  store<u32>(ahead, <u32>segment, 8);
  store<i32>(ahead, sum, 20);
}
