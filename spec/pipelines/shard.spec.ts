import assert from 'node:assert/strict';
import { appendFileSync, existsSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import sharp from 'sharp';
import { encodedBytes } from '../../core/data/readPicture.ts';
import type { Sample } from '../../core/data/sample.ts';
import { ShardWriter } from '../../core/data/shardWriter.ts';
import { openDataSet, webDataset } from '../../operators/index.ts';
import { tarOf, until, useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { millrace } from './toy.ts';

const voc = (name: string) =>
  `<annotation><object><name>${name}</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>6</xmax><ymax>8</ymax></bndbox></object></annotation>`;

describe('millrace data DIR shard', () => {
  const folder = useTemporaryFolder();
  const picture = (grey: number) => sharp({ create: { width: 8, height: 8, channels: 3, background: { r: grey, g: grey, b: grey } } });
  /** Eight pictures in two classes, two held out; one is a PNG whatever its name says, and one has boxes. */
  const images = async () => {
    const files: Record<string, string | Uint8Array> = {};
    for (const [i, name] of ['a/1.JPEG', 'a/2.v2.jpeg', 'a/3.jpg', 'b/1.jpg', 'b/ü 2.jpg', 'b/3.jpg'].entries()) {
      files[`in/train/${name}`] = await (i === 2 ? picture(i).png() : picture(30 * i).jpeg({ quality: 90 })).toBuffer();
    }
    for (const name of ['a/9.jpg', 'b/9.jpg']) files[`in/val/${name}`] = await picture(200).jpeg().toBuffer();
    files['in/Annotations/train/b/1.xml'] = voc('b');
    await writeFiles(folder.path(), files);
    return folder.path('in');
  };
  const shard = (...args: string[]) => millrace('data', folder.path('in'), 'shard', ...args);
  const read = async (dir: string, split: 'train' | 'test' = 'train', order: 'natural' | 'random' = 'natural') =>
    lastValueFrom((await openDataSet(dir, { split })).samples({ order, seed: 1 }).pipe(toArray()));
  const bytesOf = ({ picture }: Sample) => (picture.kind === 'raw' ? '' : Buffer.from(encodedBytes(picture)).toString('base64'));
  const content = (samples: readonly Sample[]) => samples.map(sample => [sample.label, sample.index, sample.boxes ?? [], bytesOf(sample)]);

  it('should write what reads back the same, with and without the index @smoke', async () => {
    const dir = await images();
    const { status, stdout } = await shard(folder.path('out'), '--shard-bytes', '12000');
    assert.equal(status, 0);
    assert.match(stdout, /train: 6 images in 2 shards, 1\d\.?\d* KiB, 1 box\n.*val, test split.*\n {2}test: 2 images in 1 shard, /);
    const written = await readdir(folder.path('out'));
    assert.deepEqual(written, [
      'classes.txt',
      'index.json',
      'test-00000.tar',
      'test-00000.tar.index',
      'train-00000.tar',
      'train-00000.tar.index',
      'train-00001.tar',
      'train-00001.tar.index',
    ]);
    for (const name of written) {
      if (name.endsWith('.tar')) assert.ok((await readFile(folder.path('out', name))).length <= 12_000, name);
    }
    const [before, after] = [await read(dir), await read(folder.path('out'))];
    assert.deepEqual(content(after), content(before));
    assert.ok(after.every(sample => sample.picture.kind === 'range'));
    assert.deepEqual(
      after.map(({ key }) => key),
      [
        'train-00000.tar/000000000-1',
        'train-00000.tar/000000001-2_v2',
        'train-00000.tar/000000002-3',
        'train-00000.tar/000000003-1',
        'train-00001.tar/000000004-3',
        'train-00001.tar/000000005-_2',
      ],
    );
    assert.match((await readFile(folder.path('out', 'train-00000.tar'))).toString('latin1'), /000000002-3\.png\0/);
    const set = await openDataSet(folder.path('out'), { split: 'train' });
    assert.deepEqual([set.classes, set.counts, set.size, set.indexed], [['a', 'b'], [3, 3], 6, true]);
    for (const name of written) if (name.endsWith('.index')) await rm(folder.path('out', name));
    const streamed = await read(folder.path('out'));
    assert.ok(streamed.every(sample => sample.picture.kind === 'encoded'));
    assert.deepEqual(content(streamed), content(before));
    assert.deepEqual(content(await read(folder.path('out'), 'test')), content(await read(dir, 'test')));
  });

  it('should write the same bytes again, and in another order with --shuffle', async () => {
    await images();
    const all = async (name: string, ...args: string[]) => {
      assert.equal((await shard(folder.path(name), ...args)).status, 0);
      const names = await readdir(folder.path(name));
      return Promise.all(names.map(async each => [each, (await readFile(folder.path(name, each))).toString('base64')]));
    };
    assert.deepEqual(await all('one'), await all('two'));
    assert.deepEqual(await all('three', '--shuffle', '--seed', '5'), await all('four', '--shuffle', '--seed', '5'));
    const [plain, shuffled] = [await read(folder.path('one')), await read(folder.path('three'))];
    assert.notDeepEqual(shuffled.map(bytesOf), plain.map(bytesOf));
    assert.deepEqual(shuffled.map(bytesOf).sort(), plain.map(bytesOf).sort());
    assert.deepEqual(new Set((await read(folder.path('one'), 'train', 'random')).map(({ index }) => index)), new Set([0, 1, 2, 3, 4, 5]));
  });

  it('should leave nothing behind when an image cannot be read, or leave it out if told to', async () => {
    await images();
    // longer than any picture, and takes no room on the disk
    truncateSync(folder.path('in', 'train', 'b', '3.jpg'), 3 * 2 ** 30);
    const { status, stderr } = await shard(folder.path('out'));
    assert.equal(status, 1);
    assert.match(stderr, /train\/b\/3\.jpg: expected an image that can be read, got .* leave such images out with --on-error skip\.\n$/);
    assert.deepEqual(await readdir(folder.path()), ['in']);
    const { summary, stderr: told } = await shard(folder.path('out'), '--on-error', 'skip', '--json');
    assert.match(told, /^left out .*train\/b\/3\.jpg: /);
    assert.deepEqual(
      (summary.splits as { images: number; skipped: number }[]).map(({ images, skipped }) => [images, skipped]),
      [
        [5, 1],
        [2, 0],
      ],
    );
    assert.equal((await read(folder.path('out'))).length, 5);
  });

  it('should make an index anew that is damaged, or of another shard', async () => {
    await images();
    await shard(folder.path('out'), '--split', 'train');
    const [tar, index] = [folder.path('out', 'train-00000.tar'), folder.path('out', 'train-00000.tar.index')];
    const before = content(await read(folder.path('out')));
    const opened = async () => (await openDataSet(folder.path('out'), { split: 'train' })).description;
    assert.doesNotMatch(await opened(), /anew/);
    const saved = await readFile(index);
    for (const bytes of [saved.subarray(0, -1), Buffer.from('{}\n'), Buffer.alloc(0)]) {
      writeFileSync(index, bytes);
      assert.match(await opened(), /, one index of another version of the shard made anew$/);
      assert.doesNotMatch(await opened(), /anew/, 'saved');
      assert.deepEqual(content(await read(folder.path('out'))), before);
    }
    utimesSync(index, 1, 1);
    assert.match(await opened(), /made anew$/, 'older than its shard');
    // of the same length, and not newer than the index: the names in it tell
    const other = await readFile(tar);
    const at = other.indexOf('000000000-1.jpg');
    other.write('100000000-1.jpg', at);
    other.write('100000000-1.cls', other.indexOf('000000000-1.cls'));
    for (const header of [at, other.indexOf('100000000-1.cls')])
      other.write(String.fromCharCode(other[header + 153] + 1), header + 153, 'latin1');
    writeFileSync(tar, other);
    utimesSync(tar, 1, 1);
    assert.match(await opened(), /made anew$/, 'another first sample');
    assert.equal((await read(folder.path('out')))[0].key, 'train-00000.tar/100000000-1');
    appendFileSync(tar, Buffer.alloc(512));
    utimesSync(tar, 1, 1);
    assert.match(await opened(), /made anew$/, 'another length');
  });

  it('should count and name the samples of an indexed shard that are wrong, as without an index, and keep the others', async () => {
    const out = folder.path('out');
    const wrong: readonly (readonly [RegExp, ...(readonly [string, string])[]])[] = [
      [/^label of train-0\.tar\/x: expected a label from 0 to 1 .*, got 2$/, ['x.jpg', 'x'], ['x.cls', '2']],
      [/^label of train-0\.tar\/x: expected an integer from 0, got "cat"$/, ['x.jpg', 'x'], ['x.cls', 'cat']],
      [/sample "x": expected a label \(\.cls\), got only \.jpg$/, ['x.jpg', 'x']],
      [/sample "x": expected an image .*, got only \.cls$/, ['x.cls', '0']],
      [/sample "x": expected one label, got two \(\.cls, \.cls\)$/, ['x.cls', '0'], ['x.cls', '0'], ['x.jpg', 'x']],
      [/sample "x": expected at most 64 bytes of \.cls, got 600 bytes$/, ['x.cls', '0'.repeat(600)], ['x.jpg', 'x']],
      [
        /^boxes of train-0\.tar\/x: expected a list of \{ .* \}, got \{"label":1/,
        ['x.jpg', 'x'],
        ['x.cls', '0'],
        ['x.boxes.json', '[{"label":1,"top":0}]'],
      ],
    ];
    const good = (name: string) => [[`${name}.jpg`, name] as const, [`${name}.cls`, '1'] as const];
    for (const [reason, ...entries] of wrong) {
      for (const order of [
        [entries, good('b'), good('c')],
        [good('a'), entries, good('c')],
        [good('a'), good('b'), entries],
      ]) {
        await writeFiles(out, { 'train-0.tar': await tarOf(order.flat()), 'train-0.tar.index': '', 'classes.txt': 'a\nb\n' });
        const set = await openDataSet(out, { split: 'train' });
        const found = await read(out);
        assert.equal(found.length, 3, 'each keeps its place');
        assert.deepEqual(
          found.map(({ fault }) => fault !== undefined),
          order.map(each => each === entries),
          String(reason),
        );
        const { fault = '' } = found[order.indexOf(entries)];
        assert.match(fault, reason);
        const plain = await lastValueFrom(webDataset(out, { classes: 2 }).pipe(toArray()));
        assert.equal(plain[order.indexOf(entries)].fault?.replace(`${out}/`, ''), fault, 'without the index');
        assert.doesNotMatch((await openDataSet(out, { split: 'train' })).description, /anew/, 'saved');
        // boxes are not looked at before their sample comes
        if (fault.startsWith('boxes')) continue;
        assert.deepEqual(set.warnings, [`1 image cannot be used (train-0.tar/x: ${fault})`]);
        assert.deepEqual(set.counts, [0, 2]);
      }
    }
    await writeFiles(out, { 'train-0.tar': await tarOf([['x.jpg', 'x']]), 'train-0.tar.index': '' });
    await assert.rejects(openDataSet(out, { split: 'train' }), {
      message:
        'train-0.tar: expected a sample that can be used, got none; train-0.tar/x: train-0.tar, sample "x": expected a label (.cls), got only .jpg. ' +
        'Make the shards again, or list every class in classes.txt, one per line.',
    });
  });

  it('should refuse a folder that is not empty, and an order that the data cannot be read in', async () => {
    await images();
    await writeFiles(folder.path('out'), { 'notes.txt': 'mine' });
    const { status, stderr } = await shard(folder.path('out'));
    assert.equal(status, 2);
    assert.match(stderr, /out: expected a new or empty folder for the shards, got one thing in it \(notes\.txt\)\. Give another one/);
    assert.deepEqual(await readdir(folder.path('out')), ['notes.txt']);
    assert.match((await shard()).stderr, /data DIR shard: expected a folder to write to, got none\./);
    await mkdir(folder.path('empty'));
    assert.equal((await shard(folder.path('empty'))).status, 0);
    const packed = folder.path('packed');
    const entries = [
      ['1.jpg', 'x'],
      ['1.cls', '0'],
      ['2.jpg', 'x'],
      ['2.cls', '1'],
    ] as const;
    await writeFiles(packed, { 'train-0.tar': await tarOf(entries) });
    const refused = await millrace('data', packed, 'shard', folder.path('x'), '--split', 'train', '--shuffle');
    assert.match(refused.stderr, /--shuffle: expected data whose images can be reached in any order, got data that is read front to back/);
    assert.equal((await millrace('data', packed, 'shard', folder.path('x'))).status, 1, 'without a held-out part');
    assert.ok(!existsSync(folder.path('x')));
  });

  it('should leave nothing when it is interrupted', async () => {
    await images();
    const running = shard(folder.path('out'), '--json');
    await until(async () => (await readdir(folder.path())).some(name => name.includes('.partial-')));
    process.emit('SIGTERM', 'SIGTERM');
    const { status, summary } = await running;
    // it may have come to its end just before
    if (status === 0) return;
    assert.deepEqual([status, summary.interrupted], [130, true]);
    assert.deepEqual(await readdir(folder.path()), ['in']);
  });
});

describe('ShardWriter', () => {
  const folder = useTemporaryFolder();
  const image = new Uint8Array(300_000);

  it('should pass on that the disk is full', async function () {
    if (!existsSync('/dev/full')) return this.skip();
    symlinkSync('/dev/full', folder.path('train-00000.tar.partial'));
    const writer = new ShardWriter(dirname(folder.path('x')), 'train', 2 ** 30);
    await assert.rejects(
      async () => {
        for (let i = 0; i < 20; i++) await writer.add({ key: `${i}`, extension: 'jpg', image, label: 0 });
        await writer.finish();
      },
      { code: 'ENOSPC' },
    );
    await writer.abandon();
  });

  it('should give a sample that is longer than a shard one of its own', async () => {
    const writer = new ShardWriter(folder.path(), 'train', 10_000);
    for (const [key, bytes] of [
      ['a', 10],
      ['b', 20_000],
      ['c', 10],
      ['d', 10],
    ] as const) {
      await writer.add({ key, extension: 'jpg', image: image.subarray(0, bytes), label: 0 });
    }
    assert.deepEqual(
      (await writer.finish()).map(({ samples }) => samples),
      [1, 1, 2],
    );
    assert.deepEqual((await readdir(folder.path())).slice(0, 2), ['train-00000.tar.index.partial', 'train-00000.tar.partial']);
  });
});
