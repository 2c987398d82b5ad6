import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import sharp from 'sharp';
import { useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { millrace } from './toy.ts';

describe('millrace data DIR', () => {
  const folder = useTemporaryFolder();
  const jpeg = (height: number, width: number) =>
    sharp({ create: { width, height, channels: 3, background: { r: 200, g: 10, b: 90 } } })
      .jpeg()
      .toBuffer();
  const images = async () => {
    const turned = await sharp(await jpeg(10, 30))
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    await writeFiles(folder.path(), {
      'train/a/1.jpg': await jpeg(20, 40),
      'train/a/2.jpg': await jpeg(40, 20),
      'train/a/turned.jpg': turned,
      'train/b/1.jpg': await jpeg(30, 60),
      'val/a/1.jpg': await jpeg(20, 20),
      'val/b/1.jpg': await jpeg(20, 20),
    });
  };
  const bad = () => writeFiles(folder.path(), { 'train/a/empty.jpg': '', 'train/b/empty.jpg': '', 'train/b/page.jpg': '<html>' });
  const told = (text: string) => stripVTControlCharacters(text).replaceAll(folder.path(), 'DIR').split('\n');

  it('should tell images per class and sizes, upright, and which headers they are from @smoke', async () => {
    await images();
    const lines = told((await millrace('data', folder.path())).stdout);
    assert.equal(lines[1], '  1 to 3 images a class, 2 on average');
    assert.match(
      lines[3],
      /^ {2}files of .* on average; pictures 10 to 60 wide and 20 to 40 high, 33 × 30 on average \(the headers of all 4\)$/,
    );
    assert.match(lines[7], /^ {2}files of [\d.]+ B; pictures of 20 × 20 \(the headers of all 2\)$/);
    await bad();
    const { summary } = await millrace('data', folder.path(), '--json');
    const [{ pictures }] = summary.splits as { pictures: { looked_at: number; which: string; unreadable: number; width: object } }[];
    assert.deepEqual([pictures.looked_at, pictures.which, pictures.unreadable], [7, 'all', 3]);
    assert.deepEqual(pictures.width, { min: 10, mean: 32.5, max: 60 });
  });

  it('should say that it looked at some of many, drawn at random', async () => {
    await images();
    const file = await jpeg(8, 8);
    await writeFiles(folder.path(), Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`train/a/${i}.png`, file])));
    assert.match((await millrace('data', folder.path())).stdout, /\(the headers of 256 drawn at random\)/);
  });

  it('should describe the part that can be opened, and fail where the other one cannot', async () => {
    await images();
    await writeFiles(folder.path(), { 'val/strange/1.jpg': 'x' });
    const [plain, verified] = [await millrace('data', folder.path()), await millrace('data', folder.path(), '--verify', '--workers', '1')];
    assert.deepEqual([plain.status, verified.status], [0, 1], 'there is something to train on, and not all of it is good');
    for (const { stdout } of [plain, verified])
      assert.match(stdout, /^image folder .*, train split[\s\S]*\ntest: class folder .*strange: expected one of/);
    await rm(folder.path('val', 'strange'), { recursive: true });
    await rm(folder.path('train', 'b'), { recursive: true });
    await writeFiles(folder.path(), { 'train/b/none.txt': '' });
    const untrained = await millrace('data', folder.path());
    assert.equal(untrained.status, 1);
    assert.match(untrained.stdout, /^image folder .*, test split[\s\S]*\ntrain: class folder .*b: expected images/);
  });

  it('should count what is wrong in the files of several images as one kind', async () => {
    const odd = Object.fromEntries(['a', 'b'].map(name => [`Annotations/train/${name}/1.xml`, '<annotation><object>']));
    const file = await jpeg(8, 8);
    await writeFiles(folder.path(), { ...odd, 'train/a/1.jpg': file, 'train/b/1.jpg': file, 'train/b/2.jpg': file });
    const { summary } = await millrace('data', folder.path(), '--verify', '--workers', '1', '--json');
    const [{ verified }] = summary.splits as { verified: { reasons: object } }[];
    assert.deepEqual(verified.reasons, { 'expected XML, got unclosed tag: object': 2 });
  });

  it('should decode everything with --verify, list what is bad with reasons, and fail', async () => {
    await images();
    assert.equal((await millrace('data', folder.path(), '--verify', '--workers', '1')).status, 0);
    await bad();
    const { status, stdout } = await millrace('data', folder.path(), '--verify', '--workers', '2');
    assert.equal(status, 1);
    const lines = told(stdout);
    const listed = lines.filter(line => line.startsWith('  bad: '));
    assert.deepEqual(
      listed.map(line => line.split(': ')[1]),
      ['DIR/train/a/empty.jpg', 'DIR/train/b/empty.jpg', 'DIR/train/b/page.jpg'],
    );
    const counted = lines.indexOf('  4 decoded, 3 bad; pictures 10 to 60 wide and 20 to 40 high, 33 × 30 on average');
    assert.ok(counted > 0, stdout);
    assert.match(lines[counted + 1], /^ {4}2 × /);
    assert.match(lines[counted + 2], /^ {4}1 × /);
    const { summary, events } = await millrace('data', folder.path(), '--verify', '--json');
    assert.deepEqual([summary.bad, summary.interrupted], [3, false]);
    const [{ verified }] = summary.splits as { verified: { good: number; bad: number; reasons: object; per_class: object } }[];
    assert.deepEqual([verified.good, verified.bad, verified.per_class], [4, 3, { min: 3, mean: 3.5, max: 4 }]);
    assert.deepEqual(Object.values(verified.reasons), [2, 1]);
    assert.equal(events.filter(({ event }) => event === 'bad').length, 3);
  });
});
