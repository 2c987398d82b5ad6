import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { lastValueFrom, toArray } from 'rxjs';
import type { Split } from '../../core/data/layout.ts';
import { openDataSet } from '../../operators/index.ts';
import { idxOf, shardEntries, tarOf, useTemporaryFolder, writeFiles } from '../dataFixtures.ts';

describe('openDataSet', () => {
  const folder = useTemporaryFolder();
  const write = (files: Record<string, string | Uint8Array>) => writeFiles(folder.path(), files);
  const open = async (split: Split) => {
    const set = await openDataSet(folder.path(), { split });
    const samples = await lastValueFrom(set.samples().pipe(toArray()));
    const description = set.description.replaceAll(folder.path(), 'DIR');
    return {
      ...set,
      description,
      labels: samples.map(sample => sample.label),
      keys: samples.map(sample => sample.key.replace(folder.path('/'), '')),
    };
  };
  const failure = (split: Split) =>
    open(split).then(
      () => assert.fail('nothing failed'),
      error => error.message.replaceAll(folder.path(), 'DIR'),
    );

  describe('image folders', () => {
    it('should recognise train with test, val or validation @smoke', async () => {
      await write({ 'train/cat/1.png': '', 'train/dog/2.png': '', 'train/dog/3.png': '' });
      for (const name of ['validation', 'val', 'test']) {
        await write({ [`${name}/cat/${name}.png`]: '', [`${name}/dog/9.png`]: '' });
        const test = await open('test');
        assert.deepEqual(test.keys, [`${name}/cat/${name}.png`, `${name}/dog/9.png`], 'the first of test, val, validation counts');
        assert.equal(test.description, `image folder DIR/${name}, test split: 2 images, 2 classes`);
      }
      const train = await open('train');
      assert.equal(train.description, 'image folder DIR/train, train split: 3 images, 2 classes');
      assert.deepEqual(train.classes, ['cat', 'dog']);
      assert.equal(train.size, 3);
      assert.deepEqual(train.labels, [0, 1, 1]);
    });

    it('should label the held-out part as the training part', async () => {
      await write({ 'train/a/1.png': '', 'train/b/1.png': '', 'train/c/1.png': '', 'test/a/1.png': '', 'test/c/1.png': '' });
      const test = await open('test');
      assert.deepEqual(test.classes, ['a', 'b', 'c']);
      assert.deepEqual(test.labels, [0, 2]);
      await write({ 'test/x/1.png': '' });
      assert.equal(
        await failure('test'),
        'class folder DIR/test/x: expected one of the training classes (a, b, c), got x. Name the class folders alike in both parts.',
      );
    });

    it('should say that the held-out part is missing', async () => {
      await write({ 'train/a/1.png': '', 'train/b/1.png': '' });
      assert.match(
        await failure('test'),
        /^data folder DIR: expected test\/ or val\/ or validation\/, got only the training part\. Add held-out images/,
      );
    });

    it('should hold out a tenth of each class of a folder without a split, the same wherever it lies', async () => {
      const files = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`${i < 40 ? 'few' : 'fewer'}/${i}.png`, '']));
      await write(files);
      const [train, test] = [await open('train'), await open('test')];
      assert.equal(
        test.description,
        'image folder DIR without a split, test part: 6 of 60 images (one in 10 of each class is held out, chosen by a hash of its name), 2 classes',
      );
      assert.deepEqual([train.size, test.size], [54, 6]);
      assert.deepEqual(test.labels, [0, 0, 0, 0, 1, 1]);
      assert.deepEqual([...train.keys, ...test.keys].sort(), Object.keys(files).sort());
      assert.notDeepEqual(test.keys.slice(0, 4), Object.keys(files).slice(0, 4));
      await writeFiles(folder.path('elsewhere', 'deep'), files);
      const moved = await openDataSet(folder.path('elsewhere', 'deep'), { split: 'test' });
      const keys = (await lastValueFrom(moved.samples().pipe(toArray()))).map(({ key }) =>
        key.slice(folder.path('elsewhere', 'deep').length + 1),
      );
      assert.deepEqual(keys, test.keys);
    });

    it('should hold out one of two images, and say when there is none to hold out', async () => {
      await write({ 'a/1.png': '', 'b/1.png': '' });
      assert.match(
        await failure('test'),
        /expected a class with at least two images, so that one can be held out, got 2 classes of one image/,
      );
      await write({ 'a/2.png': '' });
      assert.equal((await open('test')).keys.length, 1);
      assert.deepEqual((await open('train')).labels, [0, 1]);
    });

    it('should take a class that is called train for a class', async () => {
      await write({ 'train/1.png': '', 'bus/1.png': '', 'bus/2.png': '' });
      assert.deepEqual((await open('train')).classes, ['bus', 'train']);
    });

    it('should pass the order on to the source', async () => {
      await write(Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`${i % 2}/${i}.png`, ''])));
      const set = await openDataSet(folder.path(), { split: 'train' });
      const samples = await lastValueFrom(set.samples({ order: 'random', seed: 1 }).pipe(toArray()));
      assert.notDeepEqual(
        samples.map(sample => sample.index),
        samples.map((_, i) => i),
      );
    });

    it('should refuse a single class', async () => {
      await write({ 'cat/1.png': '' });
      assert.match(await failure('train'), /^image folder DIR: expected at least two class folders, got one, "cat"/);
    });
  });

  describe('WebDataset shards', () => {
    it('should recognise shards side by side, with class names and sizes from beside them @smoke', async () => {
      await write({
        'train-000.tar.gz': gzipSync(await tarOf(shardEntries(3))),
        'train-001.tar.gz': gzipSync(await tarOf(shardEntries(2, 3))),
        'val-000.tar': await tarOf(shardEntries(3)),
        'classes.txt': 'red\ngreen\nblue\n',
        'index.json': '{ "shards": { "train-000.tar.gz": 3, "train-001.tar.gz": 2 } }',
      });
      const train = await open('train');
      assert.equal(train.description, 'WebDataset, train split: 2 shards, 5 images, 3 classes (from classes.txt)');
      assert.deepEqual(train.classes, ['red', 'green', 'blue']);
      assert.equal(train.size, 5);
      assert.deepEqual(train.labels, [0, 1, 2, 0, 1]);
      const test = await open('test');
      assert.equal(test.description, 'WebDataset, test split: 1 shard, 3 classes (from classes.txt)');
      assert.equal(test.size, undefined);
      assert.deepEqual(test.keys, ['val-000.tar/0000', 'val-000.tar/0001', 'val-000.tar/0002']);
    });

    it('should recognise shards in folders, and count the classes by reading the training labels', async () => {
      await write({ 'train/0.tar': await tarOf(shardEntries(5)), 'test/0.tar': await tarOf(shardEntries(1)) });
      const test = await open('test');
      assert.deepEqual(test.classes, ['0', '1', '2']);
      assert.equal(
        test.description,
        'WebDataset, test split: 1 shard, 3 classes (counted by reading all training labels; a classes.txt would spare that)',
      );
      await write({ 'index.json': '{ "shards": { "train/0.tar": 5, "test/0.tar": 1 } }' });
      assert.equal((await open('train')).size, 5);
      assert.equal((await open('test')).size, 1);
    });

    it('should name the sample whose label is beyond classes.txt', async () => {
      await write({ 'train-0.tar': await tarOf(shardEntries(3)), 'classes.txt': 'red\ngreen\n' });
      const samples = await lastValueFrom((await open('train')).samples().pipe(toArray()));
      assert.deepEqual(
        samples.map(({ fault }) => fault),
        [undefined, undefined, 'label of train-0.tar/0002: expected a label from 0 to 1 (there are 2 classes), got 2'],
      );
    });

    it('should say that a part is missing', async () => {
      await write({ 'train-0.tar': await tarOf(shardEntries(3)), 'classes.txt': 'a\nb\nc' });
      assert.match(await failure('test'), /expected test\/\*\.tar\[\.gz\] or test-\*\.tar\[\.gz\] or val\/.*, got only the training part/);
    });

    it('should refuse labels of a single class', async () => {
      await write({ 'train-0.tar': await tarOf(shardEntries(1)) });
      assert.match(await failure('train'), /expected labels of at least two classes, got only 0\. A classifier needs two/);
    });

    it('should refuse a classes.txt or an index.json that makes no sense', async () => {
      await write({ 'train-0.tar': await tarOf(shardEntries(3)), 'classes.txt': 'a\nb\na\n' });
      assert.match(await failure('train'), /^DIR\/classes\.txt, line 3: expected a new name, got "a"/);
      await write({ 'classes.txt': 'a\n' });
      assert.match(await failure('train'), /^DIR\/classes\.txt: expected at least two class names, got 1/);
      await write({ 'classes.txt': 'a\nb\nc\n', 'index.json': '{ "shards": [1] ' });
      assert.match(await failure('train'), /^DIR\/index\.json: expected JSON, got /);
      await write({ 'index.json': '{ "shards": { "train-0.tar": "3" } }' });
      assert.match(await failure('train'), /^DIR\/index\.json: expected \{ "shards": .* \}, got \{"shards":\{"train-0\.tar":"3"\}\}/);
      await write({ 'index.json': '{ "shards": { "train-0.tar": 4 } }' });
      assert.match(await failure('train'), /train-0\.tar: expected 4 samples, as the index says, got 3/);
    });
  });

  describe('IDX files', () => {
    const images = (count: number) => idxOf([count, 2, 2], new Uint8Array(count * 4));
    const quartet = (pack: (bytes: Buffer) => Uint8Array, suffix: string) => ({
      [`train-images-idx3-ubyte${suffix}`]: pack(images(4)),
      [`train-labels-idx1-ubyte${suffix}`]: pack(idxOf([4], [0, 3, 1, 2])),
      [`t10k-images-idx3-ubyte${suffix}`]: pack(images(2)),
      [`t10k-labels-idx1-ubyte${suffix}`]: pack(idxOf([2], [1, 0])),
    });

    it('should recognise the four files, packed or not @smoke', async () => {
      await write(quartet(gzipSync, '.gz'));
      const packed = await open('train');
      assert.equal(packed.description, 'IDX files, train split: 4 images of 2×2, 4 classes (counted in the training labels)');
      assert.deepEqual(packed.classes, ['0', '1', '2', '3']);
      assert.equal(packed.size, 4);
      assert.deepEqual(packed.labels, [0, 3, 1, 2]);
      await write({ ...quartet(bytes => bytes, ''), 'classes.txt': 'a\r\nb\r\nc\r\nd\r\n' });
      const test = await open('test');
      assert.deepEqual(test.classes, ['a', 'b', 'c', 'd']);
      assert.deepEqual(test.labels, [1, 0]);
      assert.equal(test.description, 'IDX files, test split: 2 images of 2×2, 4 classes (from classes.txt)');
    });

    it('should name the file that is missing', async () => {
      const { 't10k-labels-idx1-ubyte': _, ...rest } = quartet(bytes => bytes, '');
      await write(rest);
      assert.equal((await open('train')).size, 4);
      assert.equal(
        await failure('test'),
        'data folder DIR: expected the IDX file t10k-labels-idx1-ubyte[.gz], got the others without it. Fetch the missing file into the folder.',
      );
    });
  });

  describe('the data set that is shipped', () => {
    const shipped = new URL('../../pipelines/data/fashion-mnist', import.meta.url).pathname;

    it('should be 6,000 and 1,000 balanced 28×28 grey images of ten named classes @smoke', async () => {
      for (const [split, count] of [
        ['train', 6000],
        ['test', 1000],
      ] as const) {
        const set = await openDataSet(shipped, { split });
        assert.equal(set.size, count);
        assert.equal(set.classes.length, 10);
        const samples = await lastValueFrom(set.samples().pipe(toArray()));
        const perClass = set.classes.map((_, label) => samples.filter(sample => sample.label === label).length);
        assert.deepEqual(perClass, new Array(10).fill(count / 10));
        assert.equal(new Set(samples.map(sample => sample.key)).size, count);
        for (const { picture } of samples.slice(0, 50)) {
          assert.ok(picture.kind === 'encoded');
          const bytes = Buffer.from(picture.bytes);
          assert.equal(bytes.toString('latin1', 1, 4), 'PNG');
          // PNG's header: width, height, 8 bits, grey.
          assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20), bytes[24], bytes[25]], [28, 28, 8, 0]);
        }
      }
    });

    it('should lie beside its licence', () => {
      assert.ok(existsSync(`${shipped}/LICENSE`));
    });
  });

  describe('anything else', () => {
    it('should list what was looked for, and what was found @smoke', async () => {
      await write({ 'a.csv': '', 'notes/x.txt': '', 'b.csv': '' });
      const message = await failure('train');
      assert.match(
        message,
        /^data folder DIR: expected one of: train-images-idx3-ubyte\[\.gz\] .*\(IDX\); train\/ and test\/.*\(WebDataset shards\); .*\(image folders\); one folder per class/,
      );
      assert.match(message, /, got notes\/, a\.csv, b\.csv\. Arrange the data in one of these ways/);
    });

    it('should say that the folder is empty, missing, or a file', async () => {
      assert.match(await failure('train'), /, got an empty folder\./);
      await assert.rejects(
        openDataSet(folder.path('none'), { split: 'train' }),
        /none: expected a folder that can be read, got nothing of that name/,
      );
      await write({ 'x.tar': '' });
      await assert.rejects(openDataSet(folder.path('x.tar'), { split: 'train' }), /x\.tar: expected a folder that can be read, got a file/);
    });
  });
});
