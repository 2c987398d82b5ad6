import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { nounClasses, nouns } from '../imagenetFixtures.ts';
import { millrace } from './toy.ts';

const shipped = fileURLToPath(new URL('../../pipelines/data/fashion-mnist', import.meta.url));

describe('millrace data', () => {
  it('should tell what a folder is @smoke', async () => {
    const { status, stdout } = await millrace('data', shipped);
    assert.equal(status, 0);
    assert.match(stdout, /^WebDataset, train split: 4 shards, 6,000 images, 10 classes .*\n {2}classes: T-shirt\/top, Trouser, /);
    const { summary } = await millrace('data', shipped, '--json');
    assert.deepEqual(
      (summary.splits as { split: string; classes: number; images: number }[]).map(({ split, classes, images }) => [
        split,
        classes,
        images,
      ]),
      [
        ['train', 10, 6000],
        ['test', 10, 1000],
      ],
    );
  });

  it('should refuse an action that it does not know', async () => {
    const { status, stderr } = await millrace('data', shipped, 'tre');
    assert.equal(status, 2);
    assert.match(stderr, /^millrace: data: expected an action \(.*\), got "tre"\./);
  });

  describe('tree', () => {
    const folder = useTemporaryFolder();
    const tree = async (...args: string[]) => {
      // a class has as many images as its place says; the held-out part is not looked at
      const images = nounClasses.flatMap((id, i) => Array.from({ length: i + 1 }, (_, image) => [`train/${id}/${image}.jpg`, 'x']));
      await writeFiles(folder.path(), { ...Object.fromEntries(images), 'words/data.noun': nouns });
      return millrace('data', folder.path(), 'tree', ...args, '--wordnet', folder.path('words'));
    };
    const drawn = (stdout: string) => stdout.trimEnd().split('\n').slice(1);

    it('should print a subtree with counts @smoke', async () => {
      const { status, stdout } = await tree('mammal');
      assert.equal(status, 0);
      assert.match(stdout, /^image folder .*, train split: 28 images, 7 classes; synsets of WordNet in .*words\n/);
      assert.deepEqual(drawn(stdout), [
        'mammal, mammalian n01861778  3 classes, 9 images',
        '└── canine, canid n02083346  3 classes, 9 images',
        '    ├── dog, domestic dog, Canis familiaris n02084071  2 classes, 5 images',
        '    │   ├── English setter n02100735  2 images',
        '    │   └── Siberian husky n02110185  3 images',
        '    └── kit fox, Vulpes macrotis n02119789  4 images',
      ]);
      assert.deepEqual(drawn((await tree('vehicle', '--depth', '0')).stdout), ['vehicle n04524313  2 classes, 12 images']);
    });

    it('should count what two ways lead to once, and print it under its first parent', async () => {
      const lines = drawn((await tree()).stdout);
      assert.equal(lines[0], 'entity n00001740  7 classes, 28 images');
      assert.equal(lines[1], '├── animal, beast n00015388  4 classes, 10 images');
      assert.deepEqual(lines.slice(2, 4), [
        '│   ├── domestic animal n01317541  2 classes, 5 images',
        '│   │   └── dog, domestic dog, Canis familiaris n02084071  2 classes, 5 images, see canine',
      ]);
      assert.equal(lines.filter(line => line.includes('English setter')).length, 1);
      const { summary, stdout } = await tree('--json');
      assert.deepEqual([summary.synsets, summary.classes, summary.images, summary.height, summary.top], [14, 7, 28, 5, ['n00001740']]);
      const rows = stdout.split('\n').flatMap(line => (line.includes('"event":"synset"') ? [JSON.parse(line)] : []));
      assert.equal(rows.length, 15, 'the dog twice');
      const { event: _, ...fox } = rows.find(({ id }) => id === 'n02119789');
      assert.deepEqual(fox, {
        id: 'n02119789',
        words: ['kit fox', 'Vulpes macrotis'],
        gloss: 'small grey fox',
        parent: 'n02083346',
        level: 4,
        classes: 1,
        images: 4,
        is_class: true,
        elsewhere: false,
      });
      const domestic = drawn((await tree('domestic animal')).stdout);
      assert.equal(domestic.length, 4, 'under the parent that is there');
    });

    it('should refuse words that it does not know, and classes without ids', async () => {
      const { status, stderr } = await tree('mamal');
      assert.equal(status, 2);
      assert.match(stderr, /^millrace: synset "mamal": .* Did you mean "mammal"\? An id will do\.\n$/);
      const toy = await millrace('data', shipped, 'tree');
      assert.equal(toy.status, 1);
      assert.match(toy.stderr, /expected classes that are synset ids, such as n01440764, got "T-shirt\/top"\./);
    });
  });
});
