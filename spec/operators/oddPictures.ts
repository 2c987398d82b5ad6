import sharp, { type JpegOptions } from 'sharp';
import { hugePng } from '../pipelines/hugePng.ts';
import { arithmetic, cmyk, ycck } from './oddJpegs.ts';

/** What comes out of one odd file. Pixels are [row, column, r, g, b] of the untransformed picture, `within` that many steps. */
export interface OddPicture {
  readonly name: string;
  readonly bytes: () => Promise<Uint8Array> | Uint8Array;
  readonly size?: readonly [height: number, width: number];
  readonly pixels?: readonly (readonly [number, number, number, number, number])[];
  readonly within?: number;
  /** It is taken, and this is told. */
  readonly warning?: RegExp;
  /** It is a bad sample for this reason. */
  readonly refused?: string | RegExp;
}

const raw = (width: number, height: number, channels: 1 | 2 | 3 | 4) => ({ raw: { width, height, channels } });
/** 3 × 2 pixels, all different, in the middle of 8-bit's range. */
const six = Buffer.from([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 160, 170, 180]);
const sixPixels = [
  [0, 0, 10, 20, 30],
  [0, 2, 70, 80, 90],
  [1, 1, 130, 140, 150],
] as const;
/** 3 × 2 squares of 16 pixels in the colours of `six`, which a JPEG keeps. */
const squares = () => sharp(six, raw(3, 2, 3)).resize({ width: 48, height: 32, kernel: 'nearest', fit: 'fill' });
const squarePixels = [
  [8, 8, 10, 20, 30],
  [8, 40, 70, 80, 90],
  [24, 24, 130, 140, 150],
] as const;
const squared = { size: [32, 48], pixels: squarePixels, within: 3 } as const;
const jpeg = (options: JpegOptions = {}) =>
  squares()
    .jpeg({ quality: 95, ...options })
    .toBuffer();
const noise = () => sharp(Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24)), raw(64, 64, 3));
const cut = (bytes: Uint8Array, share: number) => bytes.subarray(0, Math.floor(bytes.length * share));
/** A JPEG with a block behind its first marker. */
const withBlock = (bytes: Uint8Array, marker: number, content: Uint8Array, at = 2) =>
  Buffer.concat([
    bytes.subarray(0, at),
    Buffer.of(0xff, marker, (content.length + 2) >> 8, (content.length + 2) & 255),
    content,
    bytes.subarray(at),
  ]);
const exif = (rest: Uint8Array) => Buffer.concat([Buffer.from('Exif\0\0'), rest]);
/** A TIFF directory with the orientation alone. */
export const orientationBlock = (orientation: number) =>
  exif(Buffer.from([0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]));
/** Where the marker stands. */
const markerAt = (bytes: Uint8Array, marker: number) => bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === marker);

const turned = [
  [8, 8, 100, 110, 120],
  [8, 24, 10, 20, 30],
  [40, 8, 160, 170, 180],
] as const;
const html = '<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>gone</body></html>';
const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
const refusedAs = (what: string) => `it is ${what}, which is not read: convert it to JPEG or PNG`;

