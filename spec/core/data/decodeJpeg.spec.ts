import assert from 'node:assert/strict';
import sharp from 'sharp';
import { decodeJpeg } from '../../../core/data/decodeJpeg.ts';
import { exifOrientation } from '../../../core/data/exifOrientation.ts';
import { ImageMemory } from '../../../core/data/imageMemory.ts';
import { jpegFrame } from '../../../core/data/jpegFrame.ts';
import type { Region } from '../../../core/data/planned.ts';
import { hash } from '../../../core/random.ts';
import { photo, sampled, stacked } from './jpegFixtures.ts';

const memory = new ImageMemory();
function ours(file: Uint8Array, region?: Region) {
  const frame = jpegFrame(file);
  if (typeof frame === 'string') return frame;
  memory.reset();
  const whole = { top: 0, left: 0, height: frame.height, width: frame.width };
  const pixels = decodeJpeg(file, frame, region ?? whole, memory);
  return typeof pixels === 'string' ? pixels : { ...pixels, data: Buffer.from(pixels.data) };
}

/** What sharp's libjpeg gives, as strictly as it can be; with as many channels as ours have. */
async function libjpeg(file: Uint8Array, region: Region | undefined, channels: number) {
  const pipeline = sharp(file, { failOn: 'warning', ignoreIcc: true });
  const { data, info } = await (region ? pipeline.extract(region) : pipeline).raw().toBuffer({ resolveWithObject: true });
  return channels === info.channels ? data : Buffer.from(data.filter((_, i) => i % info.channels === 0));
}

async function assertSame(file: Uint8Array, region: Region | undefined, what: string): Promise<void> {
  const pixels = ours(file, region);
  assert.ok(typeof pixels !== 'string', `${what}: ${pixels}`);
  // deepEqual of large arrays is slow
  assert.ok(pixels.data.equals(await libjpeg(file, region, pixels.channels)), `${what} ${JSON.stringify(region)}`);
}

/** Some region inside an image. */
function someRegion({ height, width }: { height: number; width: number }, seed: number): Region {
  const draw = (purpose: number, below: number) => hash(11, seed, purpose) % below;
  const [h, w] = [1 + draw(0, height), 1 + draw(1, width)];
  return { top: draw(2, height - h + 1), left: draw(3, width - w + 1), height: h, width: w };
}

