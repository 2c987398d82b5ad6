import assert from 'node:assert/strict';
import sharp from 'sharp';
import { jpegHeader } from '../../../core/data/jpegHeader.ts';

const picture = (width: number, height: number) => sharp({ create: { width, height, channels: 3, background: '#c83214' } });

describe('jpegHeader', () => {
  it('should tell height and width, of baseline and progressive files @smoke', async () => {
    for (const [width, height, progressive] of [
      [500, 375, false],
      [1, 3, true],
      [3000, 17, true],
    ] as const) {
      const header = jpegHeader(await picture(width, height).jpeg({ progressive }).toBuffer());
      assert.deepEqual(header, { height, width, components: 3, exif: false });
    }
  });

  it('should see an EXIF block, and give the size as stored', async () => {
    const turned = await picture(8, 4).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    assert.deepEqual(jpegHeader(turned), { height: 4, width: 8, components: 3, exif: true });
  });

  it('should pass over fill bytes, and say nothing of what is cut short, of another kind or without a size', async () => {
    const jpeg = await picture(8, 4).jpeg().toBuffer();
    assert.equal(jpegHeader(Buffer.concat([jpeg.subarray(0, 2), Buffer.from([0xff, 0xff]), jpeg.subarray(2)]))?.width, 8);
    const frame = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xc0);
    for (let length = 0; length < frame + 9; length++) assert.equal(jpegHeader(jpeg.subarray(0, length)), undefined);
    const endless = Buffer.from(jpeg);
    endless.fill(0, frame + 5, frame + 7);
    assert.equal(jpegHeader(endless), undefined);
    assert.equal(jpegHeader(await picture(8, 4).png().toBuffer()), undefined);
    assert.equal(jpegHeader(Buffer.alloc(100, 0xff)), undefined);
  });
});
