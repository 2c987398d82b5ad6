/**
 * The entropy-coded part of a baseline JPEG: bytes to coefficients. Source: ITU-T T.81, annexes B.1.1.5 (stuffed bytes), C (code
 * tables) and F.2.2 (decoding). Whatever is irregular is an error and not repaired: the caller has a slower decoder for that.
 */

/** This many bits of the stream are looked up at once; codes and coefficients that fit in them take one step. */
const LOOK: i32 = 10;
/**
 * In a table: by the next LOOK bits an entry (u32); by a code's length what to add to a code for its place among the symbols, the end of
 * its codes in 16 bits (i32); the symbols; of AC coefficients also, by the next LOOK bits, the code in them (length, symbol) and how far
 * all codes in them lead (u16 each).
 */
const OFFSETS: usize = 4 << LOOK;
const ENDS: usize = OFFSETS + 4 * 17;
const SYMBOLS: usize = ENDS + 4 * 17;
const CODES: usize = SYMBOLS + 256;
const LEAPS: usize = CODES + (2 << LOOK);
const TABLE: usize = LEAPS + (2 << LOOK);
/** A leap: bits to take, coefficients to pass from LEAP_PASSED on, and whether the block ends there. */
const LEAP_BITS: i32 = 31;
const LEAP_PASSED: i32 = 5;
const LEAP_ENDS: i32 = 1 << 15;
/** Bits that coefficients of 8-bit samples may have (T.81, tables F.1 and F.2). */
const MOST_DC_BITS: i32 = 11;
const MOST_AC_BITS: i32 = 10;
const MOST_DC: i32 = 2047;

/** Where the k-th coefficient of a block lies, in bytes; behind them room for a k that goes too far. */
const NATURAL: usize = memory.data<u8>([
  0, 2, 16, 32, 18, 4, 6, 20, 34, 48, 64, 50, 36, 22, 8, 10, 24, 38, 52, 66, 80, 96, 82, 68, 54, 40, 26, 12, 14, 28, 42, 56, 70, 84, 98,
  112, 114, 100, 86, 72, 58, 44, 30, 46, 60, 74, 88, 102, 116, 118, 104, 90, 76, 62, 78, 92, 106, 120, 122, 108, 94, 110, 124, 126, 126,
  126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126,
]);

/** The next bits of the stream, the first one on top; how many of them hold; the next byte to load. */
let bits: u64 = 0;
let count: i32 = 0;
let at: usize = 0;

/** Reading begins at an address. Up to 8 bytes past the stream are loaded. */
export function beginBits(address: usize): void {
  bits = 0;
  count = 0;
  at = address;
}
/** The bits up to here have been used from `address` on. */
export function usedBits(address: usize): i64 {
  return ((<i64>(at - address)) << 3) - count;
}

