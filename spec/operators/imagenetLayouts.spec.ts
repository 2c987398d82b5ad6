import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { lastValueFrom, map, toArray } from 'rxjs';
import sharp from 'sharp';
import type { Split } from '../../core/data/layout.ts';
import { relabel } from '../../core/data/relabel.ts';
import { MeterSet } from '../../core/meter.ts';
import { decode, openDataSet, pixels } from '../../operators/index.ts';
import { tarOf, useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { devkitMeta } from '../imagenetFixtures.ts';

const ids = ['n02100735', 'n02110185', 'n02119789'];
const names = ['English setter', 'Siberian husky', 'kit fox, Vulpes macrotis'];
/** In the kit's numbering kit fox is 1, setter 2, husky 3. */
const truth = '1\n2\n3\n2\n';
const image = (i: number) => `ILSVRC2012_val_${String(i).padStart(8, '0')}.JPEG`;
const kitFiles = {
  'ILSVRC2012_devkit_t12/data/meta.mat': devkitMeta,
  'ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt': truth,
};

describe('ImageNet layouts', () => {
  const folder = useTemporaryFolder();
  const write = (files: Record<string, string | Uint8Array>) => writeFiles(folder.path(), files);
  const open = async (split: Split) => {
    const set = await openDataSet(folder.path(), { split });
    const samples = await lastValueFrom(set.samples().pipe(toArray()));
    return { ...set, labels: samples.map(({ label }) => label), keys: samples.map(({ key }) => key.replace(folder.path('/'), '')) };
  };
  const failure = (split: Split) =>
    open(split).then(
      () => assert.fail('nothing failed'),
      error => error.message.replaceAll(folder.path(), 'DIR'),
    );
  const jpeg = (red: number) =>
    sharp({ create: { width: 8, height: 8, channels: 3, background: { r: red, g: 0, b: 0 } } })
      .jpeg({ quality: 100 })
      .toBuffer();
  const train = async (order = [...ids].reverse()) =>
    tarOf(
      await Promise.all(
        order.map(
          async (id, i) =>
            [
              `${id}.tar`,
              await tarOf([
                [`${id}_20.JPEG`, await jpeg(50 * i)],
                [`${id}_10.JPEG`, await jpeg(50 * i + 10)],
              ]),
            ] as const,
        ),
      ),
    );
  const packedKit = async () => gzipSync(await tarOf(Object.entries(kitFiles).map(([name, content]) => [name, content] as const)));
  const validation = () => tarOf([3, 1, 4, 2].map(i => [image(i), `picture ${i}`] as const));

  it("should know the classes of torchvision's folders by the development kit beside them, or say why not", async () => {
    const files = ids.flatMap(id => [`train/${id}/${id}_1.JPEG`, `val/${id}/${image(1)}`]);
    await write({ ...Object.fromEntries(files.map(name => [name, 'x'])), ...kitFiles });
    for (const split of ['train', 'test'] as const) {
      const set = await open(split);
      assert.deepEqual([set.names, set.labels, set.warnings], [names, [0, 1, 2], []]);
      assert.match(set.description, /^image folder /);
    }
    await write({ 'train/n99999999/1.JPEG': 'x' });
    const { names: some, warnings } = await open('train');
    assert.equal(some?.[3], 'n99999999');
    assert.deepEqual(warnings, ['one class (n99999999) the synsets beside the folders do not name: they may be of other data']);
    await write({ 'ILSVRC2012_devkit_t12/data/meta.mat': 'x' });
    const { names: none, warnings: why, labels } = await open('train');
    assert.deepEqual([none, labels], [undefined, [0, 1, 2, 3]]);
    assert.match(why?.[0] ?? '', /^classes go without names: .*meta\.mat: expected /);
  });

  it('should read the archives in place, classes sorted by synset, validation labels translated @smoke', async () => {
    await write({
      'ILSVRC2012_img_train.tar': await train(),
      'ILSVRC2012_img_val.tar': await validation(),
      'ILSVRC2012_devkit_t12.tar.gz': await packedKit(),
    });
    const [training, test] = [await open('train'), await open('test')];
    assert.deepEqual([training.classes, training.names, training.counts, training.size], [ids, names, [2, 2, 2], 6]);
    assert.deepEqual(training.labels, [0, 0, 1, 1, 2, 2]);
    assert.deepEqual(training.keys.slice(0, 2), [
      'ILSVRC2012_img_train.tar/n02100735/n02100735_10.JPEG',
      'ILSVRC2012_img_train.tar/n02100735/n02100735_20.JPEG',
    ]);
    assert.deepEqual([test.classes, test.names, test.labels], [ids, names, [2, 0, 1, 0]]);
    assert.deepEqual(
      test.keys,
      [1, 2, 3, 4].map(i => `ILSVRC2012_img_val.tar/${image(i)}`),
    );
    assert.match(
      training.description,
      /^ImageNet archive .*ILSVRC2012_img_train\.tar, train split: 6 images, 3 classes \(index made and saved\)$/,
    );
    assert.match((await open('train')).description, /\(index read from its file\)$/);
  });

  it('should decode the very image that the index names', async () => {
    await write({ 'ILSVRC2012_img_train.tar': await train() });
    const set = await openDataSet(folder.path(), { split: 'train' });
    const red = map(({ pixels: { data } }: { pixels: { data: Uint8Array } }) => data[0]);
    const reds = await lastValueFrom(set.samples().pipe(decode({ workers: 1 }), pixels(), red, toArray()));
    const drawn = [110, 100, 60, 50, 10, 0];
    assert.ok(
      reds.every((value, i) => Math.abs(value - drawn[i]) < 4),
      String(reds),
    );
    assert.deepEqual(set.names, ids, 'no kit, no names');
  });

  it('should take the development kit unpacked, and refuse one of other classes', async () => {
    await write({ 'ILSVRC2012_img_val.tar': await validation(), ...kitFiles });
    assert.deepEqual((await open('test')).labels, [2, 0, 1, 0]);
    await write({ 'ILSVRC2012_img_train.tar': await train(ids.slice(0, 2)) });
    assert.match(
      await failure('train'),
      /expected an archive for each of the 3 classes of the development kit, got none for n02119789\. The archive and the development kit are of different years/,
    );
  });

  it('should say what is missing or does not fit', async () => {
    await write({ 'ILSVRC2012_img_val.tar': await validation() });
    assert.equal(
      await failure('test'),
      'data folder DIR: expected ILSVRC2012_devkit_t12.tar.gz, got no development kit. Put it beside the archive: without its ground truth the validation images have no labels.',
    );
    assert.match(await failure('train'), /^data folder DIR: expected ILSVRC2012_img_train\.tar, got the other archive without it\./);
    await write({ ...kitFiles, 'ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt': '1\n2\n9\n' });
    assert.match(await failure('test'), /ground_truth\.txt, line 3: expected the number of a class of meta\.mat, got "9"\./);
    await write({ ...kitFiles, 'ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt': '1\n2\n' });
    assert.match(
      await failure('test'),
      /image "ILSVRC2012_val_00000003\.JPEG": expected a number from 1 to 2, as the ground truth .* has, got 3\./,
    );
    await writeFile(folder.path('ILSVRC2012_img_val.tar'), await tarOf([['README', 'x']]));
    assert.match(await failure('test'), /image "README": expected a name like ILSVRC2012_val_00000001\.JPEG, got another one\./);
    await writeFile(folder.path('ILSVRC2012_img_train.tar'), await tarOf([['cats.tar', await tarOf([['a.JPEG', 'x']])]]));
    assert.match(await failure('train'), /expected an archive for each synset, such as n01440764\.tar, got "cats\.tar"\./);
  });

  it('should leave nothing beside an archive that it refuses, and say what may have been cut off', async () => {
    const beside = async () => (await readdir(folder.path())).filter(name => name.endsWith('.index'));
    const whole = await train();
    const refused = async (bytes: Uint8Array, why: RegExp) => {
      await writeFile(folder.path('ILSVRC2012_img_train.tar'), bytes);
      assert.match(await failure('train'), why);
      assert.deepEqual(await beside(), []);
    };
    await refused(new Uint8Array(0), /got an empty file/);
    await refused(await tarOf([]), /expected an archive for each synset, such as n01440764\.tar, got none\./);
    await refused(whole.subarray(0, whole.length - 4000), /expected a complete tar archive, got its end inside/);
    const empty = await tarOf([
      [`${ids[0]}.tar`, await tarOf([['1.JPEG', 'x']])],
      [`${ids[1]}.tar`, await tarOf([])],
    ]);
    await refused(empty, /archive "n02110185\.tar" in it: expected images of the class, got nothing in it\./);
    await write(kitFiles);
    await refused(await train(ids.slice(0, 2)), /got none for n02119789/);
    await writeFile(folder.path('ILSVRC2012_img_val.tar'), await tarOf([]));
    assert.match(await failure('test'), /expected validation images, got no file in it\./);
    assert.deepEqual(await beside(), []);
    await writeFile(folder.path('ILSVRC2012_img_train.tar'), whole.subarray(0, whole.length - 1024));
    assert.deepEqual((await open('train')).warnings, [
      `without tar's end mark, perhaps cut off between two files: ${folder.path('ILSVRC2012_img_train.tar')}`,
    ]);
  });

  it('should visit what is kept and nothing else, each sample with the index that it has in the whole @smoke', async () => {
    await write({ 'ILSVRC2012_img_train.tar': await train() });
    const set = await openDataSet(folder.path(), { split: 'train' });
    const meters = new MeterSet();
    const part = relabel(set, { classes: ids.slice(1), labels: Int32Array.of(-1, 0, 1), description: '' });
    const samples = await lastValueFrom(part.samples({ order: 'random', seed: 3, meters }).pipe(toArray()));
    assert.deepEqual(samples.map(({ index, label }) => [index, label]).sort(), [
      [2, 0],
      [3, 0],
      [4, 1],
      [5, 1],
    ]);
    assert.equal(meters.stage('source').itemsOut, 4);
  });

  it('should read a flat val/ with the ground truth of the kit', async () => {
    const images = Object.fromEntries([1, 2, 3, 4].map(i => [`val/${image(i)}`, `picture ${i}`]));
    const classes = Object.fromEntries(ids.map(id => [`train/${id}/${id}_1.JPEG`, 'x']));
    await write({ ...images, ...classes });
    assert.match(await failure('test'), /expected ILSVRC2012_devkit_t12\.tar\.gz or LOC_val_solution\.csv, got neither\./);
    await write(kitFiles);
    assert.deepEqual((await open('test')).labels, [2, 0, 1, 0]);
    const training = await open('train');
    assert.deepEqual([training.classes, training.names, training.labels], [ids, names, [0, 1, 2]]);
    await rm(folder.path('train', ids[2]), { recursive: true });
    assert.equal(
      await failure('train'),
      'folder DIR/train: expected a class folder for each of the 3 synsets of the development kit, got none for n02119789. Unpack all classes, or fetch the development kit that belongs to these images.',
    );
    await rm(folder.path('val', image(3)));
    const test = await open('test');
    assert.deepEqual([test.labels, test.warnings], [[2, 0, 0], ['1 of the 4 images of the ground truth are missing']]);
    await write({ 'train/dogs/1.JPEG': 'x' });
    assert.match(await failure('train'), /^class folder DIR\/train\/dogs: expected a synset id such as n01440764, got dogs\./);
  });

  it("should read Kaggle's folders with their mapping and solution", async () => {
    const base = 'ILSVRC/Data/CLS-LOC';
    await write({
      ...Object.fromEntries(ids.map(id => [`${base}/train/${id}/${id}_1.JPEG`, 'x'])),
      ...Object.fromEntries([1, 2].map(i => [`${base}/val/${image(i)}`, 'x'])),
      'LOC_synset_mapping.txt': `${ids[2]} ${names[2]}\n${ids[0]} ${names[0]}\n${ids[1]} ${names[1]}\n`,
      'LOC_val_solution.csv': `ImageId,PredictionString\n${image(2).slice(0, -5)},${ids[1]} 1 2 3 4 \n${image(1).slice(0, -5)},${ids[2]} 5 6 7 8 ${ids[2]} 1 1 2 2 \n`,
    });
    const [training, test] = [await open('train'), await open('test')];
    assert.deepEqual([training.classes, training.names, training.labels], [ids, names, [0, 1, 2]]);
    assert.deepEqual([test.classes, test.names, test.labels], [ids, names, [2, 1]]);
    await write({ 'LOC_val_solution.csv': 'ImageId,PredictionString\nILSVRC2012_val_00000001,n09999999 1 2 3 4\n' });
    assert.match(
      await failure('test'),
      /LOC_val_solution\.csv, line 2: expected a synset of LOC_synset_mapping\.txt, got "n09999999 1 2 3 4"/,
    );
    await write({ 'LOC_val_solution.csv': `ImageId,PredictionString\n${image(1).slice(0, -5)},${ids[2]} 5 6 7 8\n` });
    const one = await open('test');
    assert.deepEqual([one.labels, one.counts, one.size], [[2, -1], [0, 0, 1], 2]);
    assert.deepEqual(
      one.warnings?.map(text => text.replaceAll(folder.path(), 'DIR')),
      ['1 image cannot be used (ILSVRC2012_val_00000002.JPEG: DIR/LOC_val_solution.csv has no line for it)'],
    );
    await write({ 'LOC_val_solution.csv': 'ImageId,PredictionString\n' });
    assert.match(await failure('test'), /image DIR\/.*val_00000001\.JPEG: expected a line in LOC_val_solution\.csv, got none\./);
    await write({ 'LOC_synset_mapping.txt': 'tench\n' });
    assert.match(await failure('test'), /LOC_synset_mapping\.txt, line 1: expected a synset id such as n01440764 first, got "tench"/);
  });
});
