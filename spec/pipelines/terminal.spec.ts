import assert from 'node:assert/strict';
import { stripVTControlCharacters } from 'node:util';
import { MeterSet, type PipelineSnapshot, type Place } from '../../core/index.ts';
import { bytes, duration, figure, fit, paragraph, share } from '../../pipelines/terminal/format.ts';
import { Output } from '../../pipelines/terminal/output.ts';
import { TrainingProgress } from '../../pipelines/terminal/progress.ts';
import { stageRows, stageTable } from '../../pipelines/terminal/stageTable.ts';

/** A terminal of a width that remembers what was written to it. */
function terminal({ isTTY = true, columns = 80 } = {}) {
  const written = { stdout: '', stderr: '' };
  const sink = (name: 'stdout' | 'stderr') => ({
    isTTY,
    columns,
    rows: 24,
    write(text: string) {
      written[name] += text;
      return true;
    },
    on: () => undefined,
  });
  return { written, streams: { stdout: sink('stdout'), stderr: sink('stderr') } };
}
const step = (n: number, seconds = 0.1) => ({
  step: n,
  epoch: 0,
  index: n - 1,
  images: 32,
  loss: 2 / n,
  top1: 0.5,
  top5: 0.9,
  lr: 0.1,
  seconds,
  imagesPerSecond: 32 / seconds,
  consumed: 32 * n,
  state: { seed: 1, epoch: 0, position: 32 * n - 1 },
});

describe('format', () => {
  it('should write numbers as people read them @smoke', () => {
    assert.deepEqual([0.51234, 61.23, 1234.5, 0, Number.NaN].map(figure), ['0.512', '61.2', '1,235', '0', '-']);
    assert.deepEqual([7, 760, 11_100, Number.NaN].map(duration), ['0:07', '12:40', '3:05:00', '-']);
    assert.deepEqual([12, 2048, 3 * 2 ** 20].map(bytes), ['12 B', '2 KiB', '3 MiB']);
    assert.equal(share(0.8854), '88.5 %');
  });

  it('should leave out what does not fit, colours not counted', () => {
    assert.equal(fit(['aaaa', 'bbbb', 'cccc'], 11), 'aaaa  bbbb');
    assert.equal(stripVTControlCharacters(fit(['\u001b[1maaaa\u001b[22m', 'bbbb'], 11)), 'aaaa  bbbb');
  });
});

describe('Output', () => {
  it('should write nothing but JSON to stdout with --json, without NaN @smoke', () => {
    const { written, streams } = terminal();
    const output = new Output(true, streams);
    output.line('for people');
    output.update('live');
    output.warn('a warning');
    output.event('step', { loss: Number.NaN });
    output.summary({ top1: 0.5 });
    assert.equal(written.stdout, '{"event":"step","loss":null}\n{"event":"summary","top1":0.5}\n');
    assert.equal(written.stderr, 'a warning\n');
  });

  it('should write plain lines to a pipe', () => {
    const { written, streams } = terminal({ isTTY: false });
    const output = new Output(false, streams);
    output.update('live');
    output.event('step', {});
    output.line('text');
    output.clear();
    assert.equal(written.stdout, 'text\n');
  });

  it('should keep the live line below what is written above it, and never hide the cursor', () => {
    const { written, streams } = terminal();
    const output = new Output(false, streams);
    output.update('live');
    output.line('text');
    output.clear();
    assert.match(stripVTControlCharacters(written.stdout), /live\n?.*text\nlive/s);
    assert.ok(!written.stdout.includes('\u001b[?25l'));
  });
});

describe('TrainingProgress', () => {
  const totals = { epochs: 4, steps: 100, stepsPerEpoch: 25 };

  it('should show loss, accuracy, images/s and the time left in one line that fits', async () => {
    for (const columns of [120, 80, 40]) {
      const { written, streams } = terminal({ columns });
      const output = new Output(false, streams);
      const progress = new TrainingProgress(output, totals);
      await new Promise(resolve => setTimeout(resolve, 110));
      progress.step(step(50));
      const line = stripVTControlCharacters(written.stdout).trim();
      assert.ok(line.length < columns, `${line.length} of ${columns}: ${line}`);
      assert.match(line, /^epoch 1\/4 .*loss 0\.04/);
      if (columns > 40) assert.match(line, /top-1 50\.0 % {2}320 images\/s {2}0:05 left/);
    }
  });

  it('should write no line for every step where there is no terminal', () => {
    const { written, streams } = terminal({ isTTY: false });
    const progress = new TrainingProgress(new Output(false, streams), totals);
    for (let n = 1; n < 50; n++) progress.step(step(n));
    assert.equal(written.stdout, '');
    progress.evaluation({ epoch: 0, images: 1000, loss: 0.5, top1: 0.8, top5: 0.99, seconds: 1, imagesPerSecond: 1000 });
    assert.match(written.stdout, /^epoch 1\/4 {2}held-out top-1 80\.0 % {2}top-5 99\.0 % {2}loss 0\.5 {2}1,000 images in 1\.0 s/);
  });
});

describe('paragraph', () => {
  it('should break lines between words', () => {
    assert.equal(
      paragraph('decode limits: 412 images/s against 655 of backward', 30),
      'decode limits: 412 images/s\nagainst 655 of backward',
    );
    assert.equal(paragraph('a b', 300), 'a b');
  });
});

describe('stageRows', () => {
  /** A second of a pipeline. */
  const snapshot = (stages: Record<string, { items: number; busyMs: number; parallel?: number; runs: Place }>): PipelineSnapshot => {
    const set = new MeterSet();
    for (const [name, { items, busyMs, parallel = 1, runs }] of Object.entries(stages))
      Object.assign(set.stage(name), { itemsIn: items, itemsOut: items, busyMs, parallel, runs });
    const measured = set.snapshot();
    const second = { elapsedMs: 1000, itemsPerSecond: measured.items };
    const rows = measured.stages.map(stage => ({ ...stage, elapsedMs: 1000, busyShare: stage.busyMs / 1000 / stage.parallel }));
    return { ...measured, ...second, stages: rows, machine: { cores: 2, busyCores: 1.5, mainThreadShare: 0.1 } };
  };

  it('should say what each stage could do, how busy it was, and which one limits @smoke', () => {
    const rows = stageRows(
      snapshot({
        source: { items: 100, busyMs: 10, runs: 'alone' },
        decode: { items: 100, busyMs: 1600, parallel: 2, runs: 'workers' },
        forward: { items: 100, busyMs: 500, runs: 'device' },
      }),
    );
    assert.deepEqual(
      rows.map(({ stage, items_per_s, busy, limits }) => [stage, Math.round(items_per_s!), Math.round(busy * 100), limits]),
      [
        ['source', 10000, 1, false],
        ['decode', 125, 80, true],
        ['forward', 200, 50, false],
      ],
    );
    assert.match(stripVTControlCharacters(stageTable(rows)), /│ decode +│ +100 │ +125\/s │ 80\.0 % │ +0 │ limits │/);
  });

  it('should count the stages of the device together, since they share it', () => {
    const rows = stageRows(
      snapshot({
        decode: { items: 100, busyMs: 700, runs: 'workers' },
        forward: { items: 100, busyMs: 400, runs: 'device' },
        backward: { items: 100, busyMs: 600, runs: 'device' },
      }),
    );
    assert.equal(rows.find(({ limits }) => limits)!.stage, 'backward');
  });
});
