/**
 * File names are bytes on Linux, in no encoding that anyone checks. As strings they are UTF-8, and each byte that is not is kept
 * as a lone surrogate from U+DC80 to U+DCFF, as Python does (PEP 383), so that no name is lost and a file found can be opened.
 */
export function nameOf(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  // nearly every name
  if (!text.includes('\ufffd')) return text;
  let name = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceAt(bytes, at);
    name += length > 0 ? decoder.decode(bytes.subarray(at, at + length)) : String.fromCharCode(0xdc00 + bytes[at]);
    at += Math.max(1, length);
  }
  return name;
}

/** What the system wants to be asked for, of a path with such names. */
export function systemPath(path: string): string | Buffer {
  if (!/[\udc80-\udcff]/.test(path)) return path;
  const parts = path.split(/(?<![\ud800-\udbff])([\udc80-\udcff])/);
  return Buffer.concat(parts.map((part, i) => (i % 2 ? Buffer.of(part.charCodeAt(0) - 0xdc00) : Buffer.from(part))));
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** Bytes of the character that begins here; 0 if none does. */
function sequenceAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  try {
    strict.decode(bytes.subarray(at, at + length));
    return Math.min(length, bytes.length - at);
  } catch {
    return 0;
  }
}
