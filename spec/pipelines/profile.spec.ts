import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Span, Trace } from '../../core/index.ts';
import type { ChromeTrace } from '../../pipelines/profile/chromeTrace.ts';
import { chromeTrace } from '../../pipelines/profile/chromeTrace.ts';
import type { ProfileReport } from '../../pipelines/profile/profileReport.ts';
import { excerpt } from '../../pipelines/profile/profileReport.ts';
import { useTemporaryFolder } from '../dataFixtures.ts';
import { millrace, temporaryFolder, toyData } from './toy.ts';
import { parseTrace } from './traceFormat.ts';

describe('millrace profile', () => {
  const folder = useTemporaryFolder();
  const small = ['--model', 'tiny', '--device', 'wasm', '--threads', '2', '--workers', '2', '--batch', '8', '--epochs', '50'];
  let data: string;
  let shared: Awaited<ReturnType<typeof temporaryFolder>>;
  before(async () => {
    shared = await temporaryFolder();
    data = await toyData(shared.path);
  });
  after(() => shared.remove());
  const json = <T>(...path: string[]): T => JSON.parse(readFileSync(join(...path), 'utf8'));

  it('should run any pipeline, say what limits, and write a report, a trace and its numbers @smoke', async () => {
    const out = folder.path('first');
    const { status, stdout, stderr } = await millrace('profile', '--data', data, ...small, '--steps', '30', '--out', out);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /stage +samples\/s +could do .* p50 +p95 +p99 +MB\/s/);
    assert.match(stdout, /decode: a task waits [\d.]+ ms \(p99 [\d.]+ ms\), runs .*; workers busy 1: [\d.]+ %/);
    assert.match(
      stdout,
      /device: busy .* idle between steps [\d.]+ ms .*\ncopies: upload .* read back .*\ndevice memory: weights .* activations/,
    );
    assert.match(stdout, /samples inside: \d+ at most, room for \d+ at the end; pixels in \d+ cells/);
    assert.match(stdout, /limits: [\d,.]+ images\/s/);
    assert.deepEqual(readdirSync(out).sort(), ['profile.json', 'report.html', 'trace.json']);
    const report = json<ProfileReport>(out, 'profile.json');
    assert.equal(report.facts.steps, 30);
    assert.deepEqual(
      report
        .profile!.total.stages.map(({ name }) => name)
        .filter(name => ['decode', 'batch', 'forward', 'backward', 'optimize'].includes(name)),
      ['decode', 'batch', 'forward', 'backward', 'optimize'],
    );
    assert.ok(report.kernels!.length > 5 && report.kernels!.every(({ ms }) => ms >= 0));
    assert.ok(report.limits!.flopsPerSecond > 0);
    assert.equal(report.error, null);
    const html = readFileSync(join(out, 'report.html'), 'utf8');
    assert.doesNotMatch(html, /<(script|link|img)[^>]+(src|href)="https?:/, 'the report needs nothing from elsewhere');
    assert.doesNotMatch(html, /the data"|page\.js \*\//, 'all places are filled');
  });

  it('should have a track for each worker, stage, queue and compute thread in the trace, and follow each batch', async () => {
    const out = folder.path('traced');
    const { status, stderr } = await millrace('profile', '--data', data, ...small, '--steps', '20', '--out', out);
    assert.equal(status, 0, stderr);
    const trace = json<ChromeTrace>(out, 'trace.json');
    const { tracks, arrows } = parseTrace(trace);
    const named = (group: RegExp) => tracks.filter(track => group.test(track.group)).map(({ name }) => name);
    assert.equal(named(/^worker/).length, 2, `workers: ${named(/^worker/)}`);
    // what goes on at the same time has lanes: two workers decode, batches wait
    const stages = new Set(named(/^stages/).map(name => name.replace(/ \d+$/, '')));
    const { profile } = json<ProfileReport>(out, 'profile.json');
    assert.deepEqual(
      [...stages],
      profile!.total.stages.map(({ name }) => name),
    );
    for (const { name, slices } of tracks) assert.ok(slices.length > 0 || name === 'augment', `${name} is empty`);
    assert.ok(named(/^device/).includes('device') && named(/^device/).includes('upload') && named(/^device/).includes('read back'));
    assert.deepEqual(named(/^compute/).sort(), ['compute 0', 'compute 1']);
    const count = (track: string, slice: RegExp) =>
      tracks.find(({ name }) => name === track)!.slices.filter(({ name }) => slice.test(name)).length;
    assert.deepEqual([count('optimize', /^optimize \d+$/), count('device', /^update$/)], [20, 20]);
    assert.ok(count('source', /^sample \d+$/) >= 160);
    // of each batch one arrow from the first sample's file to the update, one from the last sample's to the batch
    assert.equal(arrows.size, 40);
    const ways = [...arrows.values()].map(way => way.map(({ track }) => track.replace(/ \d+$/, '')).join(' > '));
    const long = 'source > shuffle > worker > batch > prefetch > forward > backward > optimize';
    assert.deepEqual([...new Set(ways)].sort(), ['source > shuffle > worker > batch', long]);
    assert.equal(ways.filter(way => way === long).length, 20);
    for (const way of arrows.values())
      if (way.length > 4) assert.equal(new Set(way.slice(3).map(({ slice }) => slice.replace(/\D+/, ''))).size, 1, 'one batch all the way');
    assert.deepEqual([trace.otherData.lost_spans, trace.otherData.sample_tracks], [0, 'every sample']);
  });

  it('should set another profile beside this one', async () => {
    const [first, second] = [folder.path('one'), folder.path('two')];
    await millrace('profile', '--data', data, ...small, '--steps', '10', '--out', first);
    const { status, stdout, stderr } = await millrace(
      'profile',
      '--data',
      data,
      ...small,
      '--steps',
      '10',
      '--batch',
      '16',
      '--compare',
      first,
      '--out',
      second,
    );
    assert.equal(status, 0, stderr);
    assert.match(stdout, /batch +16 +8 +2\.00 ×/);
    assert.match(stdout, /optimize could do/);
  });

  it('should refuse to compare with what is no profile, before anything runs', async () => {
    const none = await millrace('profile', '--data', data, ...small, '--compare', folder.path('nowhere'));
    assert.equal(none.status, 2);
    assert.match(none.stderr, /^millrace: --compare: expected a profile with its profile\.json, got .*nowhere/);
    const other = folder.path('odd.json');
    writeFileSync(other, '{"format":"x"}');
    assert.match((await millrace('profile', '--compare', other)).stderr, /expected a profile \(millrace-profile\/1\), got x/);
    writeFileSync(other, '{"format":"millrace-profile/1"}');
    assert.match((await millrace('profile', '--compare', other)).stderr, /expected a profile \(millrace-profile\/1\), got a part of one/);
    mkdirSync(folder.path('full'));
    writeFileSync(folder.path('full', 'mine.txt'), '');
    const full = await millrace('profile', '--data', data, '--out', folder.path('full'));
    assert.match(full.stderr, /--out: expected a new or an empty folder/);
  });

  it('should write the report of what ran when the pipeline fails half-way, and fail', async () => {
    const broken = await toyData(folder.path('broken'));
    writeFileSync(join(broken, 'train', 'dark', '7.png'), 'no picture');
    const out = folder.path('failed');
    const { status, stderr } = await millrace('profile', '--data', broken, ...small, '--steps', '60', '--out', out);
    assert.equal(status, 1);
    assert.match(stderr, /7\.png/);
    assert.ok(existsSync(join(out, 'report.html')));
    const { error, profile } = json<ProfileReport>(out, 'profile.json');
    assert.match(error!, /7\.png/);
    assert.ok(profile!.total.stages.length > 0);
  });
});

describe('chromeTrace', () => {
  const span = (kind: Span['kind'], track: string, beganMs: number, endedMs: number, more: Partial<Span> = {}): Span => ({
    kind,
    track,
    name: track,
    beganMs,
    endedMs,
    ...more,
  });

  it('should keep parts of a span inside it, in microseconds from the first', () => {
    const trace = new Trace();
    trace.add(
      span('worker', 'worker 1', 100, 104, {
        sample: { epoch: 0, index: 3, key: 'a' },
        parts: [
          { name: 'read', ms: 1 },
          { name: 'decode', ms: 5 },
        ],
      }),
    );
    const { traceEvents } = chromeTrace(trace, undefined, {});
    assert.deepEqual(
      traceEvents.filter(({ ph, cat }) => ph === 'X' && cat === 'worker').map(({ name, ts, dur }) => [name, ts, dur]),
      [
        ['sample 3', 0, 4000],
        ['read', 0, 1000],
        ['decode', 1000, 3000],
      ],
    );
  });

  it('should give what goes on at the same time lanes, and put what follows closely one behind the other', () => {
    const trace = new Trace();
    for (const [began, ended] of [
      [0, 10],
      [4, 20],
      [9.9995, 15],
      [30, 30],
      [30, 30],
    ])
      trace.add(span('stage', 'prefetch', began, ended));
    const { tracks } = parseTrace(chromeTrace(trace, undefined, {}));
    assert.deepEqual(
      tracks.map(({ name, slices }) => [name, ...slices.map(({ ts, dur }) => [ts, dur])]),
      [
        ['prefetch', [0, 10_000], [10_000, 5000], [30_000, 1], [30_001, 1]],
        ['prefetch 2', [4000, 16_000]],
      ],
    );
  });

  it('should follow a sample and its batch, and end the arrow where the trace ends', () => {
    const trace = new Trace();
    const sample = { epoch: 0, index: 7, key: 'a' };
    const batch = { epoch: 0, index: 0, count: 1 };
    trace.add(span('stage', 'source', 0, 0, { sample }));
    trace.add(span('worker', 'worker 1', 1, 3, { sample }));
    trace.add(span('stage', 'batch', 2, 3, { batch, samples: [7] }));
    trace.add(span('stage', 'forward', 3, 9, { batch }));
    const { arrows } = parseTrace(chromeTrace(trace, undefined, {}));
    assert.deepEqual(
      [...arrows.values()].map(way => way.map(({ track }) => track)),
      [
        ['source', 'worker 1', 'batch', 'forward'],
        ['source', 'worker 1', 'batch'],
      ],
    );
  });

  it('should be bounded, keep the same samples on every track, and say what it left out', () => {
    const trace = new Trace(100, 40);
    for (let index = 0; index < 200; index++) {
      const sample = { epoch: 0, index, key: `${index}` };
      for (const track of ['source', 'worker 1']) trace.add(span('stage', track, index, index + 0.5, { sample }));
    }
    assert.ok(trace.every >= 8 && trace.spans.length <= 40, `${trace.every}, ${trace.spans.length}`);
    const kept = (track: string) => trace.spans.filter(each => each.track === track).map(each => each.sample!.index);
    assert.deepEqual(kept('source'), kept('worker 1'));
    assert.ok(kept('source').at(-1)! > 150, 'of all of the run');
    for (let i = 0; i < 100; i++) trace.add(span('stage', 'forward', i, i + 1));
    assert.deepEqual([trace.spans.length, trace.lost], [100, trace.spans.filter(({ sample }) => sample).length]);
    const { otherData } = chromeTrace(trace, undefined, {});
    assert.deepEqual([otherData.lost_spans, otherData.sample_tracks], [trace.lost, `one sample of ${trace.every}`]);
    assert.ok(excerpt(trace.spans).length > 0);
  });
});
