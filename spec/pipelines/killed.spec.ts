import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { checkpointBytes, optimizerBytes, readCheckpoint, readOptimizer } from '../../core/index.ts';
import { uniforms } from '../../core/random.ts';
import { train } from '../../pipelines/index.ts';
import { type Listener, runPipeline } from '../../pipelines/run/runPipeline.ts';
import { root } from '../sourceFiles.ts';
import { metricsOf, millrace, small, temporaryFolder, toyData } from './toy.ts';

/** Every line of a kind, without what the clock says. */
function told(folder: string, kind: string): unknown[] {
  return metricsOf<Record<string, unknown>>(folder)
    .filter(({ event }) => event === kind)
    .map(({ seconds: _, imagesPerSecond: __, ...rest }) => rest);
}

describe('a run that is killed', function () {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let data: string;
  let whole: string;
  const options = [...small.slice(0, -2), '--epochs', '20', '--lr', '0.01', '--on-error', 'skip', '--shuffle-buffer', '30'] as const;
  before(async () => {
    folder = await temporaryFolder();
    data = await toyData(join(folder.path, 'toy'));
    for (const name of ['5a', '20b', 'zz']) writeFileSync(join(data, 'train', 'dark', `${name}.png`), 'no picture');
    whole = join(folder.path, 'whole');
    const { status, stderr } = await millrace('train', '--data', data, ...options, '--out', whole);
    assert.equal(status, 0, stderr);
  });
  after(() => folder.remove());

  /** Starts a process and kills it a while after one of its steps; false if it was done before. */
  async function killed(args: readonly string[], steps: number, afterMs: number): Promise<boolean> {
    const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'pipelines', 'bin.ts'), ...args, '--json'], {
      cwd: root,
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(child, 'exit');
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.includes('"event":"step"') || --steps > 0) continue;
      await new Promise(resolve => setTimeout(resolve, afterMs));
      child.kill('SIGKILL');
      break;
    }
    child.stdout.resume();
    const [, signal] = await ended;
    return signal === 'SIGKILL';
  }

  it('should go on to the same steps, losses, evaluations and weights, however often and whenever', async () => {
    const out = join(folder.path, 'killed');
    const random = uniforms(23);
    let kills = 0;
    for (let i = 0; i < 3; i++) {
      const args = i === 0 ? ['--data', data, ...options, '--out', out] : ['--resume', out];
      const every = ['--checkpoint-every', String(1 + Math.floor(random() * 4))];
      if (await killed(['train', ...args, ...every], 1 + Math.floor(random() * 30), random() * 60)) kills++;
    }
    assert.ok(kills >= 2, `${kills} kills`);
    const { status, stderr } = await millrace('train', '--resume', out);
    assert.equal(status, 0, stderr);
    for (const kind of ['step', 'epoch']) assert.deepEqual(told(out, kind), told(whole, kind));
    const keys = (run: string) => (told(run, 'bad') as { key: string }[]).map(({ key }) => key).sort();
    assert.deepEqual(keys(out), keys(whole));
    for (const file of ['checkpoint.safetensors', 'optimizer.safetensors']) {
      assert.ok(readFileSync(join(whole, file)).equals(readFileSync(join(out, file))), file);
    }
    assert.deepEqual(readdirSync(out).sort(), readdirSync(whole).sort(), 'no drafts are left');
  });

  /** Runs in this process until after a step, as Ctrl-C would end it. */
  async function until(step: number, given: Record<string, unknown>): Promise<void> {
    const stop = new AbortController();
    const nothing = () => undefined;
    const listener: Listener = {
      introduce: nothing,
      begin: nothing,
      evaluating: nothing,
      evaluation: nothing,
      bad: nothing,
      step: done => {
        if (done.step === step) stop.abort();
      },
    };
    await runPipeline({ pipeline: train, given, signal: stop.signal, listener });
  }

  it('should go on where it was killed between the two files of a checkpoint', async () => {
    const out = join(folder.path, 'between');
    const given = {
      model: 'tiny',
      device: 'wasm',
      threads: 1,
      workers: 1,
      batch: 8,
      epochs: 20,
      lr: 0.01,
      onError: 'skip',
      shuffleBuffer: 30,
    };
    await until(35, { ...given, data, out });
    const early = join(folder.path, 'early');
    await cp(out, early, { recursive: true });
    await until(50, { resume: out });
    // as it is when the optimizer's file has been renamed and the checkpoint's has not
    renameSync(join(out, 'checkpoint.safetensors'), join(out, 'checkpoint.safetensors.123.part'));
    await cp(join(early, 'checkpoint.safetensors'), join(out, 'checkpoint.safetensors'));
    await until(55, { resume: out });
    assert.deepEqual(told(out, 'step').slice(0, 55), told(whole, 'step').slice(0, 55));

    // drafts that are not whole, or of files that belong together, count for nothing
    const { tensors, ...facts } = await readCheckpoint(join(early, 'checkpoint.safetensors'));
    const optimizer = await readOptimizer(join(early, 'optimizer.safetensors'), facts.step);
    writeFileSync(join(early, 'checkpoint.safetensors.7.part'), checkpointBytes({ ...facts, step: 99 }, tensors).subarray(0, 900));
    writeFileSync(join(early, 'optimizer.safetensors.7.part'), optimizerBytes(99, optimizer));
    await until(45, { resume: early });
    assert.deepEqual(told(early, 'step').slice(0, 45), told(whole, 'step').slice(0, 45));
    assert.ok(!readdirSync(early).some(name => name.endsWith('.part')));
  });
});
