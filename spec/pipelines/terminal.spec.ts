import assert from 'node:assert/strict';
import { stripVTControlCharacters } from 'node:util';
import { from } from 'rxjs';
import { MeterSet, type PipelineSnapshot, type Place } from '../../core/index.ts';
import type { PipelineContext } from '../../pipelines/definePipeline.ts';
import type { ControlState } from '../../pipelines/run/controls.ts';
import { type BlockState, block } from '../../pipelines/terminal/block.ts';
import { bytes, duration, figure, fit, paragraph, share } from '../../pipelines/terminal/format.ts';
import { Output } from '../../pipelines/terminal/output.ts';
import { TrainingProgress } from '../../pipelines/terminal/progress.ts';
import { type StageRow, stageRows, stageTable } from '../../pipelines/terminal/stageTable.ts';

/** A terminal of a size that remembers what was written to it. */
function terminal({ isTTY = true, columns = 80, rows = 24 } = {}) {
  const written = { stdout: '', stderr: '' };
  const listeners: (() => void)[] = [];
  const sink = (name: 'stdout' | 'stderr') => ({
    isTTY,
    columns,
    rows,
    write(text: string) {
      written[name] += text;
      return true;
    },
    on: (event: string, listener: (error: Error) => void) =>
      void (name === 'stdout' && event === 'resize' && listeners.push(() => listener(new Error(event)))),
  });
  const streams = { stdout: sink('stdout'), stderr: sink('stderr') };
  const resize = (size: { columns?: number; rows?: number }) => {
    Object.assign(streams.stdout, size);
    for (const listener of listeners) listener();
  };
  return { written, streams, resize };
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
    assert.match(stripVTControlCharacters(written.stdout), /live\r.*text\n\rlive/s);
    assert.ok(!written.stdout.includes('\u001b[?25l'));
  });

  it('should say nothing with --quiet, and leave --json as it is @smoke', () => {
    for (const json of [false, true]) {
      const { written, streams } = terminal();
      const output = new Output(json, streams, { quiet: true });
      output.line('text');
      output.update('live');
      output.warn('a warning');
      output.event('step', { step: 1 });
      output.clear();
      assert.deepEqual(written, { stdout: json ? '{"event":"step","step":1}\n' : '', stderr: '' });
    }
  });

  it('should draw anew for a terminal of another size, as long as something is live', () => {
    const { written, streams, resize } = terminal({ columns: 80 });
    const output = new Output(false, streams);
    output.update(() => 'x'.repeat(output.columns - 1));
    written.stdout = '';
    resize({ columns: 30 });
    assert.match(stripVTControlCharacters(written.stdout), /^\rx{29}\r$/);
    output.clear();
    written.stdout = '';
    resize({ columns: 20 });
    assert.equal(written.stdout, '', 'nothing is live');
  });

  it('should make room for a shell while it is hidden', () => {
    const { written, streams } = terminal();
    const output = new Output(false, streams);
    output.update('live');
    output.hide();
    written.stdout = '';
    output.update('live again');
    output.line('text');
    assert.equal(written.stdout, 'text\n');
    output.show();
    assert.match(stripVTControlCharacters(written.stdout), /live again\r$/);
  });

  it('should write plain lines to a terminal that cannot move its cursor', () => {
    const { TERM } = process.env;
    try {
      process.env.TERM = 'dumb';
      const { written, streams } = terminal();
      const output = new Output(false, streams);
      output.update('live');
      output.line('text');
      assert.deepEqual([output.live, written.stdout], [false, 'text\n']);
    } finally {
      if (TERM === undefined) delete process.env.TERM;
      else process.env.TERM = TERM;
    }
  });
});

