import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { run } from '../../pipelines/commandLine.ts';
import { IndexingProgress } from '../../pipelines/terminal/indexing.ts';
import { Output } from '../../pipelines/terminal/output.ts';
import { tarOf, until, useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { millrace } from './toy.ts';

describe('the index of an archive', () => {
  const folder = useTemporaryFolder();
  const name = 'ILSVRC2012_img_train.tar';

  it('should be told while it is made: a live line on a terminal, one line elsewhere @smoke', () => {
    const told = (isTTY: boolean) => {
      const written: string[] = [];
      const sink = { isTTY, columns: 80, rows: 24, write: (text: string) => written.push(text), on: () => undefined };
      const progress = new IndexingProgress(new Output(false, { stdout: sink, stderr: sink }));
      const began = performance.now();
      let now = began;
      const clock = performance.now;
      try {
        performance.now = () => now;
        for (let i = 0; i <= 40; i++) {
          progress.tell({ path: `/data/${name}`, files: 10 * i, bytes: i, of: 40 });
          now += 90;
        }
      } finally {
        performance.now = clock;
      }
      progress.end();
      return written;
    };
    assert.deepEqual(told(false), [`indexing ${name} (once) … 30 % after 1.1 s\n`]);
    const live = told(true).join('');
    assert.match(live, /indexing ILSVRC2012_img_train\.tar \(once\)/);
    assert.match(live, /… 95 %/);
  });

  /** An archive whose index takes longer than a turn of the event loop. */
  async function largeArchive(): Promise<void> {
    const entry = (await tarOf([['n00000001_1.JPEG', '']])).subarray(0, 512);
    const inner = Buffer.alloc(60_000 * 512 + 1024);
    for (let i = 0; i < 60_000; i++) entry.copy(inner, 512 * i);
    const archive = await tarOf([
      ['n00000001.tar', inner],
      ['n00000002.tar', await tarOf([['n00000002_1.JPEG', 'x']])],
    ]);
    await writeFiles(folder.path('in'), { [name]: archive });
  }

  it('should be told by every command that makes one', async () => {
    await largeArchive();
    for (const args of [
      ['data', folder.path('in'), 'tree', '--wordnet', folder.path('none')],
      ['data', folder.path('in'), 'shard', folder.path('out')],
      ['profile', '--data', folder.path('in'), '--out', folder.path('report'), '--device', 'wasm', '--threads', '1'],
    ]) {
      const written: string[] = [];
      const sink = { isTTY: true, columns: 80, rows: 24, write: (text: string) => written.push(text), on: () => undefined };
      // without a held-out part, without WordNet: each fails after the index, which is what is looked at
      assert.equal(await run(args, { stdout: sink, stderr: sink }), 1, args.join(' '));
      assert.match(written.join(''), /indexing ILSVRC2012_img_train\.tar \(once\)/, args.join(' '));
      await rm(folder.path('in', `${name}.index`), { force: true });
    }
  });

  it('should be left alone by Ctrl-C, with nothing on the disk', async () => {
    await largeArchive();
    for (const args of [
      ['data', folder.path('in')],
      ['data', folder.path('in'), 'tree'],
      ['data', folder.path('in'), 'shard', folder.path('out')],
      ['train', '--data', folder.path('in'), '--out', folder.path('run'), '--device', 'wasm', '--threads', '1'],
      ['profile', '--data', folder.path('in'), '--out', folder.path('report'), '--device', 'wasm', '--threads', '1'],
    ]) {
      const before = process.listenerCount('SIGTERM');
      const running = millrace(...args);
      await until(() => process.listenerCount('SIGTERM') > before);
      process.emit('SIGTERM', 'SIGTERM');
      const { status } = await running;
      assert.equal(status, 130, args[0]);
      assert.deepEqual(await readdir(folder.path('in')), [name]);
      assert.deepEqual(await readdir(folder.path()), ['in']);
    }
  });
});
