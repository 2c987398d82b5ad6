import assert from 'node:assert/strict';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { from, lastValueFrom, toArray } from 'rxjs';
import { listedImages } from '../../operators/imageFolder.ts';
import { imageFolder } from '../../operators/index.ts';
import { useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { failureOf, itBehavesAsASource } from './sourceContract.ts';

describe('imageFolder', () => {
  const folder = useTemporaryFolder();
  const keys = async (options = {}) =>
    (await lastValueFrom(imageFolder(folder.path(), options).pipe(toArray()))).map(sample => sample.key.slice(folder.path().length + 1));

  describe('as a source', () => {
    itBehavesAsASource(async (count, options) => {
      // So many files would take longer to make than the test: beyond a hundred, a listing stands for the folder.
      if (count > 100) {
        const files = Array.from({ length: count }, (_, i) => `c/${i}.png`);
        return listedImages({ dir: folder.path(), classes: ['c', 'd'], files, labels: new Int32Array(count) }, options);
      }
      const files = Array.from({ length: count }, (_, i) => [`${i % 2 ? 'cat' : 'dog'}/${i}.png`, ''] as const);
      await writeFiles(folder.path(), Object.fromEntries(files));
      return imageFolder(folder.path(), options);
    }, folder.path);
  });

  it('should sort classes and files by name, and label by class', async () => {
    await writeFiles(folder.path(), { 'dog/2.png': '', 'dog/10.png': '', 'Cat/b.jpg': '', 'ant/a.gif': '' });
    const samples = await lastValueFrom(imageFolder(folder.path()).pipe(toArray()));
    assert.deepEqual(
      samples.map(({ key, label, index, picture }) => [key, label, index, picture.kind]),
      [
        [folder.path('Cat', 'b.jpg'), 0, 0, 'file'],
        [folder.path('ant', 'a.gif'), 1, 1, 'file'],
        [folder.path('dog', '10.png'), 2, 2, 'file'],
        [folder.path('dog', '2.png'), 2, 3, 'file'],
      ],
    );
    assert.deepEqual(samples[0].picture, { kind: 'file', path: folder.path('Cat', 'b.jpg') });
  });

  it('should take every type that sharp reads, in any case, at any depth, and nothing else', async () => {
    const types = ['jpg', 'JPEG', 'png', 'webp', 'gif', 'tif', 'tiff', 'avif', 'bmp', 'txt'];
    const files = Object.fromEntries(types.map(type => [`a/x.${type}`, '']));
    await writeFiles(folder.path(), { ...files, 'a/.hidden.png': '', 'b/deep/er/y.png': '', 'loose.png': '', '.git/z.png': '' });
    const expected = ['a/x.JPEG', 'a/x.avif', 'a/x.gif', 'a/x.jpg', 'a/x.png', 'a/x.tif', 'a/x.tiff', 'a/x.webp', 'b/deep/er/y.png'];
    assert.deepEqual(await keys(), expected);
  });

  it('should visit a permutation that depends on seed and epoch alone with order random', async () => {
    await writeFiles(folder.path(), Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i % 2}/${i}.png`, ''])));
    const natural = await keys();
    const first = await keys({ order: 'random', seed: 1 });
    assert.deepEqual(await keys({ order: 'random', seed: 1 }), first);
    assert.notDeepEqual(first, natural);
    assert.notDeepEqual(await keys({ order: 'random', seed: 2 }), first);
    assert.notDeepEqual(await keys({ order: 'random', seed: 1, epoch: 1 }), first);
    assert.deepEqual([...first].sort(), [...natural].sort());
    const samples = await lastValueFrom(imageFolder(folder.path(), { order: 'random', seed: 1 }).pipe(toArray()));
    assert.ok(
      samples.every(({ key, index }) => key.endsWith(natural[index])),
      'index is the place in the natural order',
    );
  });

  it('should say that a folder is missing @smoke', async () => {
    assert.equal(
      await failureOf(imageFolder(folder.path('nowhere'))),
      `${folder.path('nowhere')}: expected a folder that can be read, got nothing of that name. Check the path for a typing error, relative to the folder you are in.`,
    );
  });

  it('should say that permission was denied', async function () {
    // Nothing is denied to root.
    if (process.getuid?.() === 0) this.skip();
    await writeFiles(folder.path(), { 'a/1.png': '', 'b/1.png': '' });
    await chmod(folder.path('b'), 0);
    const message = await failureOf(imageFolder(folder.path()));
    await chmod(folder.path('b'), 0o700);
    assert.match(message, /b: expected a folder that can be read, got permission denied\. Make it readable for this user/);
  });

  it('should say that it got a file', async () => {
    await writeFiles(folder.path(), { 'a.png': '' });
    assert.match(await failureOf(imageFolder(folder.path('a.png'))), /expected a folder that can be read, got a file\. Give the folder/);
  });

  it('should say that a folder is empty, or holds images without classes', async () => {
    assert.equal(
      await failureOf(imageFolder(folder.path())),
      `image folder ${folder.path()}: expected one folder per class, got an empty folder. Put the images of each class into a folder named after the class.`,
    );
    await writeFiles(folder.path(), { 'a.png': '', 'b.png': '' });
    assert.match(await failureOf(imageFolder(folder.path())), /expected one folder per class, got 2 images directly in it/);
  });

  it('should refuse a single class', async () => {
    await writeFiles(folder.path(), { 'cat/a.png': '' });
    assert.equal(
      await failureOf(imageFolder(folder.path())),
      `image folder ${folder.path()}: expected at least two class folders, got one, "cat". A classifier needs at least two: add a folder beside cat, or give the folder above.`,
    );
  });

  it('should name a class without images and what lies there', async () => {
    await writeFiles(folder.path(), { 'cat/a.png': '', 'dog/a.bmp': '', 'dog/b.bmp': '', 'dog/readme.txt': '' });
    const expected = `class folder ${join(folder.path(), 'dog')}: expected images (jpg, jpeg, png, webp, gif, tif, tiff, avif), got none but 2 .bmp files, 1 .txt file.`;
    assert.ok((await failureOf(imageFolder(folder.path()))).startsWith(expected));
    await writeFiles(folder.path(), { 'dog/z.png': '' });
    await mkdir(folder.path('empty'));
    assert.match(await failureOf(imageFolder(folder.path())), /empty: expected images .*, got nothing in it\./);
  });

  it('should list again after a failure, so that a mended folder works', async () => {
    await writeFiles(folder.path(), { 'cat/a.png': '' });
    const source = imageFolder(folder.path());
    await failureOf(source);
    await writeFiles(folder.path(), { 'dog/a.png': '' });
    assert.equal((await lastValueFrom(from(source).pipe(toArray()))).length, 2);
  });
});
