import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { writeFiles } from '../dataFixtures.ts';
import { nouns } from '../imagenetFixtures.ts';
import { millrace, small, temporaryFolder } from './toy.ts';

/** Pictures of one shade of grey a class. */
const shades = { n02100735: 20, n02110185: 80, n02119789: 140, n02930766: 200, n04335435: 250 };

describe('training below a synset', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  const data = () => join(folder.path, 'data');
  const words = () => join(folder.path, 'words');
  before(async () => {
    folder = await temporaryFolder();
    await writeFiles(words(), { 'data.noun': nouns });
    for (const [split, count] of Object.entries({ train: 8, val: 4 })) {
      for (const [id, level] of Object.entries(shades)) {
        await mkdir(join(data(), split, id), { recursive: true });
        for (let i = 0; i < count; i++) {
          const pixels = Uint8Array.from({ length: 64 }, (_, j) => level + ((i + j) % 5));
          await sharp(pixels, { raw: { width: 8, height: 8, channels: 1 } })
            .toColourspace('b-w')
            .png()
            .toFile(join(data(), split, id, `${i}.png`));
        }
      }
    }
  });
  after(() => folder.remove());

  it('should train on its classes, and evaluate on them with the hierarchical error', async () => {
    const out = join(folder.path, 'run');
    const trained = await millrace(
      'train',
      ...small,
      '--data',
      data(),
      '--classes',
      'mammal',
      '--wordnet',
      words(),
      '--out',
      out,
      '--json',
    );
    assert.equal(trained.status, 0, trained.stderr);
    const { data: saved, options } = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'));
    assert.deepEqual([saved.classes, options.classes], [['n02100735', 'n02110185', 'n02119789'], 'mammal']);
    assert.match(saved.train, /train split: 40 images, 5 classes; of these the 3 classes below "mammal"$/);
    assert.equal(trained.summary.images, 2 * 24, 'two epochs of eight images of each class');

    const { status, summary, stderr } = await millrace('evaluate', out, '--device', 'wasm', '--threads', '1', '--json');
    assert.equal(status, 0, stderr);
    assert.deepEqual([summary.images, summary.top1], [12, trained.summary.top1]);
    const { hierarchical1, hierarchical5 } = summary as unknown as { hierarchical1: number; hierarchical5: number };
    // two dogs cost 1, a dog and a fox 2; five guesses cover all three
    const wrong = 1 - Number(summary.top1);
    assert.ok(hierarchical1 >= wrong && hierarchical1 <= 2 * wrong, `${hierarchical1} for ${wrong} wrong`);
    assert.equal(hierarchical5, 0);
    const { stdout } = await millrace('evaluate', out, '--device', 'wasm', '--threads', '1');
    assert.match(stdout, /\nhierarchical error \S+, of five guesses 0\S* {2}\(0 to 5; WordNet in .*words\)\n/);
  });

  it('should train and evaluate with labels further up', async () => {
    const out = join(folder.path, 'level');
    const place = ['--data', data(), '--wordnet', words()];
    const trained = await millrace('train', ...small, ...place, '--labels-at', 'mammal,vehicle', '--out', out, '--json');
    assert.equal(trained.status, 0, trained.stderr);
    const { data: saved, options } = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'));
    assert.deepEqual([saved.classes, options.labelsAt], [['n01861778', 'n04524313'], 'mammal,vehicle']);
    const { status, summary, stderr } = await millrace('evaluate', out, '--device', 'wasm', '--threads', '1', '--json');
    assert.equal(status, 0, stderr);
    assert.deepEqual([summary.images, summary.top1, summary.top5], [20, trained.summary.top1, 1]);
    // a mammal taken for a vehicle costs as much as the top is high
    assert.equal(summary.hierarchical1, 5 * (1 - Number(summary.top1)));
    const other = await millrace('evaluate', out, '--labels-at', '1', '--device', 'wasm', '--threads', '1');
    assert.match(other.stderr, /expected the classes of the checkpoint: 2 \(n01861778, n04524313\), got 2 \(n00015388, n04524313\)\./);

    const told = await millrace(
      'data',
      ...place.slice(1, 2),
      '--labels-at',
      '2',
      '--classes',
      'mammal,vehicle',
      ...place.slice(2),
      '--json',
    );
    const [{ classes, per_class, description }] = told.summary.splits as { classes: number; per_class: object; description: string }[];
    assert.deepEqual([classes, per_class], [3, { min: 8, mean: 40 / 3, max: 24 }]);
    assert.match(description, /; of these the 5 classes below "mammal", "vehicle"; labelled at level 2 as 3 classes$/);
    const shards = join(folder.path, 'shards');
    const written = await millrace('data', data(), 'shard', shards, '--classes', 'vehicle', ...place.slice(2));
    assert.equal(written.status, 0, written.stderr);
    assert.equal(await readFile(join(shards, 'classes.txt'), 'utf8'), 'n02930766\nn04335435\n');
  });

  it('should refuse what has no such classes', async () => {
    const train = (...args: string[]) => millrace('train', ...small, '--data', data(), '--wordnet', words(), ...args);
    const alone = await train('--classes', 'kit fox');
    assert.equal(alone.status, 2);
    assert.match(alone.stderr, /^millrace: classes below "kit fox": expected at least two, got one, n02119789\./);
    assert.match((await train('--classes', 'mammal, boat')).stderr, /^millrace: synset "boat": expected a word for a class of the data,/);
    const shipped = await millrace('train', ...small, '--classes', 'shoe');
    assert.match(shipped.stderr, /expected classes that are synset ids, such as n01440764, got "T-shirt\/top"\./);
  });
});
