import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { readCheckpoint } from '../../core/index.ts';
import { root } from '../sourceFiles.ts';
import { millrace, small, temporaryFolder, toyData } from './toy.ts';

describe('the millrace process', function () {
  this.timeout(60_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let data: string;
  const children = new Set<ChildProcess>();
  before(async () => {
    folder = await temporaryFolder();
    data = await toyData(join(folder.path, 'toy'));
  });
  after(() => folder.remove());
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL');
    children.clear();
  });

  const start = (...args: string[]) => {
    const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'pipelines', 'bin.ts'), ...args], {
      cwd: root,
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(child);
    const ended = once(child, 'exit').then(([code]) => code as number | null);
    return { child, ended };
  };
  /** Resolves at the n-th line of stdout that holds the text. */
  const line = async (child: ChildProcess, text: string, count = 1) => {
    for await (const each of createInterface({ input: child.stdout! })) if (each.includes(text) && --count === 0) return;
    assert.fail(`no line with ${text}`);
  };
  const endless = (out: string) => ['train', '--data', data, ...small, '--epochs', '2000', '--lr', '0.001', '--out', out, '--json'];

  it('should finish the step at Ctrl-C, write a checkpoint, exit with 130, and go on from there', async () => {
    const out = join(folder.path, 'interrupted');
    const { child, ended } = start(...endless(out));
    await line(child, '"event":"step"', 15);
    child.stdout!.resume();
    child.kill('SIGINT');
    assert.equal(await ended, 130);
    const { step } = await readCheckpoint(join(out, 'checkpoint.safetensors'));
    assert.ok(step >= 15);
    const { status, summary, stderr } = await millrace('train', '--resume', out, '--epochs', '2000', '--steps', String(step + 3), '--json');
    assert.equal(status, 0, stderr);
    assert.equal(summary.steps, step + 3);
  });

  it('should leave nothing when it is stopped before the first step', async () => {
    const out = join(folder.path, 'early');
    const { child, ended } = start('train', '--data', data, ...small, '--out', out);
    await line(child, 'device');
    child.stdout!.resume();
    child.kill('SIGINT');
    assert.equal(await ended, 130);
    // it may have come as far as a step
    if (existsSync(out)) assert.ok((await readCheckpoint(join(out, 'checkpoint.safetensors'))).step > 0);
  });

  it('should end by itself when it is done, with one line of JSON at the end, and status 0', async () => {
    const { child, ended } = start('train', '--data', data, ...small, '--out', join(folder.path, 'done'), '--json');
    const lines: string[] = [];
    for await (const each of createInterface({ input: child.stdout! })) lines.push(each);
    assert.equal(await ended, 0);
    assert.equal(JSON.parse(lines.at(-1)!).event, 'summary');
    for (const each of lines) JSON.parse(each);
  });

  it('should not mind a reader that leaves', async () => {
    const { child, ended } = start('train', '--data', data, ...small, '--out', join(folder.path, 'head'), '--json');
    await once(child.stdout!, 'data');
    child.stdout!.destroy();
    let complaints = '';
    child.stderr!.on('data', chunk => {
      complaints += chunk;
    });
    assert.equal(await ended, 0, complaints);
    assert.doesNotMatch(complaints, /EPIPE/);
  });
});
