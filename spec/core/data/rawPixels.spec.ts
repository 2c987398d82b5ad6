import assert from 'node:assert/strict';
import { crop, flip, withChannels } from '../../../core/data/rawPixels.ts';

const image = { data: Uint8Array.of(1, 2, 3, 4, 5, 6), height: 2, width: 3, channels: 1 };

describe('crop', () => {
  it('should take a part', () => {
    assert.deepEqual([...crop(image, { top: 1, left: 1, height: 1, width: 2 }).data], [5, 6]);
  });
  it('should fill with zeros what lies outside, on any side', () => {
    assert.deepEqual(
      [...crop(image, { top: -1, left: -1, height: 4, width: 5 }).data],
      [0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 4, 5, 6, 0, 0, 0, 0, 0, 0],
    );
    assert.deepEqual([...crop(image, { top: 0, left: 5, height: 1, width: 2 }).data], [0, 0]);
  });
  it('should keep the channels of a pixel together', () => {
    const colour = { data: Uint8Array.of(1, 2, 3, 4, 5, 6), height: 1, width: 2, channels: 3 };
    assert.deepEqual([...crop(colour, { top: 0, left: 1, height: 1, width: 2 }).data], [4, 5, 6, 0, 0, 0]);
  });
});

describe('flip', () => {
  it('should exchange left and right and keep the channels in order', () => {
    assert.deepEqual([...flip(image).data], [3, 2, 1, 6, 5, 4]);
    assert.deepEqual([...flip({ data: Uint8Array.of(1, 2, 3, 4, 5, 6), height: 1, width: 2, channels: 3 }).data], [4, 5, 6, 1, 2, 3]);
  });
});

describe('withChannels', () => {
  it('should repeat grey, and give the same grey back', () => {
    const colour = withChannels({ data: Uint8Array.from({ length: 256 }, (_, i) => i), height: 16, width: 16, channels: 1 }, 3);
    assert.deepEqual([...colour.data.subarray(3, 9)], [1, 1, 1, 2, 2, 2]);
    assert.deepEqual(
      [...withChannels(colour, 1).data],
      Array.from({ length: 256 }, (_, i) => i),
    );
  });
  it('should weigh colours as ITU-R 601-2 does (the values of Pillow)', () => {
    const grey = withChannels({ data: Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 200, 30), height: 1, width: 4, channels: 3 }, 1);
    assert.deepEqual([...grey.data], [76, 150, 29, 124]);
  });
});