/** The value that the `size` top bits of `next` stand for (T.81, F.2.2.1, EXTEND); size from 1 to 16. */
function extended(next: u64, size: i32): i32 {
  const value = <i32>(next >> (64 - size));
  return value - select<i32>(0, (1 << size) - 1, <i64>next < 0);
}
/** 8 bytes from an address, the first one on top. */
function bigEndian(address: usize): u64 {
  const bytes = v128.load64_zero(address);
  return i64x2.extract_lane(i8x16.shuffle(bytes, bytes, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0);
}

/**
 * Builds the table of one Huffman code at `table` (9 KB) from its specification in the file: 16 numbers of codes by length, then the
 * symbols. 1 if it is one of coefficients of 8-bit images, else 0.
 */
export function jpegTable(specification: usize, table: usize, dc: i32): i32 {
  memory.fill(table, 0, TABLE);
  let code = 0;
  let index = 0;
  for (let length = 1; length <= 16; length++, code <<= 1) {
    const codes = <i32>load<u8>(specification + length - 1);
    if (index + codes > 256) return 0;
    store<i32>(table + OFFSETS + (length << 2), index - code);
    for (let i = 0; i < codes; i++, code++, index++) {
      const symbol = <i32>load<u8>(specification + 16 + index);
      if ((dc ? symbol : symbol & 15) > (dc ? MOST_DC_BITS : MOST_AC_BITS)) return 0;
      store<u8>(table + SYMBOLS + index, symbol);
      if (length <= LOOK && code < 1 << length) fill(table, code, length, symbol, dc);
    }
    // no code consists of ones only
    if (codes > 0 && code >= 1 << length) return 0;
    store<i32>(table + ENDS + (length << 2), code << (16 - length));
  }
  if (!dc) fillLeaps(table);
  return 1;
}

/** Codes that lie in the LOOK bits one after the other; of the last one's coefficient the bits need not. 0: not one does. */
function fillLeaps(table: usize): void {
  for (let i = 0; i < 1 << LOOK; i++) {
    let taken = 0;
    let passed = 0;
    let ends = 0;
    while (taken < LOOK && !ends) {
      const code = <i32>load<u16>(table + CODES + ((<usize>((i << taken) & ((1 << LOOK) - 1))) << 1));
      const length = code & 255;
      // what stands behind the window is not known
      if (code === 0 || taken + length > LOOK) break;
      const size = (code >> 8) & 15;
      const run = code >> 12;
      if (size === 0 && run < 15) ends = LEAP_ENDS;
      else if (passed + run + 1 > 63) break;
      else passed += run + 1;
      taken += length + size;
    }
    store<u16>(table + LEAPS + ((<usize>i) << 1), ends | (passed << LEAP_PASSED) | taken);
  }
}

/**
 * All entries that begin with a code. Low byte: bits to take; second byte and upper half: for an AC coefficient how far it lies
 * from the last one, and its value; for a DC difference 128 and its value. What does not fit has the symbol in the second byte
 * (below 128 for DC) and no value, and only the code's bits are to be taken. An entry of 0: a longer code.
 */
function fill(table: usize, code: i32, length: i32, symbol: i32, dc: i32): void {
  const rest = LOOK - length;
  const size = dc ? symbol : symbol & 15;
  for (let j = 0; j < 1 << rest; j++) {
    let entry: i32;
    if (size <= rest && (size > 0 || dc)) {
      const value = size > 0 ? extended((<u64>j) << (64 - rest), size) : 0;
      entry = (value << 16) | (dc ? 128 << 8 : ((symbol >> 4) + 1) << 8) | (length + size);
    } else entry = (symbol << 8) | length;
    store<i32>(table + (((code << rest) | j) << 2), entry);
    store<u16>(table + CODES + (((code << rest) | j) << 1), (symbol << 8) | length);
  }
}

/** The entry of a code with more than LOOK bits: symbol and length as in the table; 0 if there is no such code. */
function longCode(table: usize, next: u64): i32 {
  const sixteen = <i32>(next >> 48);
  for (let length = LOOK + 1; length <= 16; length++) {
    if (sixteen < load<i32>(table + ENDS + (length << 2))) {
      const index = (sixteen >> (16 - length)) + load<i32>(table + OFFSETS + (length << 2));
      return ((<i32>load<u8>(table + SYMBOLS + (index & 255))) << 8) | length;
    }
  }
  return 0;
}

/** The first coefficient of a block, as a change of the last one. 0 if the stream is damaged. */
function decodeMean(dc: usize, predictor: usize): bool {
  let next = bits | (bigEndian(at) >> count);
  at += (63 - count) >> 3;
  let held = count | 56;
  let entry = load<i32>(dc + ((<usize>(next >> (64 - LOOK))) << 2));
  let difference = entry >> 16;
  if (!(entry & 0x8000)) {
    if (entry === 0) entry = longCode(dc, next);
    if (entry === 0) return false;
    next <<= entry & 255;
    held -= entry & 255;
    const size = (entry >> 8) & 127;
    if (size > 0) difference = extended(next, size);
    entry = size;
  }
  bits = next << (entry & 255);
  count = held - (entry & 255);
  const value = load<i32>(predictor) + difference;
  store<i32>(predictor, value);
  return value <= MOST_DC && value >= -MOST_DC;
}

/**
 * As `decodeBlock`, of whose coefficients nothing but the first is wanted, at `predictor`: the codes of the others are passed several
 * at a time. 0 if the stream is damaged.
 */
export function skipBlock(dc: usize, ac: usize, predictor: usize): bool {
  if (!decodeMean(dc, predictor)) return false;
  let next = bits;
  let held = count;
  let from = at;
  let k = 0;
  while (k < 63) {
    next |= bigEndian(from) >> held;
    from += (63 - held) >> 3;
    held |= 56;
    // a leap takes up to 20 bits; behind one as many are left as any code needs
    let leap = <i32>load<u16>(ac + LEAPS + ((<usize>(next >> (64 - LOOK))) << 1));
    // codes behind the block's end are not this one's
    if (leap && k + ((leap >> LEAP_PASSED) & 63) < 63) {
      k += (leap >> LEAP_PASSED) & 63;
      next <<= leap & LEAP_BITS;
      held -= leap & LEAP_BITS;
      if (leap & LEAP_ENDS) break;
      leap = <i32>load<u16>(ac + LEAPS + ((<usize>(next >> (64 - LOOK))) << 1));
      if (leap && k + ((leap >> LEAP_PASSED) & 63) < 63) {
        k += (leap >> LEAP_PASSED) & 63;
        next <<= leap & LEAP_BITS;
        held -= leap & LEAP_BITS;
        if (leap & LEAP_ENDS) break;
        continue;
      }
    }
    const code = <i32>load<u16>(ac + CODES + ((<usize>(next >> (64 - LOOK))) << 1)) || longCode(ac, next);
    if (code === 0) return false;
    const length = (code & 255) + ((code >> 8) & 15);
    next <<= length;
    held -= length;
    if (!(code & 0xf00) && code >> 12 < 15) break;
    k += (code >> 12) + 1;
  }
  bits = next;
  count = held;
  at = from;
  return k <= 63;
}

/** One block of coefficients, in natural order (i16 [8, 8]) over zeros. 0 if the stream is damaged, else 1 + the place in zigzag order of the last one. */
export function decodeBlock(block: usize, dc: usize, ac: usize, predictor: usize): i32 {
  if (!decodeMean(dc, predictor)) return 0;
  store<i16>(block, load<i32>(predictor));
  let next = bits;
  let held = count;
  let from = at;
  let entry: i32;
  let k: usize = 0;
  while (k < 63) {
    next |= bigEndian(from) >> held;
    from += (63 - held) >> 3;
    held |= 56;
    // three that fit take at most 30 bits; 26 are left, enough for any other
    entry = load<i32>(ac + ((<usize>(next >> (64 - LOOK))) << 2));
    if (entry >> 16) {
      next <<= entry & 255;
      held -= entry & 255;
      k += (entry >> 8) & 255;
      store<i16>(block + load<u8>(NATURAL + k), entry >> 16);
      if (k >= 63) break;
      entry = load<i32>(ac + ((<usize>(next >> (64 - LOOK))) << 2));
      if (entry >> 16) {
        next <<= entry & 255;
        held -= entry & 255;
        k += (entry >> 8) & 255;
        store<i16>(block + load<u8>(NATURAL + k), entry >> 16);
        if (k >= 63) break;
        entry = load<i32>(ac + ((<usize>(next >> (64 - LOOK))) << 2));
        if (entry >> 16) {
          next <<= entry & 255;
          held -= entry & 255;
          k += (entry >> 8) & 255;
          store<i16>(block + load<u8>(NATURAL + k), entry >> 16);
          continue;
        }
      }
    }
    if (entry === 0) entry = longCode(ac, next);
    if (entry === 0) return 0;
    next <<= entry & 255;
    held -= entry & 255;
    const size = (entry >> 8) & 15;
    const run = (entry >> 12) & 15;
    if (size > 0) {
      k += run + 1;
      store<i16>(block + load<u8>(NATURAL + k), extended(next, size));
      next <<= size;
      held -= size;
    } else if (run === 15) k += 16;
    else break;
  }
  bits = next;
  count = held;
  at = from;
  return k > 63 ? 0 : <i32>k + 1;
}

/**
 * Copies the data of a scan without the zero bytes that are stuffed behind each 0xff, and splits it at its restart markers.
 * For each interval its begin and end are written to `intervals` (u32 each); behind each are 16 zero bytes. The number of
 * intervals; 0 if there are more than `most`, a marker is out of turn, or the image does not end behind its only scan. The copy may
 * overwrite what has been read, if `to` is 16 bytes for each interval and 32 more before `from`.
 */
export function jpegIntervals(from: usize, past: usize, to: usize, intervals: usize, most: i32): i32 {
  const ones = i8x16.splat(-1);
  let restarts = 0;
  let begin = to;
  while (from < past) {
    while (from + 16 <= past) {
      const sixteen = v128.load(from);
      v128.store(to, sixteen);
      const found = i8x16.bitmask(i8x16.eq(sixteen, ones));
      if (found) {
        const before = ctz(found);
        from += before;
        to += before;
        break;
      }
      from += 16;
      to += 16;
    }
    if (from + 1 >= past) return 0;
    const byte = load<u8>(from++);
    if (byte !== 0xff) {
      store<u8>(to++, byte);
      continue;
    }
    let marker = load<u8>(from++);
    if (marker === 0) {
      store<u8>(to++, 0xff);
      continue;
    }
    // any number of fill bytes may stand before a marker
    while (marker === 0xff && from < past) marker = load<u8>(from++);
    store<u32>(intervals + (restarts << 3), <u32>begin);
    store<u32>(intervals + (restarts << 3), <u32>to, 4);
    v128.store(to, i8x16.splat(0));
    restarts++;
    if (marker === 0xd9) return restarts;
    if (marker !== 0xd0 + ((restarts - 1) & 7) || restarts >= most) return 0;
    to += 16;
    begin = to;
  }
  return 0;
}
