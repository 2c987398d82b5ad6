import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { lastValueFrom, toArray } from 'rxjs';
import { idx } from '../../operators/index.ts';
import { idxOf, useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { failureOf, itBehavesAsASource } from './sourceContract.ts';

describe('idx', () => {
  const folder = useTemporaryFolder();
  const source = (options = {}) => idx(folder.path('images'), { labels: folder.path('labels'), ...options });
  const bytes = (count: number) => Array.from({ length: count }, (_, i) => i % 256);

  describe('as a source', () => {
    itBehavesAsASource(async (count, options) => {
      await writeFiles(folder.path(), {
        'images.gz': gzipSync(idxOf([count, 2, 3], bytes(count * 6))),
        labels: idxOf([count], bytes(count)),
      });
      return idx(folder.path('images.gz'), { ...options, labels: folder.path('labels') });
    }, folder.path);
  });

  it('should deliver pixels with their shape, in memory of their own', async () => {
    await writeFiles(folder.path(), { images: idxOf([2, 2, 3], bytes(12)), labels: idxOf([2], [4, 7]) });
    const samples = await lastValueFrom(source().pipe(toArray()));
    assert.deepEqual(
      samples.map(({ key, label, picture }) => ({ key, label, picture })),
      [
        { key: 'images#0', label: 4, picture: { kind: 'raw', pixels: Uint8Array.of(0, 1, 2, 3, 4, 5), height: 2, width: 3, channels: 1 } },
        {
          key: 'images#1',
          label: 7,
          picture: { kind: 'raw', pixels: Uint8Array.of(6, 7, 8, 9, 10, 11), height: 2, width: 3, channels: 1 },
        },
      ],
    );
    assert.ok(samples.every(({ picture }) => picture.kind === 'raw' && picture.pixels.buffer.byteLength === 6));
  });

  it('should take a fourth dimension for channels', async () => {
    await writeFiles(folder.path(), { images: idxOf([2, 1, 2, 3], bytes(12)), labels: idxOf([2], [0, 1]) });
    const [{ picture }] = await lastValueFrom(source().pipe(toArray()));
    assert.ok(picture.kind === 'raw' && picture.height === 1 && picture.width === 2 && picture.channels === 3);
  });

  it('should refuse other numbers of channels', async () => {
    await writeFiles(folder.path(), { images: idxOf([1, 1, 2, 2], bytes(4)), labels: idxOf([1], [0]) });
    assert.match(await failureOf(source()), /expected images of 1 or 3 channels, got 2 in the fourth dimension/);
  });

  it('should name the sample whose label is out of range', async () => {
    await writeFiles(folder.path(), { images: idxOf([3, 1, 1], bytes(3)), labels: idxOf([3], [0, 10, 2]) });
    assert.equal(
      await failureOf(source({ classes: 10 })),
      'label of images#1: expected a label from 0 to 9 (there are 10 classes), got 10. Correct the label, or list every class in classes.txt, one per line.',
    );
  });

  it('should notice that there are more images than labels', async () => {
    await writeFiles(folder.path(), { images: idxOf([3, 1, 1], bytes(3)), labels: idxOf([2], [0, 1]) });
    assert.match(await failureOf(source()), /labels: expected 3 labels, as images has images, got 2\. Check that both files/);
  });

  it('should notice swapped, missing and cut off files', async () => {
    await writeFiles(folder.path(), { images: idxOf([2], [0, 1]), labels: idxOf([2, 1, 1], bytes(2)) });
    assert.match(await failureOf(source()), /images: expected 3 or 4 dimensions, got 1\. Check that .* not swapped/);
    await writeFiles(folder.path(), { images: idxOf([2, 1, 1], bytes(2)), labels: idxOf([2], [0]) });
    assert.match(await failureOf(source()), /labels: expected 2 items of 1 bytes, got its end at byte 9, in item 1\. labels was cut off/);
    await writeFiles(folder.path(), { labels: idxOf([2], [0, 1, 0]) });
    assert.match(await failureOf(source()), /labels: expected 2 items of 1 bytes, as its header says, got more after byte 10/);
    assert.match(
      await failureOf(source({ labels: folder.path('none') })),
      /none: expected a file that can be read, got nothing of that name/,
    );
  });
});
