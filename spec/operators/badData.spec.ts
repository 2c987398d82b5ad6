import assert from 'node:assert/strict';
import { mkdir, symlink } from 'node:fs/promises';
import { lastValueFrom, toArray } from 'rxjs';
import sharp from 'sharp';
import type { Split } from '../../core/data/layout.ts';
import type { Bad } from '../../core/data/sample.ts';
import { decode, openDataSet, pixels } from '../../operators/index.ts';
import { idxOf, tarOf, useTemporaryFolder, writeFiles } from '../dataFixtures.ts';

const ids = ['n02100735', 'n02110185'];
const voc = (name: string, xmin: number, ymin: number, xmax: number, ymax: number) =>
  `<annotation><object><name>${name}</name><bndbox><xmin>${xmin}</xmin><ymin>${ymin}</ymin><xmax>${xmax}</xmax><ymax>${ymax}</ymax></bndbox></object></annotation>`;

describe('data that is not as it should be', () => {
  const folder = useTemporaryFolder();
  const plainly = (text: string) => text.replaceAll(folder.path(), 'DIR');
  const write = (files: Record<string, string | Uint8Array>) => writeFiles(folder.path(), files);
  const open = async (split: Split, layout?: string) => {
    const { warnings = [], ...set } = await openDataSet(folder.path(), { split, ...(layout && { layout }) });
    return { ...set, description: plainly(set.description), warnings: warnings.map(plainly) };
  };
  const failure = (split: Split, layout?: string) =>
    open(split, layout).then(
      () => assert.fail('nothing failed'),
      error => plainly(error.message),
    );
  const folders = (root: string, ...classes: string[]) => Object.fromEntries(classes.map(name => [`${root}/${name}/1.png`, 'x']));
  const png = (width = 40, height = 30) =>
    sharp({ create: { width, height, channels: 3, background: '#808080' } })
      .png()
      .toBuffer();
  /** What becomes of the samples: keys that were taken, and what was told. */
  async function run(split: Split, onError: 'skip' | 'replace' | 'throw') {
    const told: Bad[] = [];
    const set = await openDataSet(folder.path(), { split });
    const samples = await lastValueFrom(
      set.samples().pipe(decode({ workers: 1, onError, bad: each => told.push(each) }), pixels(), toArray()),
      { defaultValue: [] },
    );
    const short = (key: string) => key.slice(key.lastIndexOf('/') + 1);
    return {
      taken: samples.map(({ key }) => short(key)),
      told: told.map(each => ({ ...each, key: short(each.key), reason: plainly(each.reason) })),
    };
  }

  it('should make a bad sample of an image whose annotation is wrong, and end the run only if asked to', async () => {
    const image = await png();
    await write({
      ...Object.fromEntries(['cat/1', 'cat/2', 'dog/3'].map(name => [`train/${name}.png`, image])),
      'Annotations/train/cat/1.xml': '<annotation>',
      'Annotations/train/cat/2.xml': voc('cat', 1, 1, 5, 5),
    });
    const reason = 'DIR/Annotations/train/cat/1.xml, line 1: expected XML, got unclosed tag: annotation';
    const bad = { ok: false, key: '1.png', stage: 'source', reason };
    assert.deepEqual(await run('train', 'skip'), { taken: ['2.png', '3.png'], told: [bad] });
    assert.deepEqual(await run('train', 'replace'), { taken: ['2.png', '2.png', '3.png'], told: [bad] });
    await assert.rejects(run('train', 'throw'), error => {
      assert.ok(error instanceof Error);
      assert.equal(
        plainly(error.message),
        `source "DIR/train/cat/1.png": expected an image, got a bad sample: ${reason}. Repair or remove it, or set onError to "skip" or "replace".`,
      );
      return true;
    });
  });

  it('should tell of boxes outside of their picture, and take it', async () => {
    const image = await png();
    const drawn = {
      1: voc('cat', 1, 1, 40, 30),
      2: voc('cat', 10, 10, 41, 31), // a pixel too far: counted from 0 or from 1
      3: voc('cat', 10, 10, 400, 30),
      4: voc('cat', 50, 60, 70, 80),
      5: voc('cat', 20, 20, 10, 10),
    };
    await write({
      ...Object.fromEntries(
        Object.entries(drawn).flatMap(([name, text]) => [
          [`train/cat/${name}.png`, image],
          [`Annotations/train/cat/${name}.xml`, text],
        ]),
      ),
      'train/dog/9.png': image,
    });
    const { taken, told } = await run('train', 'throw');
    assert.equal(taken.length, 6);
    assert.deepEqual(
      told.map(({ key, reason, warning }) => [key, reason, warning]),
      [
        ['3.png', 'box 1 of 1 (columns 9 to 400, rows 9 to 30) reaches beyond the picture of 40 x 30', true],
        ['4.png', 'box 1 of 1 (columns 49 to 70, rows 59 to 80) covers nothing of the picture of 40 x 30', true],
        ['5.png', 'box 1 of 1 (columns 19 to 10, rows 19 to 10) covers nothing of the picture of 40 x 30', true],
      ],
    );
  });

  it('should count and name annotations of images that are not there', async () => {
    await write({
      ...folders('train', 'cat', 'dog'),
      'Annotations/train/cat/1.xml': voc('cat', 1, 1, 2, 2),
      ...Object.fromEntries([2, 3, 4, 5].map(i => [`Annotations/train/cat/${i}.xml`, 'x'])),
    });
    assert.deepEqual((await open('train')).warnings, [
      'DIR/Annotations/train: 4 annotations belong to no image (cat/2.xml, cat/3.xml, cat/4.xml, …)',
    ]);
  });

  it('should tell of a class folder that is no synset where all others are', async () => {
    const many = Array.from({ length: 12 }, (_, i) => `n${String(10_000_000 + i)}`);
    await write({ ...folders('train', ...many, 'misc'), ...folders('val', ...many, 'misc') });
    assert.deepEqual((await open('train')).warnings, ['the class folder misc is no synset id, as all others are']);
  });

  it('should tell of held-out parts that are the training part, or lack classes', async () => {
    await write({ ...folders('train', 'a', 'b', 'c', 'd', 'e'), ...folders('val', 'b') });
    await mkdir(folder.path('val/c'));
    assert.match(await failure('test'), /^class folder DIR\/val\/c: expected images .*, got nothing in it\./);
    await write({ 'val/c/1.png': 'x' });
    assert.deepEqual((await open('test')).warnings, ['no held-out images of 3 of the 5 classes (a, d, e)']);
    assert.deepEqual((await open('train')).warnings, []);
    await symlink('train', folder.path('test'));
    assert.deepEqual((await open('test')).warnings, [
      'DIR/train and DIR/test are the same folder: accuracy will be that on the training images',
    ]);
  });

  it('should say which of two layouts was taken, and take the other if told to', async () => {
    const image = 'ILSVRC2012_val_00000001.JPEG';
    await write({
      'ILSVRC2012_img_train.tar': await tarOf(
        await Promise.all(ids.map(async id => [`${id}.tar`, await tarOf([[`${id}_1.JPEG`, 'x']])] as const)),
      ),
      ...folders('train', ...ids),
      ...folders('val', ...ids),
    });
    const both = 'DIR also holds folders: taken is imagenet-archives. To choose: --layout imagenet-archives or folders';
    const [one, other] = [await open('train'), await open('train', 'folders')];
    assert.match(one.description, /^ImageNet archive/);
    assert.deepEqual(one.warnings, [both]);
    assert.match(other.description, /^image folder DIR\/train/);
    assert.deepEqual(other.warnings, []);
    assert.equal((await open('test', 'folders')).size, 2);
    assert.equal(
      await failure('train', 'shards'),
      'data folder DIR: expected a layout that is there: imagenet-archives, folders, got "shards". Choose one of these, or none.',
    );
    await write({ 'train-images-idx3-ubyte': idxOf([2, 1, 1], [1, 2], 8), 'train-0.tar': await tarOf([[image, 'x']]) });
    assert.match((await open('train')).warnings[0], /^DIR also holds idx and shards and folders: taken is imagenet-archives\./);
  });

  it('should see that the archives were exchanged', async () => {
    await write({ 'ILSVRC2012_img_train.tar': await tarOf([['ILSVRC2012_val_00000001.JPEG', 'x']]) });
    assert.match(
      await failure('train'),
      /expected an archive for each synset.*got none\..*it may have been exchanged with ILSVRC2012_img_val\.tar\.$/,
    );
  });

  it('should say that a file lies where a folder was expected', async () => {
    await write({ train: 'x', 'val/a/1.png': 'x', 'val/b/1.png': 'x' });
    assert.equal(
      await failure('train'),
      'data folder DIR: expected train/, got a file called train and only the held-out part. Add the images to learn from.',
    );
  });
});