describe('TrainingProgress', () => {
  const totals = { epochs: 4, steps: 100, stepsPerEpoch: 25 };

  it('should show where a run is, and change as it goes on @smoke', async () => {
    const { written, streams } = terminal();
    const progress = new TrainingProgress(new Output(false, streams), totals);
    await new Promise(resolve => setTimeout(resolve, 210));
    progress.step(step(50));
    const text = stripVTControlCharacters(written.stdout);
    assert.match(
      text,
      /^\repoch 1\/4 +[█░]+ +25\/25\r\nrun +[█░]+ +50\/100 {2}0:05 left\r\nloss 0\.04 last 0\.04 {2}top-1 50\.0 % last 50\.0 % {2}320 images\/s/,
    );
    progress.evaluating(0);
    assert.match(stripVTControlCharacters(written.stdout), /held-out images …/);
    progress.close();
    const before = written.stdout;
    progress.evaluating(0);
    assert.equal(written.stdout, before, 'nothing after it was closed');
  });

  it('should say that a run is paused, on a terminal and in plain lines', () => {
    const context = { device: { description: 'a device', allocatedBytes: 0 }, meters: new MeterSet() } as unknown as PipelineContext;
    const state$ = (...states: Partial<ControlState>[]) =>
      from(states.map(state => ({ paused: false, lr: null, stopping: false, ...state })));
    for (const isTTY of [true, false]) {
      const { written, streams } = terminal({ isTTY });
      const progress = new TrainingProgress(new Output(false, streams), totals);
      progress.step(step(3));
      progress.watch({ context }, { state$: state$({}, { paused: true }) });
      assert.match(stripVTControlCharacters(written.stdout), isTTY ? /run +[█░]+ +3\/100 {2}paused/ : /^paused after step 3\n$/);
      progress.watch({ context }, { state$: state$({}) });
      if (!isTTY) assert.equal(written.stdout, 'paused after step 3\ngoing on\n');
      progress.close();
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

describe('block', () => {
  const row = (stage: string, more: Partial<StageRow> = {}): StageRow => ({
    ...{ stage, items: 100, items_per_s: 50, busy: 0.5, queue: 5, queue_bound: 10, limits: false },
    ...more,
  });
  const state: BlockState = {
    ...{ epoch: 1, epochs: 30, stepInEpoch: 50, stepsPerEpoch: 187, step: 237, steps: 5610, lr: 0.1, phase: 'training' },
    ...{ loss: { smooth: 1.234, last: 1.5 }, top1: { smooth: 0.5, last: 0.25 }, imagesPerSecond: 1234, secondsLeft: 760 },
    stages: [
      row('source', { queue_bound: null }),
      row('decode', { limits: true, busy: 0.98 }),
      row('a stage with a very long name of its own'),
    ],
    device: { description: 'wasm, 2 threads', busyShare: 0.9, bytes: 3 * 2 ** 20 },
    processBytes: 2 ** 28,
  };
  const lines = (columns: number, rows: number, more: Partial<BlockState> = {}) =>
    block({ ...state, ...more }, columns, rows).map(stripVTControlCharacters);

  it('should show bars, numbers, a line a stage and the device @smoke', () => {
    const wide = lines(100, 30);
    assert.match(wide[0], /^epoch 2\/30 {2}█+░+ {4}50\/187$/);
    assert.match(wide[1], /^run {9}█+░+ {2}237\/5610 {2}12:40 left$/);
    assert.equal(wide[2], 'loss 1.23 last 1.5  top-1 50.0 % last 25.0 %  1,234 images/s  lr 0.1');
    assert.match(wide[3], /^ {2}source +5 {2}busy {2}50 %$/);
    assert.match(wide[4], /^▸ decode +█████░░░░░ {2}5\/10 {2}busy {2}98 % {2}limits$/);
    assert.equal(wide.at(-1), 'memory 256 MiB  device 3 MiB  busy 90 %  wasm, 2 threads');
    assert.equal(wide.length, 7);
    assert.match(lines(100, 30, { phase: 'paused' })[1], /5610 {2}paused$/);
  });

  it('should fit into every terminal, and keep what matters most', () => {
    for (let columns = 20; columns <= 140; columns++) {
      for (let rows = 1; rows <= 12; rows++) {
        const shown = lines(columns, rows);
        assert.ok(shown.length >= 1 && shown.length <= Math.max(1, rows - 1), `${shown.length} lines in ${rows} rows`);
        for (const line of shown) assert.ok(line.length < columns, `${line.length} of ${columns}: ${line}`);
        assert.match(shown.join('\n'), /^run/m);
        if (rows >= 8 && columns >= 40) assert.match(shown.join('\n'), /▸ decode +█+░+ +5\/10 +busy +98 %/);
      }
    }
  });

  it('should keep to the numbers where it is very narrow', () => {
    assert.deepEqual(lines(20, 6), ['epoch 2/30  50/187', 'run  237/5610', 'loss 1.23', 'top-1 50.0 %', '1,234 images/s']);
  });

  it('should say how many stages there is no room for, and keep those next to the one that limits', () => {
    const stages = Array.from({ length: 9 }, (_, i) => row(`stage ${i}`, { limits: i === 6 }));
    const names = (rows: number) =>
      lines(80, rows, { stages }).map(line => /stage \d|\+\d stages?|^epoch|^run|^loss|^memory/.exec(line)?.[0]);
    assert.deepEqual(names(10), ['epoch', 'run', 'loss', 'stage 4', 'stage 5', 'stage 6', 'stage 7', '+5 stages', 'memory']);
    assert.deepEqual(names(7), ['epoch', 'run', 'loss', 'stage 6', '+8 stages', 'memory']);
    assert.deepEqual(names(5), ['epoch', 'run', 'loss', 'stage 6']);
    assert.deepEqual(names(14).slice(3, 13), [...stages.map(({ stage }) => stage), 'memory']);
    for (let count = 0; count <= 9; count++) {
      for (let rows = 5; rows <= 20; rows++) {
        const shown = lines(80, rows, { stages: stages.slice(0, count) });
        const more = Number(shown.join('\n').match(/\+(\d+) stages?$/m)?.[1] ?? 0);
        assert.equal(shown.filter(line => /stage \d/.test(line)).length + more, rows === 5 ? Math.min(count, 1) : count);
      }
    }
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
