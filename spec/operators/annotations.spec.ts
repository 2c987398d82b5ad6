import assert from 'node:assert/strict';
import { symlink } from 'node:fs/promises';
import { lastValueFrom, map, toArray } from 'rxjs';
import type { Split } from '../../core/data/layout.ts';
import { openDataSet } from '../../operators/index.ts';
import { useTemporaryFolder, writeFiles } from '../dataFixtures.ts';

const ids = ['n02100735', 'n02110185'];
const image = (i: number) => `ILSVRC2012_val_${String(i).padStart(8, '0')}`;
const voc = (...objects: (readonly [name: string, xmin: number, ymin: number, xmax: number, ymax: number])[]) =>
  `<annotation>\n${objects
    .map(
      ([name, xmin, ymin, xmax, ymax]) =>
        `<object><name>${name}</name><bndbox><xmin>${xmin}</xmin><ymin>${ymin}</ymin><xmax>${xmax}</xmax><ymax>${ymax}</ymax></bndbox></object>`,
    )
    .join('\n')}\n</annotation>`;

describe('boxes of data sets', () => {
  const folder = useTemporaryFolder();
  const write = (files: Record<string, string>) => writeFiles(folder.path(), files);
  const open = async (split: Split, below = '.') => {
    const set = await openDataSet(folder.path(below), { split });
    const samples = set.samples().pipe(
      map(({ key, boxes }) => [
        key.slice(key.lastIndexOf('/') + 1),
        boxes?.map(({ label, left, top, right, bottom }) => [label, left, top, right, bottom]),
      ]),
      toArray(),
    );
    return { description: set.description, set, boxes: Object.fromEntries(await lastValueFrom(samples)) };
  };
  /** Why images cannot be used, as far as their source knows. */
  const faults = async (split: Split): Promise<Record<string, string>> => {
    const samples = await lastValueFrom((await openDataSet(folder.path(), { split })).samples().pipe(toArray()));
    return Object.fromEntries(
      samples.flatMap(({ key, fault }) =>
        fault === undefined ? [] : [[key.slice(key.lastIndexOf('/') + 1), fault.replaceAll(folder.path(), 'DIR')]],
      ),
    );
  };
  const failure = (split: Split) =>
    open(split).then(
      () => assert.fail('nothing failed'),
      error => error.message.replaceAll(folder.path(), 'DIR'),
    );
  const base = 'ILSVRC/Data/CLS-LOC';
  const kaggle = {
    [`${base}/train/${ids[0]}/a_1.JPEG`]: 'x',
    [`${base}/train/${ids[0]}/a_2.JPEG`]: 'x',
    [`${base}/train/${ids[1]}/b_1.JPEG`]: 'x',
    [`${base}/val/${image(1)}.JPEG`]: 'x',
    [`${base}/val/${image(2)}.JPEG`]: 'x',
    'LOC_synset_mapping.txt': `${ids[0]} setter\n${ids[1]} husky\n`,
    'LOC_val_solution.csv': `ImageId,PredictionString\r\n${image(2)},${ids[1]} 1 2 3 4 \r\n${image(1)},${ids[0]} 5 6 7 8 ${ids[1]} 1 1 2 2 \r\n`,
  };

  it('should be found in a folder with links that lead in a circle', async () => {
    const files = { 'train/a/1.png': 'x', 'train/b/2.png': 'x', 'test/a/3.png': 'x', 'test/b/4.png': 'x' };
    await write({ ...files, 'Annotations/train/a/1.xml': voc(['a', 1, 1, 5, 5]) });
    await symlink('..', folder.path('Annotations/train/up'));
    await symlink('../..', folder.path('Annotations/train/a/up'));
    await symlink('../a', folder.path('Annotations/train/a/down'));
    assert.deepEqual((await open('train')).boxes, { '1.png': [[0, 0, 0, 5, 5]], '2.png': undefined });
  });

  it("should be read from Kaggle's solutions, both splits @smoke", async () => {
    await write({
      ...kaggle,
      'LOC_train_solution.csv': `ImageId,PredictionString\nb_1,${ids[1]} 1 1 500 375 \na_1,${ids[0]} 10 20 30 40\ngone,${ids[0]} 1 2 3 4\n`,
    });
    const [train, test] = [await open('train'), await open('test')];
    assert.deepEqual(train.boxes, { 'a_1.JPEG': [[0, 9, 19, 30, 40]], 'a_2.JPEG': undefined, 'b_1.JPEG': [[1, 0, 0, 500, 375]] });
    assert.match(train.description, /3 images, 2 classes, boxes of 2 images; 1 annotation belongs to no image$/);
    assert.deepEqual(test.boxes, {
      [`${image(1)}.JPEG`]: [
        [0, 4, 5, 7, 8],
        [1, 0, 0, 2, 2],
      ],
      [`${image(2)}.JPEG`]: [[1, 0, 1, 3, 4]],
    });
    assert.match(test.description, /2 images, 2 classes, boxes of 2 images$/);
    const without = await lastValueFrom(train.set.samples({ boxes: false, order: 'random' }).pipe(toArray()));
    assert.ok(without.every(sample => !('boxes' in sample)));
  });

  it('should tell the line of a solution that is wrong', async () => {
    const train = (line: string) => write({ ...kaggle, 'LOC_train_solution.csv': `ImageId,PredictionString\n${line}\n` });
    await train(`a_1,${ids[0]} 1 2 3`);
    assert.equal(
      await failure('train'),
      'DIR/LOC_train_solution.csv, line 2: expected a synset and four numbers for each object, got "n02100735 1 2 3". Fetch the file again, or the mapping that belongs to it.',
    );
    await train(`a_1,${ids[0]} 1 2 3 4 n09999999 1 2 3 4`);
    assert.match(await failure('train'), /line 2: expected a synset of the class folders, got "n02100735 1 2 3 4 n09999999 1 2 3 4"\./);
    await train(`a_1,${ids[0]} 1 2 3 x`);
    assert.match(await failure('train'), /line 2: expected a synset and four numbers/);
    await train('a_1');
    assert.match(await failure('train'), /line 2: expected a synset of the class folders, got ""\./);
  });

  it('should be read from the XML files of ImageNet', async () => {
    const drawn = 'ILSVRC/Annotations/CLS-LOC/train';
    await write({
      ...kaggle,
      [`${drawn}/${ids[0]}/a_2.xml`]: voc([ids[0], 1, 1, 4, 4], [ids[1], 3, 2, 9, 10]),
      [`${drawn}/${ids[0]}/a_3.xml`]: voc(),
      [`${drawn}/${ids[1]}/b_2.xml`]: voc(),
    });
    const { boxes, description } = await open('train');
    const drawnInA2 = [
      [0, 0, 0, 4, 4],
      [1, 2, 1, 9, 10],
    ];
    assert.deepEqual(boxes, { 'a_1.JPEG': undefined, 'a_2.JPEG': drawnInA2, 'b_1.JPEG': undefined });
    assert.match(description, /boxes of 1 image; 2 annotations belong to no image$/);
    await write({ [`${drawn}/${ids[0]}/a_2.xml`]: voc([ids[0], 1, 1, 4, 4], ['n09999999', 1, 1, 4, 4]) });
    assert.match((await faults('train'))['a_2.JPEG'], /^DIR\/ILSVRC\/.*a_2\.xml, line 3: expected one of the 2 classes, got "n09999999"$/);
    await write({ [`${drawn}/${ids[0]}/a_2.xml`]: '<annotation>\n<object>' });
    const { 'a_2.JPEG': fault, ...others } = await faults('train');
    assert.match(fault, /a_2\.xml, line 2: expected XML, got unclosed tag: object$/);
    assert.deepEqual(others, {}, 'of one image alone');
    const unasked = await openDataSet(folder.path(), { split: 'train' });
    const samples = await lastValueFrom(unasked.samples({ boxes: false }).pipe(toArray()));
    assert.ok(
      samples.every(sample => sample.fault === undefined),
      'who asks for no boxes is told nothing',
    );
  });

  it('should be read for plain folders, by path or by a name that is there once', async () => {
    await write({
      'train/cat/1.jpg': 'x',
      'train/cat/2.jpg': 'x',
      'train/dog/1.jpg': 'x',
      'val/cat/3.jpg': 'x',
      'val/dog/4.jpg': 'x',
      'Annotations/cat/1.xml': voc(['cat', 1, 1, 2, 2]),
      'Annotations/dog/4.xml': voc(['dog', 1, 1, 3, 3]),
      'Annotations/1.xml': voc(['cat', 1, 1, 8, 8]),
      'Annotations/2.xml': voc(['dog', 2, 2, 8, 8]),
    });
    const train = await openDataSet(folder.path(), { split: 'train' });
    const drawn = await lastValueFrom(train.samples().pipe(toArray()));
    assert.deepEqual(
      drawn.map(({ boxes }) => boxes?.map(({ label, right }) => [label, right])),
      [[[0, 2]], [[1, 8]], undefined],
      'dog/1.jpg could be meant by 1.xml as well as cat/1.jpg',
    );
    assert.match(train.description, /2 classes, boxes of 2 images$/);
    assert.deepEqual((await open('test')).boxes, { '3.jpg': undefined, '4.jpg': [[1, 0, 0, 3, 3]] });
    await write({ 'Annotations/val/dog/4.xml': voc(), 'Annotations/val/dog/5.xml': voc() });
    const test = await open('test');
    assert.deepEqual([test.boxes['4.jpg'], test.boxes['3.jpg']], [[], undefined], "the split's own folder goes first");
    assert.match(test.description, /boxes of 1 image; 1 annotation belongs to no image$/);
  });

  it('should be read beside a folder without a split', async () => {
    await write({
      ...Object.fromEntries(['cat', 'dog'].flatMap(name => [1, 2, 3].map(i => [`photos/${name}/${i}.jpg`, 'x']))),
      ...Object.fromEntries(
        ['cat', 'dog'].flatMap(name => [1, 2, 3, 4].map(i => [`Annotations/${name}/${i}.xml`, voc([name, i, i, 9, 9])])),
      ),
    });
    const parts = [await open('train', 'photos'), await open('test', 'photos')];
    assert.match(parts[0].description, /2 classes, boxes of 4 images; 2 annotations belong to no image$/);
    assert.match(parts[1].description, /2 classes, boxes of 2 images; 2 annotations belong to no image$/);
    for (const { boxes } of parts) {
      for (const [name, list] of Object.entries(boxes)) assert.equal((list as number[][])[0][1], Number(name[0]) - 1);
    }
  });
});
