import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import sharp from 'sharp';
import { useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { millrace } from './toy.ts';

const voc = (name: string, [xmin, ymin, xmax, ymax]: readonly number[]) =>
  `<annotation><object><name>${name}</name><bndbox><xmin>${xmin}</xmin><ymin>${ymin}</ymin><xmax>${xmax}</xmax><ymax>${ymax}</ymax></bndbox></object></annotation>`;

/** 40 × 40, dark with a white object from 10 to 30 across and 5 to 25 down. */
async function picture(): Promise<Uint8Array> {
  const data = new Uint8Array(40 * 40 * 3).fill(20);
  for (let y = 5; y < 25; y++) data.fill(255, (y * 40 + 10) * 3, (y * 40 + 30) * 3);
  return sharp(data, { raw: { height: 40, width: 40, channels: 3 } })
    .png()
    .toBuffer();
}

describe('millrace data DIR preview', () => {
  const folder = useTemporaryFolder();
  const write = async () =>
    writeFiles(folder.path('data'), {
      'train/cat & <dog>/1.png': await picture(),
      'train/wolf/1.png': await picture(),
      'train/wolf/2.png': 'not an image',
      'test/cat & <dog>/1.png': await picture(),
      'test/wolf/1.png': await picture(),
      'Annotations/train/cat & <dog>/1.xml': voc('cat &amp; &lt;dog&gt;', [11, 6, 30, 25]),
      'Annotations/train/wolf/1.xml': voc('cat &amp; &lt;dog&gt;', [11, 6, 30, 25]),
    });
  const run = (...args: string[]) => millrace('data', folder.path('data'), 'preview', '--out', folder.path('sheet.png'), ...args);
  const sheet = async () => {
    const { data, info } = await sharp(folder.path('sheet.png')).raw().toBuffer({ resolveWithObject: true });
    return { at: (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)], ...info };
  };

  it('should draw every picture with its boxes where its objects are', async () => {
    await write();
    const { status, summary, stderr } = await run('--augment', 'none', '--json');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^left out .*wolf\/2\.png: it is not an image in a format that sharp reads\n$/);
    const { images, boxes, skipped, split, width, height } = summary;
    assert.deepEqual(
      { images, boxes, skipped, split, width, height },
      { images: 2, boxes: 2, skipped: 1, split: 'train', width: 472, height: 260 },
    );
    const { at } = await sheet();
    const outline = [0xe6, 0x9f, 0x00];
    // 40 pixels enlarged by 5, in the middle of 224: pixel x begins at 8 + 12 + 5 x
    for (const left of [20, 20 + 232]) {
      assert.deepEqual(at(left + 51, 20 + 70), outline, 'left edge');
      assert.deepEqual(at(left + 148, 20 + 70), outline, 'right edge');
      assert.deepEqual(at(left + 100, 20 + 26), outline, 'upper edge');
      assert.deepEqual(at(left + 100, 20 + 123), outline, 'lower edge');
      assert.deepEqual(at(left + 100, 20 + 70), [255, 255, 255], 'the object');
      assert.deepEqual(at(left + 10, 20 + 10), [20, 20, 20], 'beside it');
    }
  });

  it('should show what recipes do behind crops and flips', async () => {
    await write();
    const { status, stdout, stderr } = await run('--augment', 'none,colorJitter,randomErasing,trivialAugmentWide');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /untouched, colorJitter\(.*\), randomErasing\(.*\), trivialAugmentWide\(31 bins, nearest\): .*sheet\.png\n$/);
    const jittered = await run('--augment', 'none,colorJitter', '--json');
    assert.equal(jittered.summary.augment, 'none,colorJitter');
    // the same place as in the test before: white, and now another colour
    const { at } = await sheet();
    assert.notDeepEqual(
      [20, 252].map(left => at(left + 10, 20 + 10)),
      [
        [20, 20, 20],
        [20, 20, 20],
      ],
    );
  });

  it('should show what training and evaluation see, as many as asked for', async () => {
    await write();
    const training = await run('--count', '1', '--json');
    assert.deepEqual([training.summary.images, training.summary.augment, training.summary.split], [1, 'train', 'train']);
    const test = await run('--augment', 'test', '--json');
    assert.deepEqual([test.summary.images, test.summary.boxes, test.summary.split], [2, 0, 'test']);
    assert.match((await run()).stdout, /boxes of 2 images\n2 images with 2 boxes, cropped and flipped as for training: .*sheet\.png\n$/);
  });

  it('should say what is wrong', async () => {
    await write();
    const refused = async (...args: string[]) => (await run(...args)).stderr;
    assert.match(await refused('--count', '0'), /--count <N>.* is invalid. It must be a whole number from 1 to 400\./);
    assert.match(await refused('--out', 'a.jpg'), /--out <FILE>.* is invalid. It must be a name that ends in \.png\./);
    assert.match(
      await refused('--augment', 'much'),
      /--augment <WAY>.* is invalid\. "much" is none of train, test, none, colorJitter, grayscale, /,
    );
    assert.match(await refused('--augment', 'randaugment'), /Did you mean "randAugment"\?/);
    assert.match(await refused('--augment', 'randAugment,test'), /"test" comes first, and only one of train, test, none\./);
    const lost = await run('--out', folder.path('gone', 'sheet.png'));
    assert.equal(lost.status, 1);
    assert.match(lost.stderr, /sheet\.png: expected /);
    await writeFiles(folder.path('data'), { 'test/cat & <dog>/1.png': 'broken', 'test/wolf/1.png': 'broken' });
    const none = await run('--augment', 'test');
    assert.match(none.stderr, /expected an image that can be shown, got 2 that cannot\. The lines above say what is wrong with each\.\n$/);
    assert.deepEqual(await readdir(folder.path()), ['data'], 'nothing is left behind');
  });
});