describe('decodeJpeg', () => {
  it("should give libjpeg's bytes in any size, quality, sampling and region @smoke", async () => {
    let seed = 0;
    for (const chromaSubsampling of ['4:2:0', '4:4:4']) {
      for (const quality of [5, 50, 80, 95, 100]) {
        for (const [width, height] of [
          [121, 87],
          [16, 16],
          [17, 33],
          [5, 1],
          [8, 3],
        ] as const) {
          const file = await photo(width, height, seed)
            .jpeg({ quality, chromaSubsampling, optimiseCoding: seed % 2 === 0 })
            .toBuffer();
          const what = `${width} x ${height}, quality ${quality}, ${chromaSubsampling}`;
          await assertSame(file, undefined, what);
          for (let i = 0; i < 3; i++) await assertSame(file, someRegion({ width, height }, seed++), what);
        }
      }
    }
    for (const [sampling, file] of Object.entries(sampled)) {
      await assertSame(file, undefined, sampling);
      for (let i = 0; i < 20; i++) await assertSame(file, someRegion({ width: 45, height: 37 }, i), sampling);
    }
  });

  it('should give the one channel of grey pictures', async () => {
    for (const quality of [10, 75, 95]) {
      const file = await photo(61, 43).toColourspace('b-w').jpeg({ quality }).toBuffer();
      const pixels = ours(file);
      assert.ok(typeof pixels !== 'string' && pixels.channels === 1);
      await assertSame(file, undefined, 'grey');
      for (let i = 0; i < 5; i++) await assertSame(file, someRegion({ width: 61, height: 43 }, i), 'grey');
    }
  });

  it('should start again at restart markers, and take none out of turn', async () => {
    const strips = await Promise.all(
      Array.from({ length: 11 }, (_, i) =>
        photo(52, 16, i).jpeg({ quality: 85, optimiseCoding: false, chromaSubsampling: '4:2:0' }).toBuffer(),
      ),
    );
    const file = stacked(strips);
    await assertSame(file, undefined, 'restart markers');
    for (let i = 0; i < 10; i++) await assertSame(file, someRegion({ width: 52, height: 176 }, i), 'restart markers');
    const swapped = Buffer.from(file);
    swapped[swapped.indexOf(Buffer.from([0xff, 0xd3])) + 1] = 0xd4;
    assert.equal(ours(swapped), 'damaged');
    const missing = file.indexOf(Buffer.from([0xff, 0xd5]));
    assert.equal(ours(Buffer.concat([file.subarray(0, missing), file.subarray(missing + 2)])), 'damaged');
  });

  it('should leave to others what is not of the common kind, and say why', async () => {
    const picture = () => photo(40, 30);
    const file = await picture().jpeg().toBuffer();
    const frameAt = file.findIndex((byte, i) => byte === 0xff && file[i + 1] === 0xc0);
    const changed = (at: number, value: number) => Buffer.from(file).fill(value, at, at + 1);
    assert.equal(ours(await picture().png().toBuffer()), 'not a JPEG');
    assert.equal(ours(await picture().jpeg({ progressive: true }).toBuffer()), 'progressive');
    assert.equal(ours(await picture().withMetadata({ orientation: 6 }).jpeg().toBuffer()), 'EXIF orientation');
    assert.equal(ours(await picture().toColourspace('cmyk').jpeg().toBuffer()), 'neither grey nor YCbCr');
    assert.equal(ours(changed(frameAt + 1, 0xc9)), 'lossless, hierarchical or arithmetic');
    assert.equal(ours(changed(frameAt + 4, 12)), 'more than 8 bits');
    assert.equal(ours(changed(frameAt + 11, 0x41)), 'uncommon sampling');
    assert.equal(ours(changed(frameAt + 11, 0x01)), 'damaged');
    assert.equal(ours(await photo(3, 3).jpeg().toBuffer()), 'tiny');
    assert.equal(ours(Buffer.from(sampled['4:2:2']).fill(2, 11, 12)), 'unknown JFIF version');
    const frame = jpegFrame(file);
    assert.ok(typeof frame !== 'string');
    const huge = { ...frame, height: 30_000, width: 30_000 };
    assert.equal(decodeJpeg(file, huge, { top: 0, left: 0, height: 30_000, width: 30_000 }, memory), 'large');
    const upright = await picture().withMetadata({ orientation: 1 }).jpeg().toBuffer();
    await assertSame(upright, undefined, 'EXIF that says upright');
  });

  it('should find every file damaged that is cut short', async () => {
    const file = await photo(40, 30).jpeg().toBuffer();
    for (let length = 2; length < file.length; length++) assert.equal(ours(file.subarray(0, length)), 'damaged', String(length));
  });

  it("should give pixels or a reason of whatever bytes, and libjpeg's pixels where libjpeg finds nothing wrong", async () => {
    const files = [...Object.values(sampled), await photo(45, 37).jpeg({ quality: 90 }).toBuffer()];
    const seen = { reasons: 0, same: 0, others: 0 };
    for (let i = 0; i < 1500; i++) {
      const file = Buffer.from(files[i % files.length]);
      const draw = (purpose: number, below: number) => hash(23, i, purpose) % below;
      for (let k = 0; k <= i % 3; k++) file[2 + draw(k, file.length - 2)] = i % 4 === 0 ? 0xff : draw(k + 10, 256);
      const frame = jpegFrame(file);
      if (typeof frame !== 'string' && frame.height * frame.width > 100_000) continue;
      const pixels = ours(file);
      if (typeof pixels === 'string') seen.reasons++;
      else if (pixels.data.equals(await libjpeg(file, undefined, pixels.channels))) seen.same++;
      else seen.others++;
    }
    assert.ok(seen.reasons > 500 && seen.same > 200, JSON.stringify(seen));
    // coefficients beyond those of any picture, where libjpeg's integers overflow
    assert.ok(seen.others <= 5, JSON.stringify(seen));
  });
});

describe('exifOrientation', () => {
  const block = (order: 'II' | 'MM', tag: number, value: number, type = 3) => {
    const bytes = Buffer.alloc(26);
    bytes.write(order);
    const little = order === 'II';
    const short = (at: number, number: number) => (little ? bytes.writeUInt16LE(number, at) : bytes.writeUInt16BE(number, at));
    const long = (at: number, number: number) => (little ? bytes.writeUInt32LE(number, at) : bytes.writeUInt32BE(number, at));
    short(2, 42);
    long(4, 8);
    short(8, 1);
    short(10, tag);
    short(12, type);
    long(14, 1);
    short(18, value);
    return bytes;
  };

  it('should read either order of bytes, and take 1 where nothing is said', () => {
    for (const order of ['II', 'MM'] as const) {
      for (let value = 1; value <= 8; value++) assert.equal(exifOrientation(block(order, 0x112, value)), value);
      assert.equal(exifOrientation(block(order, 0x110, 6)), 1);
    }
  });

  it('should make nothing of a block that is damaged', () => {
    const good = block('II', 0x112, 6);
    assert.equal(exifOrientation(block('II', 0x112, 9)), undefined);
    assert.equal(exifOrientation(block('II', 0x112, 0)), undefined);
    assert.equal(exifOrientation(block('MM', 0x112, 6, 4)), undefined);
    for (let length = 0; length < 22; length++) assert.equal(exifOrientation(good.subarray(0, length)), undefined, String(length));
    for (const at of [0, 2, 4, 7, 9]) assert.equal(exifOrientation(Buffer.from(good).fill(0xee, at, at + 1)), undefined, String(at));
  });
});
