import { inflateSync } from 'node:zlib';
import type { RawPixels } from './rawPixels.ts';

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Above this the cost of the pixels outweighs what a call of sharp costs by itself (1 ms, whatever the size). */
const mostPixels = 128 * 128;
/** Chunks that say nothing about the pixels of a plain image; any other one is for sharp to understand. */
const harmless = new Set(['IDAT', 'tEXt', 'zTXt', 'iTXt', 'tIME', 'pHYs', 'gAMA', 'cHRM', 'sRGB', 'iCCP', 'sBIT', 'bKGD', 'hIST']);

/**
 * Decodes the PNGs that small data sets consist of: 8-bit grey or RGB, not interlaced, no transparency, no orientation, at most
 * 128 × 128 pixels (PNG specification, third edition, sections 9 and 11). Undefined for everything else, damaged files included: then it is sharp's
 * turn, with the same bytes as a result or the reason why not. The zlib checksum guards the pixels.
 */
export function decodeSmallPng(bytes: Uint8Array): RawPixels | undefined {
  if (bytes.length < 45 || signature.some((value, i) => bytes[i] !== value)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (chunkName(view, 8) !== 'IHDR') return undefined;
  const width = view.getUint32(16);
  const height = view.getUint32(20);
  const [bitDepth, colour, compression, filtering, interlaced] = bytes.subarray(24, 29);
  if (bitDepth !== 8 || (colour !== 0 && colour !== 2) || compression || filtering || interlaced) return undefined;
  if (width === 0 || height === 0 || width * height > mostPixels) return undefined;
  const data = imageData(bytes, view);
  if (!data) return undefined;
  const channels = colour === 0 ? 1 : 3;
  const expected = height * (1 + width * channels);
  try {
    const filtered = inflateSync(data, { maxOutputLength: expected });
    return filtered.length === expected ? unfilter(filtered, height, width, channels) : undefined;
  } catch {
    return undefined;
  }
}

function chunkName(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5), view.getUint8(at + 6), view.getUint8(at + 7));
}

/** The IDAT chunks in one piece, if the file is whole and holds nothing unusual. */
function imageData(bytes: Uint8Array, view: DataView): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  let at = 33;
  while (at + 12 <= bytes.length) {
    const length = view.getUint32(at);
    const name = chunkName(view, at);
    if (name === 'IEND') return parts.length === 1 ? parts[0] : Buffer.concat(parts);
    if (!harmless.has(name) || at + 12 + length > bytes.length) return undefined;
    if (name === 'IDAT') parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return undefined;
}

/** Each byte was stored as its difference from a guess by its neighbours: left (a), above (b) and above left (c). */
function unfilter(filtered: Uint8Array, height: number, width: number, channels: number): RawPixels | undefined {
  const run = width * channels;
  const data = new Uint8Array(height * run);
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (run + 1)];
    const from = y * (run + 1) + 1;
    const to = y * run;
    if (filter > 4) return undefined;
    for (let i = 0; i < run; i++) {
      const a = i >= channels ? data[to + i - channels] : 0;
      const b = y > 0 ? data[to + i - run] : 0;
      let guess = 0;
      if (filter === 1) guess = a;
      else if (filter === 2) guess = b;
      else if (filter === 3) guess = (a + b) >> 1;
      else if (filter === 4) guess = paeth(a, b, y > 0 && i >= channels ? data[to + i - run - channels] : 0);
      data[to + i] = filtered[from + i] + guess;
    }
  }
  return { data, height, width, channels };
}

function paeth(a: number, b: number, c: number): number {
  const toA = Math.abs(b - c);
  const toB = Math.abs(a - c);
  const toC = Math.abs(a + b - c - c);
  if (toA <= toB && toA <= toC) return a;
  return toB <= toC ? b : c;
}
