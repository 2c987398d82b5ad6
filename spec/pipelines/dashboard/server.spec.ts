import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Subject } from 'rxjs';
import type { PipelineSnapshot } from '../../../core/index.ts';
import { Lock } from '../../../core/training/lock.ts';
import { Hub } from '../../../pipelines/dashboard/hub.ts';
import type { Events } from '../../../pipelines/dashboard/protocol.ts';
import { type Dashboard, serveDashboard } from '../../../pipelines/dashboard/server.ts';
import { Controls } from '../../../pipelines/run/controls.ts';

const step = (n: number) =>
  ({ step: n, epoch: 0, loss: 1 / n, top1: 0.5, top5: 1, lr: 0.1, images: 8, seconds: 0.01 }) as unknown as Events['steps'][number];

/** Reads what OpenMetrics 1.0 allows of text and refuses everything else: families stand together, metadata first, each once. */
function openMetricsFamilies(text: string): Map<string, { type: string; unit?: string; values: number[] }> {
  const families = new Map<string, { type: string; unit?: string; values: number[] }>();
  const seen = new Set<string>();
  let name = '';
  const lines = text.split('\n');
  assert.deepEqual(lines.splice(-2), ['# EOF', '']);
  for (const line of lines) {
    const [, kind, of, rest] = /^# (TYPE|UNIT|HELP) ([a-z][a-z0-9_]*) (.+)$/.exec(line) ?? [];
    if (kind === 'TYPE') {
      assert.ok(!families.has(of!), `${of} twice`);
      name = of!;
      families.set(name, { type: rest!, values: [] });
      continue;
    }
    const family = families.get(name)!;
    if (kind) {
      assert.ok(of === name && family.values.length === 0, line);
      if (kind === 'UNIT') family.unit = rest!;
      if (kind === 'UNIT') assert.ok(name.endsWith(`_${rest}`), line);
      continue;
    }
    const [, sample, labels = '', number] =
      /^([a-z][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)$/.exec(line) ??
      assert.fail(line);
    assert.equal(sample, name + ({ counter: '_total', info: '_info', gauge: '' }[family.type] ?? '?'));
    assert.ok(!labels.endsWith(',') && !seen.has(`${sample}{${labels}}`), line);
    seen.add(`${sample}{${labels}}`);
    family.values.push(Number(number!.replace('Inf', 'Infinity')));
  }
  return families;
}

describe('serveDashboard', () => {
  const open: Dashboard[] = [];
  const serve = async (steered = false) => {
    const hub = new Hub();
    const log: (number | undefined)[] = [];
    const lr$ = new Subject<number | undefined>();
    lr$.subscribe(rate => log.push(rate));
    const controls = new Controls({ lock: new Lock(), lr$, stop: () => undefined });
    const served = await serveDashboard({ hub, port: 0, ...(steered && { controls: () => controls }) });
    open.push(served);
    const base = `http://127.0.0.1:${served.port}`;
    return { hub, controls, log, served, base, token: new URL(served.url).hash.replace('#token=', '') };
  };
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });

  it('should serve the page, which loads nothing from elsewhere @smoke', async () => {
    const { base } = await serve();
    for (const [path, type] of [
      ['/', 'text/html'],
      ['/page.js', 'text/javascript'],
      ['/page.css', 'text/css'],
    ]) {
      const response = await fetch(base + path);
      assert.equal(response.status, 200, path);
      assert.ok(response.headers.get('content-type')!.startsWith(type!));
      assert.match(response.headers.get('content-security-policy')!, /^default-src 'none'/);
    }
    assert.doesNotMatch(await (await fetch(base)).text(), /https?:\/\//);
    assert.equal((await fetch(`${base}/../package.json`)).status, 404);
  });

  it('should answer to its own name alone: a name that another site points here is refused', async () => {
    const { served } = await serve();
    const status = await new Promise(resolve => {
      const asked = request({ host: '127.0.0.1', port: served.port, path: '/', headers: { Host: 'evil.example' } }, response => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.end();
    });
    assert.equal(status, 403);
  });

  it('should send a page what was and then what comes', async () => {
    const { hub, base } = await serve();
    hub.tell('steps', [step(1), step(2)]);
    hub.tell('control', { paused: false, lr: null, stopping: false });
    assert.equal(hub.pages, 0);
    const reader = (await fetch(`${base}/events`)).body!.getReader();
    let text = '';
    const until = async (part: string) => {
      while (!text.includes(part)) text += new TextDecoder().decode((await reader.read()).value);
    };
    await until('event: control');
    assert.match(text, /event: history\ndata: \{"steps":\{"step":\[1,2\]/);
    assert.equal(hub.pages, 1);
    hub.tell('steps', [step(3)]);
    await until('"step":3');
    await reader.cancel();
    for (let i = 0; hub.pages > 0 && i < 100; i++) await new Promise(resolve => setTimeout(resolve, 10));
    assert.equal(hub.pages, 0, 'a page that was closed is forgotten');
  });

  it('should let only those steer who have the token, and no other site', async () => {
    const { base, token, controls, log } = await serve(true);
    const post = (body: unknown, headers: Record<string, string> = {}) =>
      fetch(`${base}/control`, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json', ...headers } });
    const mine = { Authorization: `Bearer ${token}` };
    assert.equal((await post({ control: 'lr', lr: 0.5 })).status, 401);
    assert.equal((await post({ control: 'lr', lr: 0.5 }, { Authorization: 'Bearer guess' })).status, 401);
    assert.equal((await post({ control: 'lr', lr: 0.5 }, { ...mine, Origin: 'http://evil.example' })).status, 403);
    assert.deepEqual(log, []);
    for (const wrong of [
      {},
      { control: 'explode' },
      { control: 'lr', lr: 'x' },
      { control: 'pause', more: 1 },
      { control: 'lr', lr: -1 },
    ]) {
      const response = await post(wrong, mine);
      assert.equal(response.status, 400, JSON.stringify(wrong));
      assert.match(
        ((await response.json()) as { error: string }).error,
        /^Send \{"control":"pause"\}|learning rate: expected a positive number/,
      );
    }
    const response = await post({ control: 'lr', lr: 0.5 }, { ...mine, Origin: base });
    assert.deepEqual([response.status, await response.json()], [200, { paused: false, lr: 0.5, stopping: false }]);
    assert.deepEqual(log, [0.5]);
    controls.act({ control: 'stop' });
    assert.equal((await post({ control: 'pause' }, mine)).status, 409);
    assert.equal((await post({ padding: 'x'.repeat(5000) }, mine)).status, 413);
  });

  it('should keep little for a page that never reads', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const used = () => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const { hub, served } = await serve();
    const socket = connect(served.port, '127.0.0.1');
    socket.pause().write(`GET /events HTTP/1.1\r\nHost: 127.0.0.1:${served.port}\r\n\r\n`);
    for (let i = 0; hub.pages === 0 && i < 500; i++) await new Promise(resolve => setTimeout(resolve, 10));
    assert.equal(hub.pages, 1);
    const before = used();
    for (let i = 0; i < 200; i++) {
      const sheet = randomBytes(400_000).toString('base64');
      hub.tell('pictures', { step: i, sheet, tile: 1, columns: 1, guesses: [] });
      hub.tell(
        'steps',
        Array.from({ length: 100 }, (_, j) => step(1 + i * 100 + j)),
      );
      await new Promise(resolve => setImmediate(resolve));
    }
    const mib = (used() - before) / 2 ** 20;
    // 100 MiB of pictures were told
    assert.ok(mib < 20, `${mib.toFixed(0)} MiB are kept`);
    socket.destroy();
    for (let i = 0; hub.pages > 0 && i < 500; i++) await new Promise(resolve => setTimeout(resolve, 10));
    assert.equal(hub.pages, 0);
  });

  it('should say plainly that it failed, without a stack or what is inside', async () => {
    const { hub, base } = await serve();
    hub.totals = () => {
      throw new Error('inside /home/someone');
    };
    const response = await fetch(`${base}/metrics`);
    assert.deepEqual([response.status, await response.text()], [500, 'The dashboard failed at this.\n']);
    assert.match(response.headers.get('content-security-policy')!, /default-src 'none'/);
  });

  it('should serve its own files and nothing beside them, whatever the path', async () => {
    const { served } = await serve();
    const status = (path: string) =>
      new Promise(resolve => {
        const asked = request({ host: '127.0.0.1', port: served.port, path }, response => resolve(response.resume().statusCode));
        asked.on('error', () => resolve(400)).end();
      });
    for (const path of [
      '/../server.ts',
      '/..%2fserver.ts',
      '/%2e%2e/%2e%2e/package.json',
      '//etc/passwd',
      '/page.js%00',
      '/page.js/../../server.ts',
    ])
      assert.ok([400, 404].includes((await status(path)) as number), path);
  });

  it('should take the next free port and say so, and refuse with a plain error when there is none', async () => {
    const taken = createServer();
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    try {
      const served = await serveDashboard({ hub: new Hub(), port });
      open.push(served);
      assert.ok(served.moved && served.port > port && served.port < port + 20);
    } finally {
      taken.close();
    }
  });

  it('should give metrics that OpenMetrics readers take', async () => {
    const { hub, base } = await serve();
    assert.equal(await (await fetch(`${base}/metrics`)).text(), '# EOF\n');
    hub.tell('run', { model: 'a "b"\\c\nd', device: 'wasm', pipeline: 'train' } as Events['run']);
    hub.tell('steps', [step(1), step(7)]);
    const response = await fetch(`${base}/metrics`);
    assert.match(response.headers.get('content-type')!, /^application\/openmetrics-text; version=1\.0\.0/);
    const lines = (await response.text()).split('\n');
    assert.ok(lines.includes('millrace_run_info{model="a \\"b\\"\\\\c\\nd",device="wasm",pipeline="train"} 1'));
    assert.ok(lines.includes('# TYPE millrace_steps counter') && lines.includes('millrace_steps_total 7'));
    assert.deepEqual(lines.slice(-2), ['# EOF', '']);
    const stage = (name: string, itemsOut: number) => ({ name, itemsOut, dropped: 0, busyMs: 1500, depth: 2 });
    const total = { stages: [stage('decode', 5), stage('a "b"', 4)] } as unknown as PipelineSnapshot;
    hub.totals = () => ({ total, memory: { rss: 1e9, device: Number.NaN } });
    const families = openMetricsFamilies(await (await fetch(`${base}/metrics`)).text());
    assert.deepEqual(families.get('millrace_stage_busy_seconds'), { type: 'counter', unit: 'seconds', values: [1.5, 1.5] });
    assert.deepEqual(families.get('millrace_stage_items')?.values, [5, 4]);
    assert.deepEqual(families.get('millrace_device_bytes')?.values, [Number.NaN]);
    assert.deepEqual(families.get('millrace_train_top1_ratio'), { type: 'gauge', unit: 'ratio', values: [0.5] });
  });
});
