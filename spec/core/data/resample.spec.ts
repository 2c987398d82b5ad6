import assert from 'node:assert/strict';
import { ImageMemory } from '../../../core/data/imageMemory.ts';
import { crop, flip } from '../../../core/data/rawPixels.ts';
import { resample } from '../../../core/data/resample.ts';
import { resampleFast } from '../../../core/data/resampleWasm.ts';
import { hash } from '../../../core/random.ts';

/** Made by Pillow 12.3: Image.frombytes(...).resize((width, height), Image.BILINEAR) of byte i = (i * 2654435761 mod 2^32) >> 24. */
const pillow = [
  { from: [5, 7, 3], to: [3, 4], bytes: '9d8832af4eb96b3ca730c36de17f2aa745b0629b9f28c464d977219e3da85ab0961fbe5c' },
  {
    from: [3, 4, 1],
    to: [7, 9],
    bytes: '001a61996d4179c0da11255c886c507cb3c745474c54697e868b8d78683d2066ac8f6353ac9c704d6378808587e0d0a47b604470a7bbf1e1b58a5f336bb2cc',
  },
  {
    from: [6, 5, 3],
    to: [6, 11],
    bytes:
      '009e3c2897358b8624d7752bc6648eb553f1a442e09231cf8220bf710fae6a08a745e3813edc7a2dcb6933bb5996a947fa9836e98725d87614c76661b655c4af4eec8a28c68321bf7210ae62179e507a8d3fde7c2ecd6b1dbb596aab49cd9a38f59331cf6d0cc86634b75597a745e39634d28523c17486b062e99f52f08e41df7d3ad87615b3513dac4aa09b39ec8a29db7917ca6806b9576aa746cd9735d48624c37f1dbc5af89653f18f42e07e31d06e20be5c0fad4b739c3ad68b29dc7b19cb6a08c46301',
  },
  { from: [9, 8, 1], to: [2, 3], bytes: '827e76857885' },
  {
    from: [4, 13, 3],
    to: [9, 5],
    bytes:
      '8b76618247b770a85cbd5b856752a48f7a5b864bb36bac60bb607b6c57a69b864d9257aa5cb86cb66c617863aaa192419d609f50c078ae774c836aae7f9e45a65b8552b2849883588f54ba5da948ae566a54a48f818f639b3dc64cb553a75f715e879b889a5da644ba3ec15f9e6b7d6a69a794a654b250ac38c5639b6f826f5dab98ab50b755a6',
  },
];
const noise = (length: number) => Uint8Array.from({ length }, (_, i) => Math.imul(i, 2654435761) >>> 24);

describe('resample', () => {
  for (const { from, to, bytes } of pillow) {
    it(`should give the bytes of Pillow for ${from.join(' x ')} to ${to.join(' x ')}`, () => {
      const [height, width, channels] = from;
      const out = resample({ data: noise(height * width * channels), height, width, channels }, to[0], to[1]);
      assert.deepEqual([out.height, out.width, out.channels], [...to, channels]);
      assert.equal(Buffer.from(out.data).toString('hex'), bytes);
    });
  }

  it('should leave an image of that size as it is', () => {
    const image = { data: noise(12), height: 2, width: 2, channels: 3 };
    assert.deepEqual(resample(image, 2, 2), image);
  });

  it('should keep a uniform image uniform, white included, at any scale', () => {
    for (const size of [1, 3, 50, 224]) {
      const { data } = resample({ data: new Uint8Array(17 * 23 * 3).fill(255), height: 17, width: 23, channels: 3 }, size, size + 1);
      assert.ok(
        data.every(value => value === 255),
        String(size),
      );
    }
  });
});

