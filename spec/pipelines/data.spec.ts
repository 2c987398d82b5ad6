import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
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
});
