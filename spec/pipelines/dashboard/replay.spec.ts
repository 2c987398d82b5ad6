import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hub } from '../../../pipelines/dashboard/hub.ts';
import { Replay } from '../../../pipelines/dashboard/replay.ts';
import { until, useTemporaryFolder } from '../../dataFixtures.ts';
import { millrace, small, toyData } from '../toy.ts';

describe('Replay', () => {
  const folder = useTemporaryFolder();

  it('should show a finished run as it went', async () => {
    const data = await toyData(folder.path('toy'));
    const run = folder.path('run');
    const { status, stderr } = await millrace('train', '--data', data, ...small, '--out', run);
    assert.equal(status, 0, stderr);
    const hub = new Hub();
    const replay = await Replay.open(run, hub);
    replay.close();
    const { steps, epochs } = hub.history();
    assert.deepEqual(
      steps.step,
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    assert.deepEqual(
      epochs.map(({ epoch, top1 }) => [epoch, top1 > 0.5]),
      [
        [0, epochs[0]!.top1 > 0.5],
        [1, true],
      ],
    );
    assert.deepEqual([hub.last('run')!.model, hub.last('run')!.live, hub.last('run')!.classes], ['tiny', false, ['dark', 'light']]);
    assert.deepEqual(hub.last('end'), { outcome: 'done', text: 'step 20' });
    assert.ok(hub.last('weights')!.layers.length > 0);
  });

  const config = {
    format: 'millrace-run/1',
    pipeline: 'train',
    options: { batch: 8, epochs: 2 },
    device: { kind: 'wasm', description: 'wasm' },
    data: { train: 'a', test: 'b', classes: ['x', 'y'] },
    started: '2026-01-01T00:00:00Z',
  };
  const madeRun = (name: string, metrics: string | Buffer) => {
    const dir = folder.path(name);
    mkdirSync(dir);
    writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
    writeFileSync(join(dir, 'metrics.jsonl'), metrics);
    return dir;
  };
  const line = (step: number) =>
    `${JSON.stringify({ event: 'step', step, epoch: 0, loss: 1, top1: 0, top5: 0, lr: 1, images: 8, seconds: 1 })}\n`;

  it('should wait for the rest of an unfinished line, follow what is added, and count lines that are none', async () => {
    const half = line(3).slice(0, 20);
    const run = madeRun('growing', `${line(1)}not json\n${line(2)}${half}`);
    const hub = new Hub();
    const replay = await Replay.open(run, hub);
    try {
      assert.deepEqual(hub.history().steps.step, [1, 2]);
      assert.match(hub.last('warning')!.text, /^metrics\.jsonl: 1 line that/);
      replay.follow();
      appendFileSync(
        join(run, 'metrics.jsonl'),
        line(3).slice(20) + line(4) + JSON.stringify({ event: 'end', outcome: 'interrupted', step: 4 }),
      );
      await until(() => hub.history().steps.step.length === 4);
      assert.equal(hub.last('end'), undefined, 'its line has no end yet');
      appendFileSync(join(run, 'metrics.jsonl'), '\n');
      await until(() => hub.last('end') !== undefined);
      assert.deepEqual(hub.last('end'), { outcome: 'interrupted', text: 'step 4' });
      // resumed
      appendFileSync(join(run, 'metrics.jsonl'), line(5));
      await until(() => hub.last('end') === undefined);
    } finally {
      replay.close();
    }
  });

  it('should show what it can of a run whose checkpoint is damaged, and tell a page that comes later', async () => {
    const run = madeRun('damaged', line(1));
    writeFileSync(join(run, 'checkpoint.safetensors'), 'nothing of the kind');
    const hub = new Hub();
    (await Replay.open(run, hub)).close();
    const { steps, warnings } = hub.history();
    assert.deepEqual(steps.step, [1]);
    assert.match(warnings[0]!.text, /checkpoint\.safetensors/);
  });

  it('should read a run of 100,000 steps into a bounded history', async () => {
    const run = madeRun('long', Buffer.from(Array.from({ length: 100_000 }, (_, i) => line(i + 1)).join('')));
    const hub = new Hub();
    (await Replay.open(run, hub)).close();
    const { step } = hub.history().steps;
    assert.ok(step.length <= 2000 && step.at(-1) === 100_000);
  });

  it('should refuse what is not the folder of a run', async () => {
    await assert.rejects(
      Replay.open(folder.path('nowhere'), new Hub()),
      /^MillraceError: dashboard: expected the folder of a run, got .*nowhere, which has no config\.json\. Give the folder that a run printed when it began\.$/,
    );
    const other = folder.path('other');
    mkdirSync(other);
    writeFileSync(join(other, 'config.json'), '{"format":"something"}');
    await assert.rejects(Replay.open(other, new Hub()), /expected the settings of a run \(millrace-run\/1\), got something\./);
    writeFileSync(join(other, 'config.json'), '{"format":"millrace-run/1"}');
    await assert.rejects(Replay.open(other, new Hub()), /expected the settings of a run \(millrace-run\/1\), got some of them only\./);
    const { status, stderr } = await millrace('dashboard', folder.path('nowhere'));
    assert.equal(status, 2);
    assert.match(stderr, /^millrace: dashboard: expected the folder of a run/);
  });
});
