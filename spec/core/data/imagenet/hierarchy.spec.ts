import assert from 'node:assert/strict';
import { devkitIn } from '../../../../core/data/imagenet/devkit.ts';
import { devkitSynsets, type FindSynset, Hierarchy } from '../../../../core/data/imagenet/hierarchy.ts';
import { findHierarchy, openHierarchy } from '../../../../core/data/imagenet/openHierarchy.ts';
import { readWordNet } from '../../../../core/data/imagenet/wordnet.ts';
import { useTemporaryFolder, writeFiles } from '../../../dataFixtures.ts';
import { devkitMeta, nounClasses, nouns } from '../../../imagenetFixtures.ts';

const dogs = ['n02100735', 'n02110185'];
const mammals = [...dogs, 'n02119789'];
const devkit = {
  'ILSVRC2012_devkit_t12/data/meta.mat': devkitMeta,
  'ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt': '1\n',
};

/** Letters are ids; each names what is above it. */
const made = (classes: string, above: Record<string, string>) =>
  new Hierarchy([...classes], id => (id in above ? { id, words: [id], gloss: '', parents: [...above[id]] } : undefined));

describe('Hierarchy', () => {
  const folder = useTemporaryFolder();
  let find: FindSynset;
  let hierarchy: Hierarchy;
  beforeEach(async () => {
    await writeFiles(folder.path(), { 'data.noun': nouns });
    find = await readWordNet(folder.path());
    hierarchy = new Hierarchy(nounClasses, find);
  });

  it('should select the classes of mammal and of vehicle, by word or id @smoke', () => {
    assert.deepEqual(hierarchy.classes('mammal'), mammals);
    assert.deepEqual(hierarchy.classes('vehicle'), ['n02930766', 'n04335435']);
    assert.deepEqual(hierarchy.classes('n01861778'), mammals);
    assert.deepEqual(hierarchy.classes('Canis_familiaris'), dogs);
    assert.deepEqual(hierarchy.classes('kit fox'), ['n02119789'], 'a class is below itself');
    assert.deepEqual(hierarchy.classes(), nounClasses);
    assert.deepEqual(hierarchy.classes('entity'), nounClasses, 'reached on two ways, counted once');
    assert.deepEqual(hierarchy.classes('domestic animal'), dogs, 'through any parent');
  });

  it('should have the classes and what is above them, nothing else', () => {
    assert.equal(hierarchy.synsets.length, 14);
    assert.deepEqual(
      hierarchy.roots.map(({ id }) => id),
      ['n00001740'],
    );
    assert.deepEqual(hierarchy.childrenOf('n02084071'), dogs);
    assert.ok(hierarchy.isClass('n02100735') && !hierarchy.isClass('n02084071'));
    const below = new Hierarchy(['n02084071', ...mammals], find);
    assert.deepEqual(below.classes('dog'), ['n02084071', ...dogs], 'a class may be above others');
  });

  it('should list the meanings of an ambiguous word, and a near word for an unknown one', () => {
    assert.throws(() => hierarchy.find('Crane'), {
      message:
        'synset "Crane": expected a word with one meaning among the classes and above, got 2: n02012849 (crane: large long-necked wading bird); n03126707 (crane: lifts and moves heavy objects). Give the id.',
    });
    assert.throws(
      () => hierarchy.find('mamal'),
      /^MillraceError: synset "mamal": expected a word for .*, got none of that name\. Did you mean "mammal"\? An id will do\./,
    );
    assert.throws(() => hierarchy.find('n09999999'), /expected the id of a synset above the classes of the data, got "n09999999"/);
  });

  it('should map a class to the nearest of some ancestors', () => {
    const to = (id: string, ...among: string[]) => hierarchy.nearest(id, new Set(among));
    assert.equal(to('n02100735', 'n00015388', 'n01861778'), 'n01861778', 'a mammal, though an animal is as near in steps');
    assert.equal(to('n02100735', 'n02083346', 'n01317541'), 'n01317541', 'of two as high the lower id');
    assert.equal(to('n02100735', 'n02100735', 'n02084071'), 'n02100735');
    assert.equal(to('n02930766', 'n01861778'), undefined);
    assert.deepEqual(hierarchy.ancestorsOf('n02119789'), ['n02119789', 'n02083346', 'n01861778', 'n00015388', 'n00001740']);
    assert.deepEqual(hierarchy.ancestorsOf('n02110185').slice(0, 5), ['n02110185', 'n02084071', 'n01317541', 'n02083346', 'n01861778']);
  });

  it('should measure heights by the longest path down, and errors by the lowest common ancestor @smoke', () => {
    // entity 5, animal 4, mammal 3, canine 2, dog 1; domestic animal 2; vehicle 1
    assert.deepEqual(
      ['n00001740', 'n00015388', 'n01861778', 'n02083346', 'n02084071', 'n01317541', 'n04524313', 'n02100735'].map(id =>
        hierarchy.height(id),
      ),
      [5, 4, 3, 2, 1, 2, 1, 0],
    );
    const error = (a: string, b: string) => [hierarchy.error(a, b), hierarchy.error(b, a)];
    assert.deepEqual(error('n02100735', 'n02100735'), [0, 0]);
    assert.deepEqual(error('n02100735', 'n02110185'), [1, 1], 'two dogs');
    assert.deepEqual(error('n02100735', 'n02119789'), [2, 2], 'a dog and a fox: canine');
    assert.deepEqual(error('n02100735', 'n02012849'), [4, 4], 'a dog and a bird: animal');
    assert.deepEqual(error('n02100735', 'n02930766'), [5, 5], 'a dog and a cab: entity');
    assert.equal(hierarchy.lowestCommonAncestor('n02100735', 'n02119789'), 'n02083346');
  });

  it('should take the least height where there are several ways up', () => {
    // a and b meet in r and in p, both one step up; r is high, since z is far below it
    const graph = made('abz', { a: 'rp', b: 'rp', p: 'm', m: '', r: '', z: 'y', y: 'x', x: 'w', w: 'r' });
    assert.deepEqual([graph.height('r'), graph.height('p'), graph.height('m')], [4, 1, 2]);
    assert.deepEqual([graph.lowestCommonAncestor('a', 'b'), graph.error('a', 'b')], ['p', 1]);
    assert.equal(graph.error('a', 'z'), 4);
    const split = made('ab', { a: 'p', p: '', b: '' });
    assert.deepEqual([split.lowestCommonAncestor('a', 'b'), split.error('a', 'b')], [undefined, 2], 'above the highest root');
  });

  it('should refuse a class or a parent that the source lacks, and circles', () => {
    assert.throws(() => new Hierarchy(['n00000003'], find), /expected synset n00000003, a class of the data, got none of that id\./);
    assert.throws(() => made('a', { a: 'b' }), /expected synset b, above a, got none of that id\./);
    assert.throws(() => made('a', { a: 'b', b: 'c', c: 'b' }), /expected synsets that are not above themselves, got . above itself\./);
  });

  it("should read the development kit's hierarchy, and prefer it to a WordNet that nobody named", async () => {
    await writeFiles(folder.path(), devkit);
    const kit = (await devkitIn(folder.path(), { folders: ['ILSVRC2012_devkit_t12'], files: [] }))!;
    const ours = new Hierarchy(kit.classes.ids, devkitSynsets(kit.synsets));
    assert.deepEqual(ours.classes('dog'), dogs);
    assert.deepEqual(ours.classes('Vulpes macrotis'), ['n02119789']);
    assert.deepEqual([ours.error(dogs[0], dogs[1]), ours.error(dogs[0], 'n02119789')], [1, 2]);
    assert.equal(ours.synsets.length, 5);
    const broken = kit.synsets.map(each => ({ ...each, children: each.children.map(child => child + 90) }));
    assert.throws(() => devkitSynsets(broken), /expected children that it lists, got the number 9\d, which nobody has\./);

    assert.equal((await openHierarchy(mammals, { dir: folder.path() })).origin, 'the development kit');
    const named = await openHierarchy(mammals, { dir: folder.path(), wordnet: folder.path() });
    assert.deepEqual([named.origin, named.hierarchy.classes('mammal')], [`WordNet in ${folder.path()}`, mammals]);
  });

  it('should say that classes without ids have none', async () => {
    assert.equal(await findHierarchy(['cat', 'dog'], { dir: folder.path() }), undefined);
    await assert.rejects(
      openHierarchy(['n02100735', 'cat'], { dir: folder.path() }),
      /expected classes that are synset ids, such as n01440764, got "cat"\. Only classes that are called by the ids of WordNet have a hierarchy\./,
    );
  });
});