describe('resampleFast', () => {
  it('should give the bytes of the definition at any size @smoke', () => {
    for (let i = 0; i < 60; i++) {
      const draw = (purpose: number, below: number) => 1 + (hash(5, i, purpose) % below);
      const [height, width, channels] = [draw(0, 40), draw(1, 40), i % 3 === 0 ? 1 : 3];
      const image = { data: noise(height * width * channels), height, width, channels };
      const [outHeight, outWidth] = i % 7 === 0 ? [height, draw(2, 60)] : i % 7 === 1 ? [draw(3, 60), width] : [draw(3, 60), draw(2, 60)];
      assert.deepEqual(resampleFast(image, outHeight, outWidth), resample(image, outHeight, outWidth), `${i}`);
    }
  });

  it('should exchange left and right on the way, and stay in a memory that is given', () => {
    const memory = new ImageMemory();
    for (let i = 0; i < 30; i++) {
      const draw = (purpose: number, below: number) => 1 + (hash(6, i, purpose) % below);
      const [height, width, channels] = [draw(0, 40), draw(1, 40), i % 3 === 0 ? 1 : 3];
      const image = { data: noise(height * width * channels), height, width, channels };
      const [outHeight, outWidth] = [i % 5 === 0 ? height : draw(2, 60), i % 4 === 0 ? width : draw(3, 60)];
      const expected = flip(resample(image, outHeight, outWidth));
      assert.deepEqual(resampleFast(image, outHeight, outWidth, { mirrored: true }), expected, `${i}`);
      memory.reset();
      const lying = memory.pixels(memory.put(image.data), height, width, channels);
      const { data } = resampleFast(lying, outHeight, outWidth, { mirrored: true, memory });
      assert.deepEqual(Uint8Array.from(data), expected.data, `${i}`);
    }
  });

  it('should give a window of the result as it cuts it out of the whole @smoke', () => {
    const memory = new ImageMemory();
    for (let i = 0; i < 60; i++) {
      const draw = (purpose: number, below: number) => 1 + (hash(7, i, purpose) % below);
      const [height, width, channels] = [draw(0, 40), draw(1, 40), i % 3 === 0 ? 1 : 3];
      const image = { data: noise(height * width * channels), height, width, channels };
      const [outHeight, outWidth] = [i % 5 === 0 ? height : draw(2, 60), i % 4 === 0 ? width : draw(3, 60)];
      const [top, left] = [draw(4, outHeight) - 1, draw(5, outWidth) - 1];
      const window = { top, left, height: draw(6, outHeight - top), width: draw(7, outWidth - left) };
      const expected = crop(resample(image, outHeight, outWidth), window);
      assert.deepEqual(Uint8Array.from(resample(image, outHeight, outWidth, { window }).data), expected.data, `${i}`);
      memory.reset();
      const lying = memory.pixels(memory.put(image.data), height, width, channels);
      for (const mirrored of [false, true]) {
        const { data } = resampleFast(lying, outHeight, outWidth, { mirrored, memory, window });
        assert.deepEqual(Uint8Array.from(data), (mirrored ? flip(expected) : expected).data, `${i}`);
      }
    }
  });

  it('should keep white white, and take an image that its memory is too small for', () => {
    for (const [height, width, channels] of [
      [37, 23, 3],
      [9000, 9000, 1],
    ] as const) {
      const image = { data: new Uint8Array(height * width * channels).fill(255), height, width, channels };
      const { data } = resampleFast(image, 100, 90);
      assert.ok(data.every(value => value === 255));
    }
  });
});

describe('resample of a part', () => {
  it('should be what cutting it out and resizing it is, where it begins and ends between pixels', () => {
    const image = { data: noise(31 * 23 * 3), height: 31, width: 23, channels: 3 };
    for (const from of [
      { top: 0, left: 0, height: 31, width: 23 },
      { top: 4, left: 7, height: 20, width: 11 },
      { top: 30, left: 0, height: 1, width: 23 },
    ]) {
      for (const [height, width] of [
        [9, 5],
        [40, 30],
        [from.height, from.width],
      ]) {
        assert.deepEqual(resample(image, height, width, { from }), resample(crop(image, from), height, width), JSON.stringify(from));
      }
    }
  });

  it('should count pixels by their share in it', () => {
    const image = { data: Uint8Array.from([0, 100, 200]), height: 1, width: 3, channels: 1 };
    // pixels 0.75 and 0.25 from the part's middle weigh 1 - 0.75 / 1.5 and 1 - 0.25 / 1.5, and half of the first is in it: 100 / 1.3
    assert.deepEqual([...resample(image, 1, 1, { from: { top: 0, left: 0.5, height: 1, width: 1.5 } }).data], [77]);
    // (0.9 * 100 + 0.3 / 4 * 200) / (0.9 + 0.3 / 4)
    assert.deepEqual([...resample(image, 1, 1, { from: { top: 0, left: 1, height: 1, width: 1.25 } }).data], [108]);
    // nothing of the first
    assert.deepEqual([...resample(image, 1, 2, { from: { top: 0, left: 1.5, height: 1, width: 1 } }).data], [125, 175]);
  });

  it('should put things where they are in the picture that was reduced', () => {
    // 4 a pixel at full size; reduced by 2, a pixel has the mean of two
    const ramp = (length: number, value: (x: number) => number) => ({ data: Uint8Array.from({ length }, (_, x) => value(x)) });
    const full = { ...ramp(60, x => 4 * x), height: 1, width: 60, channels: 1 };
    const half = { ...ramp(30, x => 8 * x + 2), height: 1, width: 30, channels: 1 };
    for (let left = 0; left < 8; left++) {
      for (const width of [41, 50, 52]) {
        const expected = resample(full, 1, 10, { from: { top: 0, left, height: 1, width } });
        const found = resample(half, 1, 10, { from: { top: 0, left: left / 2, height: 1, width: width / 2 } });
        for (let x = 0; x < 10; x++) assert.ok(Math.abs(expected.data[x] - found.data[x]) <= 1, `${left} ${width} ${x}`);
      }
    }
  });

  it('should be the same bytes by the fast way', () => {
    for (let i = 0; i < 60; i++) {
      const draw = (purpose: number, below: number) => 1 + (hash(7, i, purpose) % below);
      const [height, width, channels] = [draw(0, 40), draw(1, 40), i % 3 === 0 ? 1 : 3];
      const image = { data: noise(height * width * channels), height, width, channels };
      const [top, left] = [(height / 2) * (draw(4, 100) / 100), (width / 2) * (draw(5, 100) / 100)];
      const from = { top, left, height: (height - top) * (draw(6, 100) / 100), width: (width - left) * (draw(7, 100) / 100) };
      const out = [draw(2, 50), draw(3, 50)] as const;
      assert.deepEqual(resampleFast(image, ...out, { from }), resample(image, ...out, { from }), `${i} ${JSON.stringify(from)}`);
      assert.deepEqual(resampleFast(image, ...out, { from, mirrored: true }), flip(resample(image, ...out, { from })), `${i}`);
    }
  });
});
