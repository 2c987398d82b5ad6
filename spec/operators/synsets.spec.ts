import assert from 'node:assert/strict';
import { lastValueFrom, Observable, toArray } from 'rxjs';
import { Hierarchy } from '../../core/data/imagenet/hierarchy.ts';
import { readWordNet } from '../../core/data/imagenet/wordnet.ts';
import { type Found, pull } from '../../core/data/pull.ts';
import type { Box, DataSet, Sample } from '../../core/data/sample.ts';
import { Demand } from '../../core/index.ts';
import { atLevel, atSynsets, withinSynsets } from '../../operators/index.ts';
import { useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { nounClasses, nouns } from '../imagenetFixtures.ts';

const box = (label: number): Box => ({ label, top: 0, left: 0, bottom: 1, right: 1 });
/** Label i has i + 1 samples, in turns: 0 1 … 6 1 … 6 2 …; each with boxes of its own class and of class 0. */
const order = nounClasses.flatMap((_, round) => nounClasses.map((_, label) => label).filter(label => label >= round));
const found = (label: number, index: number): Found => ({
  key: String(index),
  label,
  index,
  picture: { kind: 'encoded', bytes: new Uint8Array(1) },
  ...(index % 2 === 0 && { boxes: [box(label), box(0)] }),
});
const whole: DataSet = {
  description: 'pictures',
  classes: nounClasses,
  counts: nounClasses.map((_, i) => i + 1),
  size: order.length,
  samples: options => pull(() => order.map(found), options),
};
const all = (set: DataSet) => lastValueFrom(set.samples().pipe(toArray()));

describe('data sets by synsets', () => {
  const folder = useTemporaryFolder();
  let hierarchy: Hierarchy;
  beforeEach(async () => {
    await writeFiles(folder.path(), { 'data.noun': nouns });
    hierarchy = new Hierarchy(nounClasses, await readWordNet(folder.path()));
  });

  it('should be the part below a synset, numbered anew @smoke', async () => {
    const set = withinSynsets(whole, hierarchy, ['mammal']);
    assert.deepEqual(set.classes, ['n02100735', 'n02110185', 'n02119789']);
    assert.deepEqual(set.names, ['English setter', 'Siberian husky', 'kit fox, Vulpes macrotis']);
    assert.deepEqual([set.counts, set.size], [[2, 3, 4], 9]);
    assert.equal(set.description, 'pictures; of these the 3 classes below "mammal"');
    const samples = await all(set);
    assert.deepEqual(
      samples.map(({ label, index }) => [label, index]),
      order.map((label, index) => [label - 1, index]).filter(([label]) => label >= 0 && label < 3),
      'in the order of the whole, with its places there',
    );
    for (const { label, index, boxes } of samples) assert.deepEqual(boxes, index % 2 === 0 ? [box(label)] : undefined);
    const both = withinSynsets({ ...whole, names: nounClasses.map(id => `my ${id}`) }, hierarchy, ['vehicle', 'dog']);
    assert.deepEqual(both.classes, ['n02100735', 'n02110185', 'n02930766', 'n04335435']);
    assert.equal(both.names?.[0], 'my n02100735');
  });

  it('should have labels further up', async () => {
    const set = atSynsets(whole, hierarchy, ['vehicle', 'mammal', 'dog']);
    assert.deepEqual(set.classes, ['n04524313', 'n01861778', 'n02084071']);
    assert.deepEqual(set.names?.[0], 'vehicle');
    assert.deepEqual([set.counts, set.size], [[5 + 7, 4, 2 + 3], 21]);
    const expected = order.map(label => [-1, 2, 2, 1, 0, -1, 0][label]).filter(label => label >= 0);
    assert.deepEqual(
      (await all(set)).map(({ label }) => label),
      expected,
    );
    const { counts: _, ...uncounted } = whole;
    assert.equal(atSynsets(uncounted, hierarchy, ['vehicle', 'mammal']).size, undefined, 'not known without a scan');
    assert.equal(atSynsets(uncounted, hierarchy, ['entity', 'mammal']).size, order.length, 'nothing is left out');
  });

  it('should have the labels of a level, and keep what lies above it', async () => {
    // entity / animal, vehicle, crane (the machine) / domestic animal, mammal, crane (the bird), cab, tram / canine …
    const set = atLevel(whole, hierarchy, 2);
    assert.deepEqual(set.classes, ['n01861778', 'n02012849', 'n02930766', 'n03126707', 'n04335435']);
    assert.deepEqual(set.names?.slice(0, 2), ['mammal, mammalian', 'crane']);
    assert.deepEqual([set.counts, set.size], [[2 + 3 + 4, 1, 5, 6, 7], order.length]);
    assert.deepEqual(
      (await all(set)).map(({ label }) => label),
      order.map(label => [1, 0, 0, 0, 2, 3, 4][label]),
    );
    assert.equal(set.description, 'pictures; labelled at level 2 as 5 classes');
    assert.deepEqual(hierarchy.pathTo('n02119789'), ['n00001740', 'n00015388', 'n01861778', 'n02083346', 'n02119789']);
    assert.deepEqual(atLevel(whole, hierarchy, 9).classes, whole.classes, 'below all of them');
    assert.throws(
      () => atLevel(whole, hierarchy, 0),
      /^MillraceError: classes at level 0: expected at least two synsets, got one, n00001740 \(entity\)\. Take/,
    );
    assert.throws(() => atLevel(whole, hierarchy, 1.5), /expected a whole number of steps below the top, from 0, got 1\.5\./);
  });

  it('should give back the places of what is left out, and hold the bound', async () => {
    const demand = new Demand(undefined, 2);
    let seen = 0;
    let most = 0;
    const held: Sample[] = [];
    const consume = new Observable<number>(subscriber =>
      withinSynsets(whole, hierarchy, ['vehicle'])
        .samples({ demand })
        .subscribe({
          next(sample) {
            seen++;
            most = Math.max(most, demand.inside);
            held.push({ ...sample, lease: sample.lease.hold() });
            setImmediate(() => held.shift()!.lease.release());
          },
          error: error => subscriber.error(error),
          complete: () => {
            subscriber.next(seen);
            subscriber.complete();
          },
        }),
    );
    assert.equal(await lastValueFrom(consume), 12);
    while (held.length > 0) await new Promise(resolve => setImmediate(resolve));
    assert.deepEqual([most, demand.inside], [1, 0]);
  });

  it('should refuse fewer than two classes', () => {
    assert.throws(
      () => withinSynsets(whole, hierarchy, ['kit fox']),
      /^MillraceError: classes below "kit fox": expected at least two, got one, n02119789\. A classifier needs two: name a synset further up\./,
    );
    assert.throws(
      () => atSynsets(whole, hierarchy, ['mammal', 'n01861778']),
      /expected at least two different synsets, got the same one twice/,
    );
    assert.throws(() => atSynsets(whole, hierarchy, ['mammal']), /expected at least two different synsets, got "mammal"/);
    assert.throws(
      () => atSynsets(whole, hierarchy, ['dog', 'English setter', 'Siberian husky']),
      /expected a class that belongs to n02084071 \(dog\), got none\. The others are nearer to all that is below it/,
    );
  });
});
