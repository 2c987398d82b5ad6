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
    assert.match(stdout, /stage +samples\/s +could do/);
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
    const { traceEvents } = json<ChromeTrace>(out, 'trace.json');
    const named = (pid: number) =>
      traceEvents.filter(event => event.name === 'thread_name' && event.pid === pid).map(({ args }) => String(args!.name));
    assert.equal(named(1).length, 2, `workers: ${named(1)}`);
    assert.deepEqual(named(2).sort(), ['backward', 'batch', 'forward', 'optimize']);
    assert.ok(named(3).includes('device') && named(3).includes('upload'));
    assert.deepEqual(named(4).sort(), ['compute 0', 'compute 1']);
    const slices = traceEvents.filter(({ ph }) => ph === 'X');
    const updates = slices.filter(({ name }) => /^optimize \d+$/.test(name));
    assert.equal(updates.length, 20);
    // one arrow from the first sample's file to the update, one from the last sample's to the batch
    const flows = (ph: string) => traceEvents.filter(event => event.ph === ph);
    assert.equal(flows('s').length, 40);
    assert.equal(flows('f').length, 40);
    const begins = new Map(flows('s').map(event => [event.id, event.ts!]));
    for (const { id, ts } of flows('f')) assert.ok(ts! >= begins.get(id)!, `arrow ${id} goes back in time`);
    // every end of an arrow lies on a slice of its track
    for (const { ph, pid, tid, ts, id } of traceEvents.filter(({ ph }) => 'stf'.includes(ph))) {
      const on = slices.some(
        slice => slice.pid === pid && slice.tid === tid && slice.ts! <= ts! + 1e-3 && slice.ts! + slice.dur! >= ts! - 1e-3,
      );
      assert.ok(on, `${ph} of arrow ${id} at ${ts} lies on nothing`);
    }
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
      traceEvents.filter(({ ph }) => ph === 'X').map(({ name, ts, dur }) => [name, ts, dur]),
      [
        ['sample 3', 0, 4000],
        ['read', 0, 1000],
        ['decode', 1000, 3000],
      ],
    );
  });

  it('should be bounded, and say what it lost', () => {
    const trace = new Trace(10);
    for (let i = 0; i < 25; i++) trace.add(span('stage', 'forward', i, i + 1));
    assert.deepEqual([trace.spans.length, trace.lost], [10, 15]);
    assert.equal(chromeTrace(trace, undefined, {}).otherData.lost_spans, 15);
    assert.deepEqual(excerpt(trace.spans).length, 5);
  });
});
