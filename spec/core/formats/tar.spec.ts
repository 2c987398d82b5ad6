import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { MillraceError } from '../../../core/errors.ts';
import { readTar } from '../../../core/formats/tar.ts';
import { openFilesBelow, tarOf, until, useTemporaryFolder, writeFiles } from '../../dataFixtures.ts';

describe('readTar', () => {
  const folder = useTemporaryFolder();
  const file = () => folder.path('x');
  const small = [
    ['a.png', 'first'],
    ['b/c.cls', '7'],
    ['empty', ''],
  ] as const;
  const read = async (signal?: AbortSignal) => {
    const found: [string, string][] = [];
    for await (const entry of readTar(file(), signal)) found.push([entry.name, Buffer.from(await entry.read(1e6)).toString()]);
    return found;
  };
  const failure = async () => {
    const error = await read().then(
      () => assert.fail('nothing failed'),
      reason => reason,
    );
    assert.ok(error instanceof MillraceError && error.kind === 'data', String(error));
    await until(async () => ((await openFilesBelow(folder.path())) ?? []).length === 0);
    return error.message.replaceAll(folder.path('/'), '');
  };

  it('should read the files of an archive in order, packed or not, whatever its name @smoke', async () => {
    await writeFiles(folder.path(), { x: await tarOf(small) });
    assert.deepEqual(await read(), small);
    await writeFiles(folder.path(), { x: gzipSync(await tarOf(small)) });
    assert.deepEqual(await read(), small);
  });

  it('should skip what is not read, and read nothing of an archive without entries', async () => {
    const long = Buffer.alloc(300_000, 1);
    await writeFiles(folder.path(), {
      x: await tarOf([
        ['long', long],
        ['next', 'n'],
        ['long2', long],
      ]),
    });
    const names: string[] = [];
    for await (const entry of readTar(file())) names.push(`${entry.name} ${entry.bytes}`);
    assert.deepEqual(names, ['long 300000', 'next 1', 'long2 300000']);
    await writeFiles(folder.path(), { x: await tarOf([]) });
    assert.deepEqual(await read(), []);
  });

  it('should name the entry and the byte where an archive was cut off @smoke', async () => {
    const whole = await tarOf([
      ['a.png', 'first'],
      ['b.png', Buffer.alloc(2000, 7)],
    ]);
    await writeFiles(folder.path(), { x: whole.subarray(0, 512 * 3 + 100) });
    assert.equal(
      await failure(),
      'x: expected a complete tar archive, got its end too early, at byte 1636 of the archive, in entry "b.png". x was cut off: fetch or make it again.',
    );
  });

  it('should notice an archive that was cut off in the padding or in a header', async () => {
    const whole = await tarOf(small);
    for (const bytes of [512 + 100, 1024 + 300]) {
      await writeFiles(folder.path(), { x: whole.subarray(0, bytes) });
      assert.match(
        await failure(),
        /^x: expected a complete tar archive, got its end too early, at byte 517 of the archive, after entry "a\.png"/,
      );
    }
  });

  it('should name the entry where gzip data was cut off', async () => {
    const noise = Buffer.from(Array.from({ length: 200_000 }, (_, i) => Math.imul(i, 2654435761) >>> 24));
    const packed = gzipSync(
      await tarOf([
        ['a', noise],
        ['b', noise],
      ]),
    );
    await writeFiles(folder.path(), { x: packed.subarray(0, packed.length - 20) });
    assert.match(
      await failure(),
      /^x: expected complete gzip data, got its end too early, at byte \d+ of the file, in entry "b"\. x was cut off/,
    );
  });

  it('should say that gzip data is damaged', async () => {
    const packed = gzipSync(await tarOf(small));
    packed.fill(0xff, 40, 60);
    await writeFiles(folder.path(), { x: packed });
    assert.match(
      await failure(),
      /^x: expected sound gzip data, got "[a-z /-]+" at byte \d+ of the file.*\. x is damaged: fetch or make it again\.$/,
    );
  });

  it('should say that a file named .gz is not packed, that one is no archive, and that one is empty', async () => {
    await writeFiles(folder.path(), { 'y.tar.gz': 'plain text', x: Buffer.alloc(2048, 'text') });
    assert.equal(
      await failure(),
      'x: expected a tar archive, got no valid tar header at byte 0 of the archive. x is damaged or no tar file: fetch or make it again.',
    );
    await assert.rejects(readTar(folder.path('y.tar.gz')).next(), {
      message: `${folder.path('y.tar.gz')}: expected gzip data (first bytes 1f 8b), as its name says, got first bytes 70 6c. Fetch the file again, or take .gz off its name if it is not packed.`,
    });
    await writeFiles(folder.path(), { x: '' });
    assert.equal(await failure(), 'x: expected data, got an empty file. Fetch or make the file again.');
  });

  it('should refuse an entry longer than asked for', async () => {
    await writeFiles(folder.path(), { x: await tarOf(small) });
    const first = async () => {
      for await (const entry of readTar(file())) await entry.read(4);
    };
    await assert.rejects(first(), {
      message: `${file()}, entry "a.png": expected at most 4 bytes, got 5 bytes. Make the shard again without the oversized file.`,
    });
  });

  it('should close the file when the reader leaves, and when the signal says so', async () => {
    await writeFiles(folder.path(), { x: await tarOf(Array.from({ length: 500 }, (_, i) => [`${i}`, Buffer.alloc(1000)] as const)) });
    for await (const entry of readTar(file())) if (entry.name === '3') break;
    await until(async () => ((await openFilesBelow(folder.path())) ?? []).length === 0);
    const stop = new AbortController();
    const entries = readTar(file(), stop.signal);
    await entries.next();
    stop.abort();
    await until(async () => ((await openFilesBelow(folder.path())) ?? []).length === 0);
    await entries.return();
  });

  it('should hold next to nothing of a large archive', async () => {
    const piece = Buffer.alloc(2 ** 20, 3);
    await writeFiles(folder.path(), { x: await tarOf(Array.from({ length: 128 }, (_, i) => [`${i}`, piece] as const)) });
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    for await (const _ of readTar(file())) {
      await new Promise(resolve => setImmediate(resolve));
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    // of 128 MiB; how much of what has been read the collector has not yet freed is its own affair
    assert.ok(most < 64 * 2 ** 20, `held ${most} bytes`);
  });
});
