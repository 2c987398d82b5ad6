import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { ShrinkOnLoad } from '../../../core/data/reduction.ts';
import type { Picture, Transform } from '../../../core/data/sample.ts';
import decodeImage from '../../../core/tasks/decodeImage.ts';
import { photo } from '../data/jpegFixtures.ts';

async function decoded(picture: Picture, { transforms = [], channels = 3 }: { transforms?: Transform[]; channels?: 1 | 3 } = {}) {
  const cell = new SharedArrayBuffer(12);
  const out = await decodeImage({ picture, transforms, channels, pixelLimit: 1_000_000, cell });
  assert.ok(out.ok, out.ok ? '' : out.reason);
  const bytes = out.height * out.width * out.channels;
  assert.equal(out.larger === undefined, bytes <= 12, 'a larger cell exactly when it is needed');
  return { shape: [out.height, out.width, out.channels], data: [...new Uint8Array(out.larger ?? cell, 0, bytes)] };
}
async function reason(picture: Picture, transforms: Transform[] = [], pixelLimit = 1_000_000): Promise<string> {
  const out = await decodeImage({ picture, transforms, channels: 3, pixelLimit, failOn: 'truncated', cell: new SharedArrayBuffer(0) });
  assert.ok(!out.ok);
  return out.reason;
}
const encoded = (bytes: Uint8Array): Picture => ({ kind: 'encoded', bytes });
const rawGrey = (values: number[], width: number): Picture => ({
  kind: 'raw',
  pixels: Uint8Array.from(values),
  height: values.length / width,
  width,
  channels: 1,
});
const rawInput = (width: number, height: number, channels: 1 | 3 | 4) => ({ raw: { width, height, channels } });
const ramp = (length: number, step = 1) => Buffer.from(Array.from({ length }, (_, i) => (i * step) % 256));
const uniform = async (format: 'jpeg' | 'png', width = 8, height = 8) =>
  sharp({ create: { width, height, channels: 3, background: { r: 200, g: 50, b: 20 } } })
    [format]()
    .toBuffer();

