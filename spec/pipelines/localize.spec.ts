import assert from 'node:assert/strict';
import sharp from 'sharp';
import { useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { millrace } from './toy.ts';

describe('millrace evaluate --localization', () => {
  const folder = useTemporaryFolder();
  const voc = (name: string, ...edges: readonly number[]) =>
    `<annotation><object><name>${name}</name><bndbox><xmin>${edges[0]}</xmin><ymin>${edges[1]}</ymin><xmax>${edges[2]}</xmax><ymax>${edges[3]}</ymax></bndbox></object></annotation>`;
  const guessed = async (...lines: string[]) => {
    await writeFiles(folder.path(), { 'guesses.csv': `ImageId,PredictionString\n${lines.join('\n')}\n` });
    return millrace('evaluate', folder.path('guesses.csv'), '--data', folder.path('in'), '--localization', '--json');
  };
  beforeEach(async () => {
    const image = await sharp({ create: { width: 100, height: 80, channels: 3, background: '#888' } })
      .jpeg()
      .toBuffer();
    const names = ['train/cat/t1', 'train/dog/t2', 'val/cat/a', 'val/cat/b', 'val/dog/c', 'val/dog/d'];
    const files: Record<string, string | Uint8Array> = Object.fromEntries(names.map(name => [`in/${name}.jpg`, image]));
    // 20 by 20 pixels each
    for (const name of ['cat/a', 'cat/b', 'dog/c']) files[`in/Annotations/val/${name}.xml`] = voc(name.slice(0, 3), 11, 21, 30, 40);
    await writeFiles(folder.path(), files);
  });

  it('should count an image where class and box are right, of one guess and of five @smoke', async () => {
    const { status, summary, stderr } = await guessed(
      // half of it: an IoU of 1/2 is enough
      'a,cat 11 21 30 30',
      // the second guess is right; the first has the class alone, and of the third the box is
      'b,cat 61 21 80 40 cat 11 21 30 40 dog 11 21 30 40',
      'c,cat 11 21 30 40',
    );
    assert.equal(status, 0, stderr);
    const { event: _, ...facts } = summary as typeof summary & { event: string };
    assert.deepEqual(facts, {
      localization1: 1 / 3,
      localization5: 2 / 3,
      top1: 2 / 3,
      top5: 2 / 3,
      images: 3,
      missing: 0,
      unboxed: 1,
      skipped: 0,
    });
  });

  it('should count an image without a guess as wrong, and name guesses of no image', async () => {
    const { summary, stderr } = await guessed('a,cat 11 21 30 29', 'z,cat 1 1 2 2');
    // one row less than half
    assert.deepEqual([summary.localization1, summary.top1, summary.missing], [0, 1 / 3, 2]);
    assert.match(stderr, /warning: .*guesses\.csv: 1 annotation belongs to no image \(z\)/);
    assert.match(stderr, /warning: no guess for 2 of the 3 images, which count as wrong/);
  });

  it('should refuse guesses that make no sense', async () => {
    const cow = await guessed('a,cat 11 21 30 29', 'b,cow 1 2 3 4');
    assert.equal(cow.status, 1);
    assert.match(cow.stderr, /guesses\.csv, line 3: expected a synset of the data, got "cow 1 2 3 4"\./);
    assert.match(
      (await guessed('a,cat 11 21 30')).stderr,
      /line 2: expected a synset and four numbers for each object, got "cat 11 21 30"\./,
    );
    assert.match(
      (await guessed(`a,${'cat 1 1 2 2 '.repeat(6)}`)).stderr,
      /guesses\.csv, image a\.jpg: expected at most 5 guesses, got 6\./,
    );
    const alone = await millrace('evaluate', folder.path('guesses.csv'), '--localization');
    assert.equal(alone.status, 2);
    assert.match(alone.stderr, /--localization: expected a file of guesses and the data that they are about, --data DIR, got none\./);
    assert.match(
      (await millrace('evaluate', folder.path('guesses.csv'))).stderr,
      /For guesses with boxes add --localization and --data DIR\./,
    );
  });
});
