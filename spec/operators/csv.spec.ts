import assert from 'node:assert/strict';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import type { Split } from '../../core/data/layout.ts';
import { openDataSet } from '../../operators/index.ts';
import { useTemporaryFolder, writeFiles } from '../dataFixtures.ts';

describe('CSV', () => {
  const folder = useTemporaryFolder();
  const files = ['a/1.jpg', 'a/2.jpg', 'b/1.jpg', 'b/2.jpg', 'x, "y".png'];
  const write = (lists: Record<string, string>) =>
    writeFiles(folder.path(), { ...Object.fromEntries(files.map(file => [file, 'x'])), ...lists });
  const open = async (split: Split = 'train', ...below: string[]) => {
    const set = await openDataSet(folder.path(...below), { split });
    const samples = await lastValueFrom(set.samples().pipe(toArray()));
    return { ...set, found: samples.map(({ key, label }) => [key.replace(folder.path('/'), ''), label]) };
  };
  const failure = async (text: string, split: Split = 'train', name = 'labels.csv') => {
    await write({ [name]: text });
    return openDataSet(folder.path(), { split }).then(
      () => assert.fail('nothing failed'),
      error => error.message.replaceAll(folder.path(), 'DIR'),
    );
  };

  it('should read names as labels, sorted, with a header in any order or without @smoke', async () => {
    await write({
      'labels.csv': 'label,size,path,split\r\ncat,3,a/1.jpg,train\r\n"ant",4,"x, ""y"".png",Train\r\ncat,1,./b/1.jpg,val\r\n',
    });
    const { classes, counts, found, description } = await open();
    assert.deepEqual(
      [classes, counts],
      [
        ['ant', 'cat'],
        [1, 1],
      ],
    );
    assert.deepEqual(found, [
      ['a/1.jpg', 1],
      ['x, "y".png', 0],
    ]);
    assert.match(description, /^CSV .*labels\.csv, train split: 2 images, 2 classes$/);
    assert.deepEqual((await open('test')).found, [['b/1.jpg', 1]]);
    await write({ 'labels.csv': '\ufeffa/1.jpg,cat\n\nb/1.jpg,ant\na/2.jpg,cat\n' });
    const [train, test] = [await open(), await open('test')];
    assert.match(train.description, /train split: 2 images of 3 \(one in 10 of each class is held out/);
    assert.equal(test.size, 1);
    assert.deepEqual([...train.found, ...test.found].sort(), [
      ['a/1.jpg', 1],
      ['a/2.jpg', 1],
      ['b/1.jpg', 0],
    ]);
  });

  it('should take numbers for places among the classes, named in classes.txt or not', async () => {
    await write({ 'train.csv': 'path,label\na/1.jpg,2\nb/1.jpg,0\n', 'val.csv': 'path,label\na/2.jpg,1\n' });
    assert.deepEqual(
      [(await open()).classes, (await open()).found],
      [
        ['0', '1', '2'],
        [
          ['a/1.jpg', 2],
          ['b/1.jpg', 0],
        ],
      ],
    );
    assert.deepEqual((await open('test')).found, [['a/2.jpg', 1]]);
    await write({ 'classes.txt': 'x\ny\nz\nw\n' });
    assert.deepEqual((await open()).classes, ['x', 'y', 'z', 'w']);
  });

  it('should read a list that is given itself, with absolute paths and tabs', async () => {
    await write({ 'mine.tsv': `image\tclass\tset\n${join(folder.path(), 'a/1.jpg')}\tcat\ttrain\na/2.jpg\tant\ttrain\n` });
    assert.deepEqual((await open('train', 'mine.tsv')).found, [
      ['a/1.jpg', 1],
      ['a/2.jpg', 0],
    ]);
    const other = folder.path('mine.tsv');
    await assert.rejects(openDataSet(other, { split: 'test' }), /mine\.tsv: expected held-out images, got none\. Mark some as val or test/);
  });

  it('should leave lists of other things alone', async () => {
    await write({ 'train.csv': 'PassengerId,Survived\n1,0\n' });
    assert.match((await open()).description, /^image folder /);
  });

  it('should count and name images of which there is no file, and go on without them if asked to', async () => {
    await write({ 'train.csv': 'path,label\na/1.jpg,cat\nb/9.jpg,dog\nb/1.jpg,dog\nc/9.jpg,dog\n', 'val.csv': 'a/2.jpg,cat\n' });
    const set = await openDataSet(folder.path(), { split: 'train', layout: 'csv' });
    const dir = folder.path();
    const [first, second] = [
      `${dir}/train.csv, line 3: no file of that name`,
      `${dir}/train.csv, line 5: no folder ${dir}/c that can be read`,
    ];
    assert.deepEqual(set.warnings?.slice(-1), [`2 images cannot be used (b/9.jpg: ${first}; c/9.jpg: ${second})`]);
    const samples = await lastValueFrom(set.samples().pipe(toArray()));
    assert.deepEqual(
      samples.map(({ fault }) => fault),
      [undefined, first, undefined, second],
    );
  });

  it('should name the line that is wrong', async () => {
    const head = 'path,label\na/1.jpg,cat\n';
    assert.equal(
      await failure('path,label\nb/9.jpg,dog\nc/9.jpg,cat\n'),
      'DIR/labels.csv, line 2: expected the image "b/9.jpg" in DIR, got none of its images. Correct the paths: they are relative to the list.',
    );
    await writeFiles(folder.path('one'), { 'labels.csv': '', 'a/1.jpg': 'x' });
    await assert.rejects(openDataSet(folder.path('one'), { split: 'train' }), /labels\.csv: expected images with labels, got none\./);
    assert.match(
      await failure(`${head}b/1.jpg,dog\n./a/1.jpg,dog\n`),
      /line 4: expected every image once, got ".\/a\/1\.jpg", which is on line 2 too\./,
    );
    assert.match(await failure(`${head},dog\n`), /line 3: expected the path of an image, got nothing\./);
    assert.match(await failure(`${head}b/1.jpg,\n`), /line 3: expected a label for "b\/1\.jpg", got nothing\./);
    assert.match(await failure(`${head}b/1.jpg\n`), /line 3: expected 2 columns, got 1\./);
    assert.match(await failure(`${head}"b/1.jpg,dog\n`), /labels\.csv, line \d: expected CSV, got .*[Qq]uote/);
    assert.match(await failure(`${head}b/1.jpg,"do"g\n`), /labels\.csv, line 3: expected CSV, got /);
    assert.match(await failure(head), /labels of at least two classes, got only "cat"/);
    assert.match(await failure('path,label\n'), /labels\.csv: expected images with labels, got none\./);
    assert.match(await failure('path,label\na/1.jpg,0\nb/1.jpg,-1\n'), /line 3: expected a label from 0, got -1\./);
    assert.match(
      await failure('path,label,split\na/1.jpg,0,train\nb/1.jpg,1,dev\n'),
      /line 3: expected train, val or test as the split, got "dev"\./,
    );
    await write({ 'classes.txt': 'x\ny\n' });
    assert.match(await failure('path,label\na/1.jpg,0\nb/1.jpg,2\n'), /line 3: expected a label from 0 to 1, as classes\.txt has, got 2\./);
    assert.match(await failure(head), /line 2: expected one of the classes of classes\.txt \(x, y\), got "cat"\./);
  });

  it('should refuse held-out labels that the training images do not have', async () => {
    await write({ 'train.csv': 'a/1.jpg,cat\nb/1.jpg,dog\n', 'test.csv': 'a/2.jpg,fox\n' });
    await assert.rejects(
      openDataSet(folder.path(), { split: 'test' }),
      /test\.csv, line 1: expected one of the classes of the training images \(cat, dog\), got "fox"\./,
    );
  });
});