describe('decodeImage', () => {
  it('should give the exact pixels of a PNG, in height, width, channel order @smoke', async () => {
    const pixels = ramp(2 * 3 * 3, 14);
    const png = await sharp(pixels, rawInput(3, 2, 3))
      .png()
      .toBuffer();
    assert.deepEqual(await decoded(encoded(png)), { shape: [2, 3, 3], data: [...pixels] });
  });

  it('should decode a region of a JPEG to the same bytes as the whole file cut afterwards', async () => {
    const pixels = ramp(64 * 48 * 3, 37);
    for (const options of [{}, { progressive: true }, { chromaSubsampling: '4:4:4' }]) {
      const jpeg = await sharp(pixels, rawInput(64, 48, 3))
        .jpeg({ quality: 95, ...options })
        .toBuffer();
      const whole = await decoded(encoded(jpeg));
      for (const [top, left, height, width] of [
        [0, 0, 10, 12],
        [7, 13, 20, 31],
        [5, 50, 43, 14],
        [-3, 4, 10, 10],
      ] as const) {
        const u = (top + 3) / (48 + 6 - height + 1);
        const v = (left + 3) / (64 + 6 - width + 1);
        // the places of a crop with a padding of 3, in the middle of their intervals
        const crop: Transform = { kind: 'randomCrop', height, width, padding: 3, u: u + 1e-6, v: v + 1e-6 };
        const { shape, data } = await decoded(encoded(jpeg), { transforms: [crop] });
        assert.deepEqual(shape, [height, width, 3]);
        const expected = Array.from({ length: height * width * 3 }, (_, i) => {
          const y = top + Math.floor(i / 3 / width);
          return y < 0 ? 0 : whole.data[(y * 64 + left + (Math.floor(i / 3) % width)) * 3 + (i % 3)];
        });
        assert.deepEqual(data, expected);
      }
    }
  });

  it('should say what decoded a picture', async () => {
    const decoder = async (picture: Picture) => {
      const out = await decodeImage({ picture, transforms: [], channels: 3, pixelLimit: 1e6, cell: new SharedArrayBuffer(0) });
      return out.ok && out.decoder;
    };
    const jpeg = await uniform('jpeg');
    assert.equal(await decoder(encoded(jpeg)), 'built-in JPEG');
    assert.equal(await decoder(encoded(await uniform('png'))), 'built-in PNG');
    assert.equal(await decoder(encoded(await sharp(jpeg).jpeg({ progressive: true }).toBuffer())), 'sharp (progressive)');
    assert.equal(await decoder(encoded(jpeg.subarray(0, jpeg.length - 9))), 'sharp (damaged)');
    assert.equal(await decoder(encoded(await sharp(jpeg).webp().toBuffer())), 'sharp (not a JPEG)');
    assert.equal(await decoder(rawGrey([1, 2], 2)), undefined);
  });

  describe('at a smaller scale', () => {
    /** A square from a picture, resized. */
    const crop = (picture: { height: number; width: number }, side: number, top: number, left: number): Transform => {
      const scale = side ** 2 / (picture.height * picture.width);
      const draws = [0, 0, (top + 0.5) / (picture.height - side + 1), (left + 0.5) / (picture.width - side + 1)];
      return { kind: 'randomResizedCrop', height: 56, width: 56, scale: [scale, scale], ratio: [1, 1], draws };
    };
    const pixelsOf = async (bytes: Uint8Array, transforms: Transform[], shrinkOnLoad?: ShrinkOnLoad) => {
      const cell = new SharedArrayBuffer(300 * 300 * 3);
      const out = await decodeImage({
        picture: encoded(bytes),
        transforms,
        channels: 3,
        pixelLimit: 1e8,
        cell,
        ...(shrinkOnLoad && { shrinkOnLoad }),
      });
      assert.ok(out.ok, out.ok ? '' : out.reason);
      const data = Uint8Array.from(new Uint8Array(cell, 0, out.height * out.width * 3));
      return { decoder: out.decoder, upright: out.upright, data };
    };
    const meanDifference = (a: Uint8Array, b: Uint8Array) => a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;

    it('should give nearly what the picture decoded in full gives, and nothing moved @smoke', async () => {
      const size = { height: 701, width: 903 };
      const large = await photo(size.width, size.height).jpeg({ quality: 95 }).toBuffer();
      for (const [side, top, left, way] of [
        [651, 31, 177, 'built-in JPEG at 1/8'],
        [690, 11, 213, 'built-in JPEG at 1/8'],
        [401, 13, 57, 'built-in JPEG at 1/4'],
        [187, 444, 716, 'built-in JPEG at 1/2'],
      ] as const) {
        const full = await pixelsOf(large, [crop(size, side, top, left)], 'never');
        const small = await pixelsOf(large, [crop(size, side, top, left)]);
        assert.equal(full.decoder, 'built-in JPEG');
        assert.equal(small.decoder, way);
        assert.deepEqual(small.upright, size);
        // a crop that is moved by half a pixel of the smaller picture is further away
        const step = 4 / (way.endsWith('2') ? 4 : way.endsWith('4') ? 2 : 1);
        const moved = await pixelsOf(large, [crop(size, side, top - step, left - step)], 'never');
        const [near, far] = [meanDifference(small.data, full.data), meanDifference(small.data, moved.data)];
        assert.ok(near > 0 && near < 2.5 && near < far / 1.5, `${way}: ${near}, moved ${far}`);
      }
    });

    it('should leave what is fixed in full, and what the decoder of common JPEGs does not take', async () => {
      const large = await photo(640, 480).jpeg({ quality: 95 }).toBuffer();
      const fixed: Transform[] = [
        { kind: 'resizeShortSide', size: 60 },
        { kind: 'centerCrop', height: 56, width: 56 },
      ];
      assert.equal((await pixelsOf(large, fixed)).decoder, 'built-in JPEG');
      assert.equal((await pixelsOf(large, fixed, 'always')).decoder, 'built-in JPEG at 1/8');
      const progressive = await sharp(large).jpeg({ progressive: true }).toBuffer();
      assert.equal((await pixelsOf(progressive, [crop({ height: 480, width: 640 }, 460, 0, 0)])).decoder, 'sharp (progressive)');
    });

    it('should take pictures that are too large for its memory in full', async () => {
      const huge = await sharp({ create: { width: 8192, height: 6144, channels: 3, background: '#c83214' } })
        .jpeg()
        .toBuffer();
      const small = await pixelsOf(huge, [crop({ height: 6144, width: 8192 }, 6000, 70, 900)]);
      assert.equal(small.decoder, 'built-in JPEG at 1/8');
      assert.ok(small.data.every((value, i) => Math.abs(value - [200, 50, 20][i % 3]) <= 2));
    });
  });

  it('should keep apart pictures that are decoded at the same time', async () => {
    const pictures = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        sharp(ramp(40 * 30 * 3, i + 1), rawInput(40, 30, 3))
          .jpeg({ progressive: i % 3 === 0 })
          .toBuffer(),
      ),
    );
    const transforms: Transform[] = [{ kind: 'resize', height: 17, width: 23 }, { kind: 'horizontalFlip' }];
    const together = await Promise.all(pictures.map(bytes => decoded(encoded(bytes), { transforms })));
    for (const [i, bytes] of pictures.entries()) assert.deepEqual(await decoded(encoded(bytes), { transforms }), together[i]);
  });

  describe('odd images', () => {
    it('should turn grey into RGB and back without a change', async () => {
      const png = await sharp(ramp(4, 60), rawInput(2, 2, 1))
        .toColourspace('b-w')
        .png()
        .toBuffer();
      assert.deepEqual(await decoded(encoded(png), { channels: 1 }), { shape: [2, 2, 1], data: [0, 60, 120, 180] });
      assert.deepEqual((await decoded(encoded(png))).data, [0, 0, 0, 60, 60, 60, 120, 120, 120, 180, 180, 180]);
    });
    it('should flatten alpha on black', async () => {
      const rgba = await sharp(Buffer.from([200, 100, 0, 128, 200, 100, 0, 255, 200, 100, 0, 0]), rawInput(3, 1, 4))
        .png()
        .toBuffer();
      assert.deepEqual((await decoded(encoded(rgba))).data, [100, 50, 0, 200, 100, 0, 0, 0, 0]);
    });
    it('should scale 16 bits to 8', async () => {
      const wide = Uint16Array.from([0, 257, 128 * 257, 65535]);
      const png = await sharp(wide, rawInput(2, 2, 1))
        .toColourspace('grey16')
        .png()
        .toBuffer();
      assert.equal((await sharp(png).metadata()).bitsPerSample, 16);
      assert.deepEqual((await decoded(encoded(png), { channels: 1 })).data, [0, 1, 128, 255]);
    });
    it('should look up palettes', async () => {
      const pixels = Buffer.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 0, 0]);
      const png = await sharp(pixels, rawInput(2, 2, 3))
        .png({ palette: true, colours: 4 })
        .toBuffer();
      assert.equal((await sharp(png).metadata()).isPalette, true);
      assert.deepEqual((await decoded(encoded(png))).data, [...pixels]);
    });
    it('should convert CMYK', async () => {
      const jpeg = await sharp(await uniform('png'))
        .toColourspace('cmyk')
        .jpeg({ quality: 100 })
        .toBuffer();
      assert.equal((await sharp(jpeg).metadata()).space, 'cmyk');
      const { shape, data } = await decoded(encoded(jpeg));
      assert.deepEqual(shape, [8, 8, 3]);
      for (const [i, value] of [200, 50, 20].entries()) assert.ok(Math.abs(data[i] - value) <= 30, `channel ${i}: ${data[i]}`);
    });
    it('should take the first frame of an animation', async () => {
      const frames = Buffer.concat([Buffer.alloc(12, 10), Buffer.alloc(12, 200)]);
      const gif = await sharp(frames, { raw: { width: 2, height: 4, channels: 3, pageHeight: 2 } })
        .gif()
        .toBuffer();
      assert.equal((await sharp(gif).metadata()).pages, 2);
      assert.deepEqual(await decoded(encoded(gif)), { shape: [2, 2, 3], data: Array(12).fill(10) });
    });
    it('should apply the EXIF orientation, also before crops and resizes', async () => {
      const turned = await sharp(ramp(6, 40), rawInput(3, 2, 1))
        .toColourspace('b-w')
        .withMetadata({ orientation: 6 })
        .png()
        .toBuffer();
      assert.deepEqual(await decoded(encoded(turned), { channels: 1 }), { shape: [3, 2, 1], data: [120, 0, 160, 40, 200, 80] });
      const right: Transform[] = [
        { kind: 'randomCrop', height: 3, width: 1, padding: 0, u: 0, v: 0.99 },
        { kind: 'resize', height: 3, width: 2 },
      ];
      assert.deepEqual(await decoded(encoded(turned), { channels: 1, transforms: right }), {
        shape: [3, 2, 1],
        data: [0, 0, 40, 40, 80, 80],
      });
    });
    it('should ignore an embedded colour profile', async () => {
      const pixels = Buffer.alloc(12, 90);
      const png = await sharp(pixels, rawInput(2, 2, 3))
        .withIccProfile('p3')
        .png()
        .toBuffer();
      assert.equal((await sharp(png).metadata()).hasProfile, true);
      const stored = await sharp(png, { ignoreIcc: true }).raw().toBuffer();
      assert.deepEqual((await decoded(encoded(png))).data, [...stored]);
    });
  });

  describe('transforms', () => {
    it('should crop, pad and flip exactly, in the order given', async () => {
      const crop: Transform = { kind: 'randomCrop', height: 2, width: 2, padding: 1, u: 0, v: 0.99 };
      const picture = rawGrey([1, 2, 3, 4, 5, 6, 7, 8, 9], 3);
      const flip: Transform = { kind: 'horizontalFlip' };
      assert.deepEqual((await decoded(picture, { channels: 1, transforms: [crop] })).data, [0, 0, 3, 0]);
      assert.deepEqual((await decoded(picture, { channels: 1, transforms: [crop, flip] })).data, [0, 0, 0, 3]);
      assert.deepEqual((await decoded(picture, { channels: 1, transforms: [flip, crop] })).data, [0, 0, 1, 0]);
    });
    it('should give the same from a file and from the pixels in it', async () => {
      const pixels = Buffer.from(Array.from({ length: 40 * 30 * 3 }, (_, i) => 128 + Math.round(100 * Math.sin(i / 17))));
      const png = await sharp(pixels, rawInput(40, 30, 3))
        .png()
        .toBuffer();
      const transforms: Transform[] = [
        { kind: 'randomResizedCrop', height: 12, width: 16, scale: [0.3, 0.9], ratio: [0.8, 1.25], draws: Array(40).fill(0.4) },
        { kind: 'horizontalFlip' },
      ];
      const raw: Picture = { kind: 'raw', pixels, height: 30, width: 40, channels: 3 };
      const [a, b] = [await decoded(encoded(png), { transforms }), await decoded(raw, { transforms })];
      assert.deepEqual(a.shape, [12, 16, 3]);
      assert.deepEqual(a, b);
    });
    it('should resize bilinearly, antialiased: the mean of what shrinks, a straight line where it grows', async () => {
      const halves = rawGrey(
        Array.from({ length: 8 * 8 }, (_, i) => (i % 8 < 4 ? 0 : 200)),
        8,
      );
      const { data } = await decoded(halves, { channels: 1, transforms: [{ kind: 'resize', height: 2, width: 2 }] });
      // A triangle of width 8 centred on each half and cut off at the border: the far half weighs (3 + 1) / 28.
      assert.deepEqual(data, [29, 171, 29, 171]);
      const grown = await decoded(rawGrey([0, 100, 0, 100], 2), { channels: 1, transforms: [{ kind: 'resize', height: 2, width: 4 }] });
      assert.deepEqual(grown.data, [0, 25, 75, 100, 0, 25, 75, 100]);
    });
    it('should resize several times', async () => {
      const jpeg = await uniform('jpeg', 50, 40);
      const transforms: Transform[] = [
        { kind: 'resizeShortSide', size: 20 },
        { kind: 'centerCrop', height: 16, width: 30 },
        { kind: 'resize', height: 4, width: 5 },
      ];
      const { shape, data } = await decoded(encoded(jpeg), { transforms });
      assert.deepEqual(shape, [4, 5, 3]);
      const middle = data.slice((2 * 5 + 2) * 3, (2 * 5 + 2) * 3 + 3);
      for (const [i, value] of [200, 50, 20].entries()) assert.ok(Math.abs(middle[i] - value) <= 3, `${middle}`);
    });
  });

  describe('bad input', () => {
    let folder: string;
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    });
    after(() => rmSync(folder, { recursive: true }));
    const file = (name: string, content: Uint8Array | string): Picture => {
      writeFileSync(join(folder, name), content);
      return { kind: 'file', path: join(folder, name) };
    };

    it('should name a missing file, an empty one and one that is no image', async () => {
      assert.equal(await reason({ kind: 'file', path: join(folder, 'gone.png') }), 'the file does not exist');
      assert.equal(await reason(file('empty.png', '')), 'it is empty (0 bytes)');
      assert.equal(await reason(encoded(new Uint8Array())), 'it is empty (0 bytes)');
      assert.equal(await reason(file('text.png', 'hello')), 'it is not an image in a format that sharp reads');
      assert.equal(
        await reason(file('text2.png', 'hello'), [{ kind: 'resize', height: 2, width: 2 }]),
        'it is not an image in a format that sharp reads',
      );
    });
    it('should name images that were cut short', async () => {
      const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24));
      for (const format of ['png', 'jpeg', 'webp'] as const) {
        const whole = await sharp(noise, rawInput(64, 64, 3))
          [format]()
          .toBuffer();
        assert.match(await reason(file(`cut.${format}`, whole.subarray(0, whole.length / 2))), /^it is damaged or cut short \(/, format);
      }
    });
    it('should refuse more pixels than pixelLimit, before decoding them', async () => {
      const large = await uniform('png', 300, 200);
      for (const transforms of [[], [{ kind: 'resize', height: 2, width: 2 }]] satisfies Transform[][]) {
        assert.equal(await reason(encoded(large), transforms, 59_999), 'it is 300 x 200 pixels, more than pixelLimit allows (59999)');
      }
    });
    it('should name a crop that does not fit', async () => {
      assert.match(
        await reason(rawGrey([1, 2, 3, 4], 2), [{ kind: 'randomCrop', height: 4, width: 4, padding: 0, u: 0, v: 0 }]),
        /too small for a randomCrop of 4 x 4/,
      );
    });
  });
});
