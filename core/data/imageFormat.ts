/** What a file's first bytes say that it is: its name says nothing. */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'avif';

type Format = { readonly read: ImageFormat } | { readonly refused: string };

/**
 * The format of a picture, or what it is instead, as far as people would like to know that: what comes through a browser is often
 * an error page, and SVG and HEIC lie beside photographs. Undefined where nothing is recognised.
 */
export function imageFormat(bytes: Uint8Array): Format | undefined {
  const text = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  const head = text(0, 4);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return { read: 'jpeg' };
  if (head === '\x89PNG') return { read: 'png' };
  if (head === 'GIF8') return { read: 'gif' };
  if (head === 'RIFF' && text(8, 12) === 'WEBP') return { read: 'webp' };
  if (head === 'II*\0' || head === 'MM\0*' || head === 'II+\0' || head === 'MM\0+') return { read: 'tiff' };
  if (text(4, 8) === 'ftyp') return boxed(text(8, 12), text(16, 48));
  if (head.startsWith('BM')) return { refused: 'a BMP picture' };
  if (head === '\0\0\x01\0') return { refused: 'an icon (ICO)' };
  if (head === '8BPS') return { refused: 'a Photoshop document' };
  if (head === '%PDF') return { refused: 'a PDF document' };
  if (head === '\0\0\0\x0c' || head === '\xff\x4f\xff\x51') return { refused: 'a JPEG 2000 or JPEG XL picture' };
  if (head.startsWith('\x1f\x8b')) return { refused: 'compressed with gzip' };
  if (head.startsWith('PK')) return { refused: 'a ZIP archive' };
  return written(text(0, 1024).trimStart().toLowerCase());
}

/** ISO base media files: the brand says what is inside, or the brands after it do. */
function boxed(brand: string, others: string): Format {
  const brands = `${brand}${others}`;
  if (/avi[fs]/.test(brands)) return { read: 'avif' };
  return { refused: /hei[cxms]|hev[cx]|mif1|msf1/.test(brands) ? 'a HEIC picture' : 'a film' };
}

/** `start`: lower case, without white space before it. */
function written(start: string): Format | undefined {
  const markup = start.replace(/^\xef\xbb\xbf/, '');
  if (/^<(!doctype html|html|head|body)/.test(markup)) return { refused: 'an HTML page' };
  if (/^<svg|^<(\?xml|!doctype svg|!--)[\s\S]*<svg/.test(markup)) return { refused: 'an SVG drawing' };
  return markup.startsWith('<?xml') ? { refused: 'an XML document' } : undefined;
}
