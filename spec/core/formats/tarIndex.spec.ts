import assert from 'node:assert/strict';
import { utimesSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { buffer as collect } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { fileCount, fileName, indexTar } from '../../../core/formats/tarIndex.ts';
import { openTarIndex } from '../../../core/formats/tarIndexFile.ts';
import { tarOf, useTemporaryFolder } from '../../dataFixtures.ts';

const long = `${'deep/'.repeat(60)}name-über.JPEG`;

describe('indexTar', () => {
  const folder = useTemporaryFolder();
  const write = async (bytes: Uint8Array) => {
    await writeFile(folder.path('a.tar'), bytes);
    return folder.path('a.tar');
  };

  it('should find every file of an archive where it lies, whatever the length of its name @smoke', async () => {
    const entries = [
      ['one.JPEG', 'first'],
      ['b/two.JPEG', ''],
      [`${'d'.repeat(90)}/${'n'.repeat(95)}.JPEG`, 'third'],
      [long, 'x'.repeat(2000)],
      ['last.JPEG', 'y'],
    ] as const;
    const path = await write(await tarOf(entries));
    const index = await indexTar(path, { nested: false });
    const bytes = await readFile(path);
    assert.equal(fileCount(index), 5);
    assert.deepEqual(
      entries.map((_, i) => [fileName(index, i), bytes.toString('utf8', index.offsets[i], index.offsets[i] + index.sizes[i])]),
      entries.map(([name, content]) => [name, content]).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
    assert.deepEqual(index.groups, []);
  });

  it('should find the files of archives inside, by their archive', async () => {
    const outer = await tarOf([
      ['n02.tar', await tarOf([['n02_1.JPEG', 'aa']])],
      ['readme.txt', 'no archive'],
      [
        'n01.tar',
        await tarOf([
          ['n01_7.JPEG', 'b'],
          ['n01_8.JPEG', 'cc'],
        ]),
      ],
      ['n03.tar', await tarOf([])],
    ]);
    const path = await write(outer);
    const index = await indexTar(path, { nested: true });
    assert.deepEqual(index.groups, ['n01', 'n02', 'n03']);
    assert.deepEqual([...index.groupOf], [0, 0, 1]);
    assert.deepEqual(index.unended, []);
    assert.deepEqual(
      [0, 1, 2].map(i => outer.toString('utf8', index.offsets[i], index.offsets[i] + index.sizes[i])),
      ['b', 'cc', 'aa'],
    );
  });

  it('should sort files by the bytes of their names within each archive inside, in whatever order they lie', async () => {
    const names = ['b', 'Über', 'a10', 'a9', 'a'];
    const inner = (id: string) => tarOf(names.map(name => [`${id}_${name}`, name] as const));
    const path = await write(
      await tarOf([
        ['n02.tar', await inner('n02')],
        ['n01.tar', await inner('n01')],
      ]),
    );
    const index = await indexTar(path, { nested: true });
    const bytes = await readFile(path);
    const sorted = ['a', 'a10', 'a9', 'b', 'Über'];
    assert.deepEqual(
      Array.from({ length: 10 }, (_, i) => fileName(index, i)),
      ['n01', 'n02'].flatMap(id => sorted.map(name => `${id}_${name}`)),
    );
    assert.deepEqual(
      Array.from({ length: 10 }, (_, i) => bytes.toString('utf8', index.offsets[i], index.offsets[i] + index.sizes[i])),
      [...sorted, ...sorted],
    );
  });

  it('should refuse two archives of one name', async () => {
    const inner = await tarOf([['a', 'x']]);
    const twice = tarOf([
      ['n01.tar', inner],
      ['again/n01.tar', inner],
    ]);
    await assert.rejects(indexTar(await write(await twice), { nested: true }), /different names inside, got n01\.tar twice\./);
  });

  it("should tell which archives lack tar's end mark", async () => {
    const inner = await tarOf([['a', 'x']]);
    const outer = await tarOf([
      ['n01.tar', inner],
      ['n02.tar', inner.subarray(0, 1024)],
    ]);
    assert.deepEqual((await indexTar(await write(outer), { nested: true })).unended, ['n02']);
    assert.deepEqual((await indexTar(await write(outer.subarray(0, -1024)), { nested: true })).unended, ['', 'n02']);
  });

  it('should leave folders and links out', async () => {
    const archive = pack();
    archive.entry({ name: 'folder', type: 'directory' });
    archive.entry({ name: 'link', type: 'symlink', linkname: 'x' });
    archive.entry({ name: 'x' }, 'content');
    archive.finalize();
    const index = await indexTar(await write(await collect(archive)), { nested: false });
    assert.deepEqual([fileCount(index), fileName(index, 0)], [1, 'x']);
  });

  it('should say where an archive ends too early, or is none', async () => {
    const whole = await tarOf([
      ['a.JPEG', 'x'.repeat(600)],
      ['b.JPEG', 'y'.repeat(600)],
    ]);
    const failure = async (bytes: Uint8Array) =>
      indexTar(await write(bytes), { nested: false }).then(
        () => assert.fail('nothing failed'),
        error => error.message.replaceAll(folder.path(), 'DIR'),
      );
    assert.equal(
      await failure(whole.subarray(0, 1000)),
      'DIR/a.tar: expected a complete tar archive, got its end inside entry "a.JPEG", which begins at byte 0. It was cut off: fetch or make it again.',
    );
    assert.match(await failure(whole.subarray(0, 2500)), /inside entry "b\.JPEG", which begins at byte 1536\./);
    const damaged = Buffer.from(whole);
    damaged.fill(7, 1540, 1600);
    assert.match(await failure(damaged), /expected a plain tar archive, got no valid header at byte 1536\. It is damaged or no tar file/);
    const misprinted = Buffer.from(whole);
    misprinted[1536] ^= 1;
    assert.match(await failure(misprinted), /no valid header at byte 1536/, 'one bit of a name against the checksum');
    assert.match(await failure(new Uint8Array(0)), /a\.tar: expected a tar archive, got an empty file\. Fetch or make it again\./);
    assert.match(await failure(gzipSync(whole)), /got gzip data, in which nothing can be found .* Unpack it with gunzip\./);
    await rm(folder.path('a.tar'));
    await assert.rejects(indexTar(folder.path('a.tar'), { nested: false }), /expected a file that can be read, got nothing of that name/);
    const inner = await tarOf([['n01.tar', whole.subarray(0, 1000)]]);
    await write(inner);
    await assert.rejects(
      indexTar(folder.path('a.tar'), { nested: true }),
      /a\.tar, archive "n01\.tar" in it: expected a complete tar archive/,
    );
  });

  it('should stop when told to', async () => {
    const path = await write(await tarOf(Array.from({ length: 30_000 }, (_, i) => [`${i}`, ''] as const)));
    const stop = new AbortController();
    await assert.rejects(indexTar(path, { nested: false, signal: stop.signal, progress: () => stop.abort() }), { name: 'AbortError' });
  });
});

describe('openTarIndex', () => {
  const folder = useTemporaryFolder();
  let cache: string | undefined;
  beforeEach(() => {
    cache = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = folder.path('cache');
  });
  afterEach(() => {
    if (cache === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = cache;
  });

  it('should save what it made, read it the next time, and make it anew for another archive', async () => {
    const path = folder.path('a.tar');
    writeFileSync(path, await tarOf([['a', 'one']]));
    const made = await openTarIndex(path, { nested: false });
    assert.equal(made.origin, 'made and saved');
    const again = await openTarIndex(path, { nested: false });
    assert.deepEqual(again, { index: made.index, origin: 'read from its file' });
    utimesSync(path, 1, 1);
    assert.equal((await openTarIndex(path, { nested: false })).origin, 'made and saved');
    assert.equal((await openTarIndex(path, { nested: true })).origin, 'made and saved', 'another way of reading it');
  });

  it('should leave nothing on the disk for an archive that is damaged, or that the caller refuses', async () => {
    const path = folder.path('a.tar');
    const whole = await tarOf([['a', 'one']]);
    const refuse = () => {
      throw new Error('refused');
    };
    for (const bytes of [whole.subarray(0, 514), new Uint8Array(0), Buffer.alloc(2048, 7)]) {
      writeFileSync(path, bytes);
      await assert.rejects(openTarIndex(path, { nested: false }));
    }
    writeFileSync(path, whole);
    await assert.rejects(openTarIndex(path, { nested: false, check: refuse }), /refused/);
    assert.deepEqual(await readdir(folder.path()), ['a.tar']);
    await openTarIndex(path, { nested: false });
    await assert.rejects(openTarIndex(path, { nested: false, check: refuse }), /refused/, 'a saved one is checked too');
  });

  it('should refuse an archive that is written meanwhile', async () => {
    const path = folder.path('a.tar');
    writeFileSync(path, await tarOf([['a', 'one']]));
    const check = () => utimesSync(path, 1, 1);
    await assert.rejects(
      openTarIndex(path, { nested: false, check }),
      /that stays as it is while its index is made, got another size or time/,
    );
    assert.deepEqual(await readdir(folder.path()), ['a.tar']);
  });

  it('should make it anew from a saved one that is cut off or another file', async () => {
    const path = folder.path('a.tar');
    writeFileSync(path, await tarOf([['a', 'one']]));
    const { index } = await openTarIndex(path, { nested: false });
    const saved = await readFile(`${path}.index`);
    const wild = Buffer.from(saved);
    // an offset far beyond the archive
    wild.fill(0x41, saved.indexOf('\n') + 1, saved.indexOf('\n') + 9);
    for (const bytes of [
      saved.subarray(0, saved.length - 1),
      saved.subarray(0, 20),
      Buffer.from('{}\n'),
      Buffer.concat([saved, saved]),
      wild,
    ]) {
      await writeFile(`${path}.index`, bytes);
      assert.deepEqual(await openTarIndex(path, { nested: false }), { index, origin: 'made and saved' });
    }
  });

  it('should go to the cache folder where the archive lies in a folder that may not be written', async () => {
    // a folder in the place of the index file can be written by nobody, root included
    const path = folder.path('a.tar');
    writeFileSync(path, await tarOf([['a', 'one']]));
    await mkdir(`${path}.index`);
    const { origin } = await openTarIndex(path, { nested: false });
    assert.ok(origin.startsWith(`made and saved in ${folder.path('cache', 'millrace')}`), origin);
    assert.equal((await openTarIndex(path, { nested: false })).origin, 'read from its file');
    await rm(folder.path('cache'), { recursive: true });
    await writeFile(folder.path('cache'), 'a file in its place');
    await chmod(folder.path('cache'), 0o600);
    assert.equal((await openTarIndex(path, { nested: false })).origin, 'made, and could not be saved');
  });
});