export const oddPictures: readonly OddPicture[] = [
  // colours as Pillow's convert('RGB') has them
  { name: 'baseline', bytes: () => jpeg(), ...squared },
  { name: 'progressive', bytes: () => jpeg({ progressive: true }), ...squared },
  {
    name: 'arithmetic',
    bytes: () => arithmetic,
    size: [8, 16],
    pixels: [
      [0, 0, 1, 0, 5],
      [3, 5, 78, 95, 87],
      [7, 15, 242, 225, 241],
    ],
  },
  {
    name: 'cmyk',
    bytes: () => cmyk,
    size: [8, 16],
    pixels: [
      [0, 0, 254, 254, 254],
      [3, 5, 148, 135, 141],
      [7, 15, 8, 16, 7],
      [1, 12, 39, 139, 69],
    ],
  },
  {
    name: 'ycck',
    bytes: () => ycck,
    size: [8, 16],
    pixels: [
      [0, 0, 0, 133, 0],
      [3, 5, 21, 100, 19],
      [7, 15, 135, 66, 135],
      [1, 12, 135, 133, 16],
    ],
    within: 1,
  },
  // Pillow takes inks for inverted also where nothing says so; as Adobe's programs write them
  {
    name: 'cmyk-unmarked',
    bytes: () => Buffer.concat([cmyk.subarray(0, 2), cmyk.subarray(18)]),
    size: [8, 16],
    pixels: [
      [0, 0, 254, 254, 254],
      [3, 5, 148, 135, 141],
    ],
  },
  {
    name: 'cmyk-profile',
    bytes: async () => sharp(cmyk).keepIccProfile().toColourspace('cmyk').withIccProfile('cmyk').jpeg({ quality: 100 }).toBuffer(),
    size: [8, 16],
  },
  {
    name: 'grey',
    bytes: () => squares().toColourspace('b-w').jpeg({ quality: 95 }).toBuffer(),
    size: [32, 48],
    pixels: [
      [8, 8, 18, 18, 18],
      [8, 40, 78, 78, 78],
    ],
    within: 2,
  },
  {
    name: 'png-named-jpeg',
    bytes: () =>
      sharp(six, raw(3, 2, 3))
        .png()
        .toBuffer(),
    size: [2, 3],
    pixels: sixPixels,
  },
  {
    name: 'interlaced-png',
    bytes: () =>
      sharp(six, raw(3, 2, 3))
        .png({ progressive: true })
        .toBuffer(),
    size: [2, 3],
    pixels: sixPixels,
  },
  {
    name: 'palette-png',
    bytes: () =>
      sharp(six, raw(3, 2, 3))
        .png({ palette: true, effort: 1 })
        .toBuffer(),
    size: [2, 3],
    pixels: sixPixels,
    // sharp's quantizer rounds
    within: 1,
  },
  // on black
  {
    name: 'alpha-png',
    bytes: () =>
      sharp(Buffer.from([200, 100, 0, 128, 200, 100, 0, 255, 200, 100, 50, 0]), raw(3, 1, 4))
        .png()
        .toBuffer(),
    size: [1, 3],
    pixels: [
      [0, 0, 100, 50, 0],
      [0, 1, 200, 100, 0],
      [0, 2, 0, 0, 0],
    ],
  },
  {
    name: 'alpha-webp',
    bytes: () =>
      sharp(Buffer.from([200, 100, 0, 128, 200, 100, 0, 255]), raw(2, 1, 4))
        .webp({ lossless: true })
        .toBuffer(),
    size: [1, 2],
    pixels: [
      [0, 0, 100, 50, 0],
      [0, 1, 200, 100, 0],
    ],
  },
  // the upper byte
  {
    name: '16-bit-png',
    bytes: () =>
      sharp(Uint16Array.from([0, 0xffff, 0x80ff, 0x1234, 0x00ff, 0xff00]), raw(2, 1, 3))
        .toColourspace('rgb16')
        .png()
        .toBuffer(),
    size: [1, 2],
    pixels: [
      [0, 0, 0, 255, 128],
      [0, 1, 0x12, 0, 255],
    ],
  },
  {
    name: '16-bit-grey-png',
    bytes: () =>
      sharp(Uint16Array.from([0x80ff, 0x1234]), raw(2, 1, 1))
        .toColourspace('grey16')
        .png()
        .toBuffer(),
    size: [1, 2],
    pixels: [
      [0, 0, 128, 128, 128],
      [0, 1, 0x12, 0x12, 0x12],
    ],
  },
  // the first frame
  {
    name: 'animated-gif',
    bytes: () =>
      sharp(Buffer.concat([Buffer.alloc(12, 10), Buffer.alloc(12, 200)]), { raw: { width: 2, height: 4, channels: 3, pageHeight: 2 } })
        .gif()
        .toBuffer(),
    size: [2, 2],
    pixels: [[1, 1, 10, 10, 10]],
  },
  {
    name: 'animated-webp',
    bytes: () =>
      sharp(Buffer.concat([Buffer.alloc(12, 10), Buffer.alloc(12, 200)]), { raw: { width: 2, height: 4, channels: 3, pageHeight: 2 } })
        .webp({ lossless: true })
        .toBuffer(),
    size: [2, 2],
    pixels: [[1, 1, 10, 10, 10]],
  },
  {
    name: 'tiff',
    bytes: () =>
      sharp(six, raw(3, 2, 3))
        .tiff({ compression: 'lzw' })
        .toBuffer(),
    size: [2, 3],
    pixels: sixPixels,
  },
  { name: 'avif', bytes: () => squares().avif({ quality: 90, effort: 0 }).toBuffer(), ...squared, within: 6 },

  // EXIF
  { name: 'exif-6', bytes: async () => withBlock(await jpeg(), 0xe1, orientationBlock(6)), size: [48, 32], pixels: turned, within: 3 },
  {
    name: 'exif-6-behind-the-frame',
    bytes: async () => {
      const plain = await jpeg();
      return withBlock(plain, 0xe1, orientationBlock(6), markerAt(plain, 0xda));
    },
    size: [48, 32],
    pixels: turned,
    within: 3,
  },
  { name: 'exif-9', bytes: async () => withBlock(await jpeg(), 0xe1, orientationBlock(9)), ...squared },
  { name: 'exif-random', bytes: async () => withBlock(await jpeg(), 0xe1, exif(Buffer.alloc(90, 'odd'))), ...squared },
  { name: 'exif-empty', bytes: async () => withBlock(await jpeg(), 0xe1, exif(Buffer.alloc(0))), ...squared },
  { name: 'exif-cut', bytes: async () => withBlock(await jpeg(), 0xe1, orientationBlock(6).subarray(0, 18)), ...squared },

  // damage
  {
    name: 'truncated',
    bytes: async () => cut(await noise().jpeg({ quality: 95 }).toBuffer(), 0.6),
    size: [64, 64],
    // libjpeg leaves the rest grey
    pixels: [[63, 63, 128, 128, 128]],
    within: 60,
    warning: /^it is damaged or cut short \(VipsJpeg: premature end of JPEG image\); what could be read of it was taken$/,
  },
  {
    name: 'truncated-progressive',
    bytes: async () => cut(await noise().jpeg({ progressive: true }).toBuffer(), 0.6),
    size: [64, 64],
    warning: /premature end of JPEG image/,
  },
  {
    name: 'truncated-in-exif-6',
    bytes: async () => cut(withBlock(await noise().jpeg().toBuffer(), 0xe1, orientationBlock(6)), 0.8),
    size: [64, 64],
    warning: /premature end of JPEG image/,
  },
  {
    name: 'broken-codes',
    bytes: async () => {
      const whole = await noise().jpeg({ quality: 95 }).toBuffer();
      const at = Math.floor(whole.length * 0.7);
      return Buffer.concat([whole.subarray(0, at), Buffer.of(255, 0, 255, 0, 255, 0), whole.subarray(at + 6)]);
    },
    size: [64, 64],
    warning: /^it is damaged or cut short \(VipsJpeg: Corrupt JPEG data: bad Huffman code\); what could be read of it was taken$/,
  },
  { name: 'truncated-header', bytes: async () => (await jpeg()).subarray(0, 200), refused: /^it is damaged/ },
  {
    name: 'truncated-png',
    bytes: async () => cut(await noise().png().toBuffer(), 0.6),
    refused: /^it is damaged or cut short \(vipspng: libpng read error\)$/,
  },
  {
    name: 'truncated-gif',
    bytes: async () => cut(await noise().gif().toBuffer(), 0.6),
    refused: /^it is damaged or cut short \(gifload_buffer: .*\)$/,
  },
  {
    name: 'truncated-webp',
    bytes: async () => cut(await noise().webp().toBuffer(), 0.6),
    refused: /^it is damaged or cut short \(webp: .*\)$/,
  },
  { name: 'truncated-tiff', bytes: async () => cut(await noise().tiff().toBuffer(), 0.6), refused: /^it is damaged/ },
  {
    name: 'truncated-avif',
    bytes: async () => cut(await noise().avif({ effort: 0 }).toBuffer(), 0.6),
    refused: /^it is damaged or cut short \(/,
  },

  // no pictures
  { name: 'empty', bytes: () => new Uint8Array(), refused: 'it is empty (0 bytes)' },
  { name: 'one-byte', bytes: () => Buffer.of(0xff), refused: 'it is not an image in a format that sharp reads' },
  {
    name: 'random',
    bytes: () => Buffer.from(Array.from({ length: 999 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24)),
    refused: 'it is not an image in a format that sharp reads',
  },
  { name: 'zeros', bytes: () => new Uint8Array(999), refused: 'it is not an image in a format that sharp reads' },
  {
    name: 'html',
    bytes: () => Buffer.from(html),
    refused: 'it is an HTML page, which is not read: get the picture itself, or remove the file',
  },
  { name: 'svg', bytes: () => Buffer.from(svg), refused: refusedAs('an SVG drawing') },
  {
    name: 'svg-with-head',
    bytes: () => Buffer.from(`<?xml version="1.0"?>\n<!-- drawn -->\n${svg}`),
    refused: refusedAs('an SVG drawing'),
  },
  { name: 'bmp', bytes: () => Buffer.concat([Buffer.from('BM'), Buffer.alloc(80)]), refused: refusedAs('a BMP picture') },
  { name: 'ico', bytes: () => Buffer.from([0, 0, 1, 0, 1, 0, 16, 16, 0, 0, 1, 0, 32, 0]), refused: refusedAs('an icon (ICO)') },
  {
    name: 'heic',
    bytes: () => Buffer.concat([Buffer.of(0, 0, 0, 24), Buffer.from('ftypheic\0\0\0\0mif1heic'), Buffer.alloc(40)]),
    refused: refusedAs('a HEIC picture'),
  },
  { name: 'pdf', bytes: () => Buffer.from('%PDF-1.4\n%….'), refused: refusedAs('a PDF document') },

  // sizes
  {
    name: 'one-pixel',
    bytes: () =>
      sharp(six.subarray(0, 3), raw(1, 1, 3))
        .png()
        .toBuffer(),
    size: [1, 1],
    pixels: [[0, 0, 10, 20, 30]],
  },
  {
    name: 'one-pixel-jpeg',
    bytes: () =>
      sharp(six.subarray(0, 3), raw(1, 1, 3))
        .jpeg({ quality: 100 })
        .toBuffer(),
    size: [1, 1],
    pixels: [[0, 0, 10, 20, 30]],
    within: 3,
  },
  {
    name: 'one-by-20000',
    bytes: () =>
      sharp({ create: { width: 20_000, height: 1, channels: 3, background: '#0a141e' } })
        .jpeg()
        .toBuffer(),
    size: [1, 20_000],
    pixels: [[0, 19_999, 10, 20, 30]],
    within: 3,
  },
  { name: 'bomb-png', bytes: () => hugePng(30_000), refused: 'it is 30000 x 30000 pixels, more than pixelLimit allows (100000000)' },
  {
    name: 'bomb-jpeg',
    bytes: async () => {
      const bytes = Buffer.from(await jpeg());
      bytes.writeUInt16BE(65_500, markerAt(bytes, 0xc0) + 5);
      bytes.writeUInt16BE(65_500, markerAt(bytes, 0xc0) + 7);
      return bytes;
    },
    refused: 'it is 65500 x 65500 pixels, more than pixelLimit allows (100000000)',
  },
];
