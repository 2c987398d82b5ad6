import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { openIdx, readIdxHeader } from '../../../core/formats/idx.ts';
import { idxOf, openFilesBelow, until, useTemporaryFolder, writeFiles } from '../../dataFixtures.ts';

describe('openIdx', () => {
  const folder = useTemporaryFolder();
  const file = () => folder.path('x');
  const items = async (dimensions: number[]) => {
    const found: number[][] = [];
    for await (const item of (await openIdx(file(), dimensions)).items()) found.push([...item]);
    return found;
  };
  const failure = async (content: string | Uint8Array, dimensions: number[]) => {
    await writeFiles(folder.path(), { x: content });
    const error: Error = await items(dimensions).then(
      () => assert.fail('nothing failed'),
      reason => reason,
    );
    await until(async () => ((await openFilesBelow(folder.path())) ?? []).length === 0);
    return error.message.replaceAll(folder.path('/'), '');
  };

  it('should read items, packed or not @smoke', async () => {
    const content = idxOf([2, 1, 3], [1, 2, 3, 4, 5, 6]);
    for (const x of [content, gzipSync(content)]) {
      await writeFiles(folder.path(), { x });
      assert.deepEqual(await items([3]), [
        [1, 2, 3],
        [4, 5, 6],
      ]);
    }
    assert.deepEqual(await readIdxHeader(file(), [3]), { dtype: 'uint8', dims: [2, 1, 3], itemBytes: 3 });
  });

  it('should read items that lie across chunks of the stream', async () => {
    const count = 50;
    const length = 4099;
    await writeFiles(folder.path(), {
      x: idxOf(
        [count, length],
        Array.from({ length: count * length }, (_, i) => Math.floor(i / length)),
      ),
    });
    const found = await items([2]);
    assert.equal(found.length, count);
    assert.ok(found.every((item, i) => item.length === length && item.every(value => value === i)));
  });

  it('should refuse a wrong magic @smoke', async () => {
    assert.equal(
      await failure('P5 28 28', [3]),
      'x: expected an IDX file (first bytes 00 00 08 03), got first bytes 50 35 20 32. Give the original idx-ubyte file, packed with gzip or not.',
    );
    assert.match(await failure(Uint8Array.of(0, 0, 8), [1]), /expected an IDX file \(first bytes 00 00 08 01\), got a file of 3 bytes/);
    assert.match(await failure(Uint8Array.of(0, 0, 10, 1), [1]), /got first bytes 00 00 0a 01/);
  });

  it('should refuse another type and another number of dimensions', async () => {
    assert.match(
      await failure(idxOf([1], [0, 0, 0, 0], 13), [1]),
      /expected IDX items of type uint8 \(code 08\), got float32 \(code 0d\)\. Convert/,
    );
    assert.match(await failure(idxOf([1], [0]), [3, 4]), /expected 3 or 4 dimensions, got 1\./);
  });

  it('should refuse dimensions that cannot be', async () => {
    assert.match(await failure(idxOf([3, 0, 2], []), [3]), /expected dimensions from 1, .*, got dimensions \[3, 0, 2\]/);
    assert.match(await failure(idxOf([1, 2 ** 31, 2 ** 31], []), [3]), /items of at most 256 MiB, got dimensions/);
  });

  it('should say where a file was cut off, in the items and in the header', async () => {
    assert.equal(
      await failure(idxOf([3, 2, 2], [1, 2, 3, 4, 5]), [3]),
      'x: expected 3 items of 4 bytes, got its end at byte 21, in item 1. x was cut off: fetch or make it again.',
    );
    assert.equal(
      await failure(idxOf([3, 2, 2], []).subarray(0, 10), [3]),
      'x: expected 16 bytes of header, got its end at byte 10. x was cut off: fetch or make it again.',
    );
  });

  it('should refuse more than the header says', async () => {
    assert.match(await failure(idxOf([2, 1], [1, 2, 3]), [2]), /expected 2 items of 1 bytes, as its header says, got more after byte 14/);
  });

  it('should say where gzip data was cut off', async () => {
    const content = gzipSync(
      idxOf(
        [2000],
        Array.from({ length: 2000 }, (_, i) => Math.imul(i, 2654435761) >>> 24),
      ),
    );
    assert.match(
      await failure(content.subarray(0, 600), [1]),
      /^x: expected complete gzip data, got its end too early, at byte 600 of the file/,
    );
    assert.match(await failure(content.subarray(0, 6), [1]), /^x: expected complete gzip data, .* in the header\. x was cut off/);
  });
});
