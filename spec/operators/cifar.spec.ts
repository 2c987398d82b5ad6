import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { lastValueFrom, toArray } from 'rxjs';
import type { Split } from '../../core/data/layout.ts';
import { CifarFile } from '../../core/formats/cifar.ts';
import { cifarImages } from '../../operators/cifarImages.ts';
import { openDataSet } from '../../operators/index.ts';
import { tarOf, useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { itBehavesAsASource } from './sourceContract.ts';

/** Records of these labels; pixel (y, x, c) of image i is i + 7y + 3x + 50c. */
const records = (labels: readonly (readonly number[])[]) =>
  Buffer.concat(labels.map((bytes, i) => Buffer.from([...bytes, ...Array.from({ length: 3072 }, (_, at) => pixel(i, at))])));
const pixel = (i: number, at: number) => {
  const [c, y, x] = [Math.floor(at / 1024), Math.floor(at / 32) % 32, at % 32];
  return (i + 7 * y + 3 * x + 50 * c) % 256;
};
const ten = Array.from({ length: 10 }, (_, i) => `class ${i}`);
const hundred = Array.from({ length: 100 }, (_, i) => `fine_${i}`);

describe('CIFAR binaries', () => {
  const folder = useTemporaryFolder();
  const open = async (split: Split = 'train', dir = folder.path()) => {
    const set = await openDataSet(dir, { split });
    return { ...set, found: await lastValueFrom(set.samples().pipe(toArray())) };
  };
  const failure = (split: Split = 'train') =>
    open(split).then(
      () => assert.fail('nothing failed'),
      error => error.message.replaceAll(folder.path(), 'DIR'),
    );
  const cifar10 = () => ({
    ...Object.fromEntries([1, 2, 3, 4, 5].map(i => [`data_batch_${i}.bin`, records([[i], [i - 1]])])),
    'test_batch.bin': records([[9], [0], [3]]),
    'batches.meta.txt': `${ten.join('\n')}\n\n`,
  });
  const cifar100 = () => ({
    'train.bin': records([
      [19, 99],
      [4, 0],
    ]),
    'test.bin': records([[1, 50]]),
    'fine_label_names.txt': hundred.join('\n'),
    'coarse_label_names.txt': 'x\n',
  });

  describe('as a source', () => {
    itBehavesAsASource(async (count, options) => {
      await writeFiles(folder.path(), { 'a.bin': records([[0], [1], [2]]), 'b.bin': records([[3], [4], [5]]) });
      const layout = { labelBytes: 1, labelAt: 0 } as const;
      // beyond six images the same files are read again and again
      const names = Array.from({ length: Math.max(2, Math.ceil(count / 3)) }, (_, i) => folder.path(`${'ab'[i % 2]}.bin`));
      const files = names.slice(0, 2).map(path => new CifarFile(path, layout));
      const all = names.map((_, i) => files[i % 2]);
      return cifarImages(() => all, new Uint8Array(3 * all.length), options);
    }, folder.path);
  });

  it('should read CIFAR-10, pixels interleaved @smoke', async () => {
    await writeFiles(folder.path(), cifar10());
    const { found, classes, counts, size, indexed, description } = await open();
    assert.deepEqual([classes, size, indexed], [ten, 10, true]);
    assert.deepEqual(counts, [1, 2, 2, 2, 2, 1, 0, 0, 0, 0]);
    assert.match(description, /^CIFAR-10 .*, train split: 10 images, 10 classes$/);
    assert.deepEqual(
      found.slice(0, 3).map(({ key, label, index }) => [key, label, index]),
      [
        ['data_batch_1.bin#0', 1, 0],
        ['data_batch_1.bin#1', 0, 1],
        ['data_batch_2.bin#0', 2, 2],
      ],
    );
    const { picture } = found[1];
    assert.ok(picture.kind === 'raw');
    assert.deepEqual([picture.height, picture.width, picture.channels], [32, 32, 3]);
    assert.deepEqual(
      [...picture.pixels],
      Array.from({ length: 3072 }, (_, at) => pixel(1, (at % 3) * 1024 + Math.floor(at / 3))),
    );
    assert.deepEqual(
      (await open('test')).found.map(({ label }) => label),
      [9, 0, 3],
    );
  });

  it('should read CIFAR-100 by its fine labels, from the folder or the archive as it was fetched', async () => {
    await writeFiles(folder.path('cifar-100-binary'), cifar100());
    const { found, classes } = await open();
    assert.deepEqual([classes.length, found.map(({ label }) => label)], [100, [99, 0]]);
    const entries = Object.entries(cifar100()).map(([name, content]) => [`cifar-100-binary/${name}`, content] as const);
    const packed = folder.path('packed');
    await writeFiles(packed, { 'cifar-100-binary.tar.gz': gzipSync(await tarOf(entries)) });
    const [train, test] = [await open('train', packed), await open('test', packed)];
    const pixels = (sets: typeof train) => sets.found.map(({ picture, label, index, key }) => [picture, label, index, key]);
    assert.deepEqual(pixels(train), pixels(await open()));
    assert.deepEqual(pixels(test), pixels(await open('test')));
  });

  it('should say what is cut off, wrong or missing', async () => {
    const files = cifar10();
    await writeFiles(folder.path(), files);
    const put = (name: string, content: string | Uint8Array) => writeFiles(folder.path(), { ...files, [name]: content });
    await put('data_batch_3.bin', files['test_batch.bin'].subarray(0, 4000));
    assert.equal(
      await failure(),
      'DIR/data_batch_3.bin: expected images of 3073 bytes each, got 4000 bytes, which is 1 and 927 bytes of another. It was cut off, or is another file: fetch it again.',
    );
    await put('data_batch_3.bin', '');
    assert.match(await failure(), /got an empty file/);
    await put('data_batch_3.bin', records([[0], [10]]));
    assert.match(
      await failure(),
      /data_batch_3\.bin, image 1, byte 3073: expected a label from 0 to 9, got 10\. It is damaged, or of the other CIFAR/,
    );
    await put('batches.meta.txt', 'a\nb\n');
    assert.match(await failure(), /batches\.meta\.txt: expected 10 class names, one a line, got 2\./);
    await put('batches.meta.txt', [...ten.slice(1), ten[1]].join('\n'));
    assert.match(await failure(), /got "class 1" twice\./);
    await put('test_batch.bin', records([[1]]));
    assert.deepEqual((await open('test')).warnings, [`${folder.path('test_batch.bin')} has 1 images, where CIFAR-10 has 10,000`]);
    const lacking = Object.fromEntries(Object.entries(files).filter(([name]) => name !== 'data_batch_2.bin'));
    const other = folder.path('lacking');
    await writeFiles(other, lacking);
    await assert.rejects(
      open('train', other),
      /lacking: expected data_batch_2\.bin, got CIFAR-10 without it\. Fetch cifar-10-binary\.tar\.gz again/,
    );
    assert.equal((await open('test', other)).size, 3);
  });
});
