import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { lastValueFrom, toArray } from 'rxjs';
import { decode, pixels, webDataset } from '../../operators/index.ts';
import type { WebDatasetOptions } from '../../operators/webDataset.ts';
import { shardEntries, tarOf, useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { failureOf, itBehavesAsASource } from './sourceContract.ts';
import { ImmediatePool } from './tinySource.ts';

describe('webDataset', () => {
  const folder = useTemporaryFolder();
  const shard = async (...entries: (readonly [string, string])[]) => writeFiles(folder.path(), { 'x.tar': await tarOf(entries) });
  const read = () => lastValueFrom(webDataset(folder.path()).pipe(toArray()));
  const faultIn = async (options?: WebDatasetOptions) =>
    (await lastValueFrom(webDataset(folder.path(), options).pipe(toArray()))).find(({ fault }) => fault !== undefined)?.fault ?? 'none';

  describe('as a source', () => {
    itBehavesAsASource(async (count, options) => {
      // Beyond a thousand samples the same shard is read again and again.
      await writeFiles(folder.path(), { 's.tar.gz': gzipSync(await tarOf(shardEntries(Math.min(count, 1000))), { level: 1 }) });
      return webDataset(new Array<string>(Math.ceil(count / 1000)).fill(folder.path('s.tar.gz')), options);
    }, folder.path);
  });

  it('should read the shards of a folder sorted by name, packed or not', async () => {
    await writeFiles(folder.path(), {
      'b.tar.gz': gzipSync(await tarOf(shardEntries(2, 2))),
      'a.tar': await tarOf(shardEntries(2)),
      'c.tgz': gzipSync(await tarOf(shardEntries(1, 4))),
      'readme.txt': '',
    });
    assert.deepEqual(
      (await read()).map(({ key, label, index }) => [key, label, index]),
      [
        ['a.tar/0000', 0, 0],
        ['a.tar/0001', 1, 1],
        ['b.tar.gz/0002', 2, 2],
        ['b.tar.gz/0003', 0, 3],
        ['c.tgz/0004', 1, 4],
      ],
    );
  });

  it('should deliver the bytes of the image in memory of their own, whichever file comes first', async () => {
    await shard(['a.cls', '1'], ['a.png', 'first'], ['b.JPG', 'second'], ['b.cls', ' 0\n']);
    const samples = await read();
    assert.deepEqual(
      samples.map(({ label, picture }) => [label, picture.kind === 'encoded' && Buffer.from(picture.bytes).toString()]),
      [
        [1, 'first'],
        [0, 'second'],
      ],
    );
    assert.ok(samples.every(({ picture }) => picture.kind === 'encoded' && picture.bytes.byteLength === picture.bytes.buffer.byteLength));
  });

  it('should group by the path up to the first dot, and skip other files and dot files', async () => {
    await shard(
      ['./in/a.json', '{}'],
      ['./in/a.png', 'A'],
      ['./in/._a.png', 'junk'],
      ['./in/a.cls', '0'],
      ['./in/a.seg.png', 'mask'],
      ['LICENSE', 'text'],
      ['out/a.png', 'B'],
      ['out/a.cls', '1'],
    );
    assert.deepEqual(
      (await read()).map(sample => sample.key),
      ['x.tar/in/a', 'x.tar/out/a'],
    );
  });

  it('should name shard and sample when the label is missing @smoke', async () => {
    await shard(['a.png', 'A'], ['a.cls', '0'], ['b.png', 'B'], ['c.png', 'C'], ['c.cls', '0']);
    assert.equal(await faultIn(), `${folder.path('x.tar')}, sample "b": expected a label (.cls), got only .png`);
  });

  it('should name shard and sample when the image is missing, also in the last sample', async () => {
    await shard(['a.png', 'A'], ['a.cls', '0'], ['b.cls', '0'], ['b.bmp', '']);
    assert.match(await faultIn(), /x\.tar, sample "b": expected an image .*, got only \.cls, \.bmp$/);
  });

  it('should group neighbours only, as WebDataset does', async () => {
    await shard(['a.png', 'A'], ['b.png', 'B'], ['a.cls', '0'], ['b.cls', '1']);
    assert.match(await faultIn(), /sample "a": expected a label \(\.cls\), got only \.png/);
  });

  it('should refuse two images or two labels', async () => {
    await shard(['a.png', 'A'], ['a.jpg', 'A'], ['a.cls', '0']);
    assert.match(await faultIn(), /sample "a": expected one image, got two \(\.png, \.jpg\)/);
    await shard(['a.cls', '0'], ['a.cls', '0'], ['a.png', 'A']);
    assert.match(await faultIn(), /sample "a": expected one label, got two/);
  });

  it('should name the sample whose label is no integer, or out of range', async () => {
    await shard(['a.png', 'A'], ['a.cls', 'cat']);
    assert.equal(await faultIn(), 'label of x.tar/a: expected an integer from 0, got "cat"');
    for (const text of ['-1', '1.5', '', '1e3']) {
      await shard(['a.png', 'A'], ['a.cls', text]);
      assert.match(await faultIn(), /label of x\.tar\/a: expected an integer from 0/, text);
    }
    await shard(['a.png', 'A'], ['a.cls', '3']);
    assert.match(await faultIn({ classes: 3 }), /label of x\.tar\/a: expected a label from 0 to 2 .*, got 3$/);
  });

  it('should not read what is too large to be meant', async () => {
    await shard(['a.png', 'A'], ['a.cls', '0'.repeat(65)]);
    assert.equal(await faultIn(), `${folder.path('x.tar')}, sample "a": expected at most 64 bytes of .cls, got 65 bytes`);
  });

  it('should make bad samples of what is wrong, and go on with the others @smoke', async () => {
    await shard(
      ...[['a.png', 'A'] as const, ['a.cls', '7'] as const],
      ...[['b.cls', '1'] as const],
      ...[['c.png', 'C'] as const],
      ...[['d.png', 'D'] as const, ['d.cls', '1'] as const, ['d.boxes.json', '['] as const],
      ...[['e.png', 'E'] as const, ['e.cls', '1'] as const],
    );
    const told: string[] = [];
    const all = webDataset(folder.path(), { classes: 2 }).pipe(
      decode({ pool: new ImmediatePool(), onError: 'skip', bad: ({ key, stage, reason }) => told.push(`${key} ${stage} ${reason}`) }),
      pixels(),
    );
    await lastValueFrom(all, { defaultValue: undefined });
    // only the last one comes as far as a decoder, which makes nothing of the letter E
    assert.match(told.pop() ?? '', /^x\.tar\/e decode /);
    assert.deepEqual(
      told.map(each => each.replace(/: expected .*/, '')),
      [
        'x.tar/a source label of x.tar/a',
        `x.tar/b source ${folder.path('x.tar')}, sample "b"`,
        `x.tar/c source ${folder.path('x.tar')}, sample "c"`,
        'x.tar/d source boxes of x.tar/d',
      ],
    );
  });

  it('should complete on an empty shard, and refuse an empty folder or list', async () => {
    await shard();
    assert.deepEqual(await read(), []);
    assert.match(await failureOf(webDataset([])), /webDataset: expected at least one shard, got an empty list/);
    assert.match(await failureOf(webDataset(folder.path('none'))), /none: expected a folder that can be read, got nothing of that name/);
    await writeFiles(folder.path('sub'), { 'readme.txt': '' });
    assert.match(await failureOf(webDataset(folder.path('sub'))), /expected shards named \*\.tar, .*, got 0 folders and 1 other files/);
  });

  it('should deliver what comes before the place where a shard was cut off, then name the shard and the entry', async () => {
    const whole = await tarOf(shardEntries(3));
    await writeFiles(folder.path(), { 'x.tar': whole.subarray(0, 512 * 4 + 512 + 3) });
    let samples = 0;
    const failure = await new Promise<Error>(resolve => {
      webDataset(folder.path()).subscribe({ next: () => samples++, error: resolve });
    });
    assert.equal(samples, 1);
    assert.match(failure.message, /x\.tar: expected a complete tar archive, got its end too early, .*in entry "0001\.png"/);
  });

  it('should notice a shard that was cut off between samples, if its count is known', async () => {
    await writeFiles(folder.path(), { 'x.tar': await tarOf(shardEntries(3)) });
    const source = webDataset(folder.path(), { counts: new Map([[folder.path('x.tar'), 5]]) });
    assert.match(await failureOf(source), /x\.tar: expected 5 samples, as the index says, got 3\. The shard was cut off/);
  });
});
