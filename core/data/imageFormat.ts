/** What a file's first bytes say that it is: its name says nothing. */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'avif';

/** What is not read may still be a `picture`, which a converter would read. */
type Format = { readonly read: ImageFormat } | { readonly refused: string; readonly picture: boolean };

const picture = (refused: string): Format => ({ refused, picture: true });
const other = (refused: string): Format => ({ refused, picture: false });

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
  if (head.startsWith('BM')) return picture('a BMP picture');
  if (head === '\0\0\x01\0') return picture('an icon (ICO)');
  if (head === '8BPS') return picture('a Photoshop document');
  if (head === '%PDF') return picture('a PDF document');
  if (head === '\0\0\0\x0c' || head === '\xff\x4f\xff\x51') return picture('a JPEG 2000 or JPEG XL picture');
  if (head.startsWith('\x1f\x8b')) return other('compressed with gzip');
  if (head.startsWith('PK')) return other('a ZIP archive');
  return written(text(0, 1024).trimStart().toLowerCase());
}

/** ISO base media files: the brand says what is inside, or the brands after it do. */
function boxed(brand: string, others: string): Format {
  const brands = `${brand}${others}`;
  if (/avi[fs]/.test(brands)) return { read: 'avif' };
  return /hei[cxms]|hev[cx]|mif1|msf1/.test(brands) ? picture('a HEIC picture') : other('a film');
}

/** `start`: lower case, without white space before it. */
function written(start: string): Format | undefined {
  const markup = start.replace(/^\xef\xbb\xbf/, '');
  if (/^<(!doctype html|html|head|body)/.test(markup)) return other('an HTML page');
  if (/^<svg|^<(\?xml|!doctype svg|!--)[\s\S]*<svg/.test(markup)) return picture('an SVG drawing');
  return markup.startsWith('<?xml') ? other('an XML document') : undefined;
}
