import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { decodeJpeg } from '../../../core/data/decodeJpeg.ts';
import { ImageMemory } from '../../../core/data/imageMemory.ts';
import { jpegFrame } from '../../../core/data/jpegFrame.ts';
import type { Region } from '../../../core/data/planned.ts';
import type { Reduction } from '../../../core/data/reduction.ts';
import { hash } from '../../../core/random.ts';
import { photo, sampled } from './jpegFixtures.ts';

type Case = { name: string; file: string } & Record<`at ${2 | 4 | 8}`, string>;
const cases = JSON.parse(readFileSync(new URL('scaledJpegs.json', import.meta.url), 'utf8')) as Case[];
const scales = [2, 4, 8] as const;
const bytesOf = (text: string) => Buffer.from(text, 'base64');

const memory = new ImageMemory();
function ours(file: Uint8Array, reduction: Reduction, region?: Region) {
  const frame = jpegFrame(file);
  if (typeof frame === 'string') return frame;
  memory.reset();
  const whole = { top: 0, left: 0, height: Math.ceil(frame.height / reduction), width: Math.ceil(frame.width / reduction) };
  const pixels = decodeJpeg(file, frame, region ?? whole, memory, reduction);
  return typeof pixels === 'string' ? pixels : { ...pixels, data: Buffer.from(pixels.data) };
}

describe('decodeJpeg at a smaller scale', () => {
  for (const { name, file, ...scaled } of cases) {
    it(`should give libjpeg's bytes at a half, a quarter and an eighth: ${name} @smoke`, () => {
      for (const scale of scales) {
        const out = ours(bytesOf(file), scale);
        assert.ok(typeof out !== 'string', `${scale}: ${out}`);
        const [height, width, channels] = [Math.ceil(37 / scale), Math.ceil(45 / scale), name === 'grey' ? 1 : 3];
        assert.deepEqual([out.height, out.width, out.channels], [height, width, channels]);
        assert.equal(out.data.toString('hex'), bytesOf(scaled[`at ${scale}`]).toString('hex'), `1/${scale}`);
      }
    });
  }

  it('should give a region the bytes that it has in the whole', () => {
    for (const { name, file } of cases) {
      for (const scale of scales) {
        const whole = ours(bytesOf(file), scale);
        assert.ok(typeof whole !== 'string');
        for (let i = 0; i < 12; i++) {
          const draw = (purpose: number, below: number) => hash(13, i, scale, purpose) % below;
          const [height, width] = [1 + draw(0, whole.height), 1 + draw(1, whole.width)];
          const [top, left] = [draw(2, whole.height - height + 1), draw(3, whole.width - width + 1)];
          const part = ours(bytesOf(file), scale, { top, left, height, width });
          assert.ok(typeof part !== 'string');
          const rows = Array.from({ length: height }, (_, y) => {
            const from = ((top + y) * whole.width + left) * whole.channels;
            return whole.data.subarray(from, from + width * whole.channels);
          });
          assert.ok(part.data.equals(Buffer.concat(rows)), `${name} at 1/${scale}: ${JSON.stringify({ top, left, height, width })}`);
        }
      }
    }
  });

  it('should take less memory the smaller the scale', async () => {
    const file = await photo(1600, 1200).jpeg({ quality: 90 }).toBuffer();
    const frame = jpegFrame(file);
    assert.ok(typeof frame !== 'string');
    const sizes = ([1, ...scales] as const).map(scale => {
      const own = new ImageMemory();
      const region = { top: 0, left: 0, height: 1200 / scale, width: 1600 / scale };
      assert.ok(typeof decodeJpeg(file, frame, region, own, scale) !== 'string');
      return own.size - file.length;
    });
    const pixels = 1600 * 1200;
    // samples with half as many of the colours in each direction, and RGB; tables and the rest are less than 256 KiB
    for (const [i, scale] of [1, ...scales].entries()) {
      const perPixel = 3 + (scale === 1 ? 1.5 : 3);
      assert.ok(sizes[i] < (perPixel * pixels) / scale ** 2 + 2 ** 18, `1/${scale}: ${sizes[i]} bytes`);
    }
  });

  it('should find the same files damaged, whatever the scale', async () => {
    const files = [...Object.values(sampled), await photo(45, 37).jpeg({ quality: 90 }).toBuffer()];
    const seen = { reasons: 0, pixels: 0 };
    for (let i = 0; i < 600; i++) {
      const file = Buffer.from(files[i % files.length]);
      const draw = (purpose: number, below: number) => hash(29, i, purpose) % below;
      for (let k = 0; k <= i % 3; k++) file[2 + draw(k, file.length - 2)] = i % 4 === 0 ? 0xff : draw(k + 10, 256);
      const frame = jpegFrame(file);
      if (typeof frame !== 'string' && frame.height * frame.width > 100_000) continue;
      const full = ours(file, 1);
      for (const scale of scales) {
        const small = ours(file, scale);
        if (typeof full === 'string') assert.equal(small, full);
        else assert.ok(typeof small !== 'string' && small.height === Math.ceil(full.height / scale), `${i} at 1/${scale}: ${small}`);
      }
      seen[typeof full === 'string' ? 'reasons' : 'pixels']++;
    }
    assert.ok(seen.reasons > 100 && seen.pixels > 100, JSON.stringify(seen));
  });
});
