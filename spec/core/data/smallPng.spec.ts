import assert from 'node:assert/strict';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { decodeSmallPng } from '../../../core/data/smallPng.ts';

const noise = (length: number) => Buffer.from(Array.from({ length }, (_, i) => Math.imul(i, 2654435761) >>> 24));
const encode = (height: number, width: number, channels: 1 | 3, options = {}) => {
  const image = sharp(noise(height * width * channels), { raw: { width, height, channels } });
  return (channels === 1 ? image.toColourspace('b-w') : image).png(options).toBuffer();
};

/** A PNG with the given filter in each row. */
function filtered(filters: readonly number[], width: number, channels: 1 | 3): Buffer {
  const rows = filters.map((filter, y) => Buffer.concat([Buffer.of(filter), noise(1000).subarray(100 * y, 100 * y + width * channels)]));
  const chunk = (name: string, data: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const body = Buffer.concat([Buffer.from(name), data]);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc(body));
    return Buffer.concat([length, body, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(filters.length, 4);
  header[8] = 8;
  header[9] = channels === 1 ? 0 : 2;
  const signature = Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.concat(rows))), chunk('IEND', Buffer.alloc(0))]);
}
function crc(bytes: Buffer): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return ~value >>> 0;
}

describe('decodeSmallPng', () => {
  it('should give the bytes that went in', async () => {
    for (const [height, width, channels] of [
      [28, 28, 1],
      [28, 28, 3],
      [1, 1, 1],
      [7, 13, 3],
      [128, 128, 3],
    ] as const) {
      for (const options of [{}, { adaptiveFiltering: true }, { compressionLevel: 0 }]) {
        const out = decodeSmallPng(await encode(height, width, channels, options));
        assert.deepEqual(out, { data: Uint8Array.from(noise(height * width * channels)), height, width, channels });
      }
    }
  });

  it('should undo every filter as libpng does, in every order', async () => {
    for (const channels of [1, 3] as const) {
      for (const filters of [
        [0, 1, 2, 3, 4],
        [4, 3, 2, 1, 0],
        [3, 3, 4, 4, 1],
        [2, 4, 0, 4, 3],
      ]) {
        const png = filtered(filters, 9, channels);
        const out = decodeSmallPng(png);
        const { data, info } = await sharp(png)
          .toColourspace(channels === 1 ? 'b-w' : 'srgb')
          .raw()
          .toBuffer({ resolveWithObject: true });
        assert.equal(info.channels, channels);
        assert.deepEqual([...(out?.data ?? [])], [...data], filters.join());
      }
    }
  });

  it('should leave to sharp what is not plain, not small or not whole', async () => {
    const plain = await encode(8, 8, 3);
    const broken = Buffer.from(plain);
    broken[broken.length - 24] ^= 0x55; // within the compressed pixels
    const alpha = sharp(noise(256), { raw: { width: 8, height: 8, channels: 4 } });
    for (const [name, png] of Object.entries({
      interlaced: await encode(8, 8, 3, { progressive: true }),
      palette: await encode(8, 8, 3, { palette: true }),
      large: await encode(129, 128, 1),
      alpha: await alpha.png().toBuffer(),
      turned: await sharp(plain).withMetadata({ orientation: 6 }).png().toBuffer(),
      wide: await sharp(new Uint16Array(64), { raw: { width: 8, height: 8, channels: 1 } })
        .toColourspace('grey16')
        .png()
        .toBuffer(),
      broken,
      cut: plain.subarray(0, plain.length - 20),
      'without end': plain.subarray(0, plain.length - 12),
      jpeg: await sharp(plain).jpeg().toBuffer(),
      empty: Buffer.alloc(0),
      'filter 5': filtered([0, 5], 4, 1),
    })) {
      assert.equal(decodeSmallPng(png), undefined, name);
    }
  });
});
