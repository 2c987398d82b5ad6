/**
 * What the dashboard costs a training run while a page is open, and what it costs while none is.
 *
 *   npx tsx spec/bench/dashboard.ts [SECONDS] [FLAG VALUE …]     flags of train: --model resnet18 --size 64
 *
 * One run throughout; a bare reader of the events in another process comes and goes every few seconds, so that whatever else the
 * machine does weighs on both sides alike.
 *
 * Open, counted: what the dashboard adds, each part by itself and as a share of the time, so that it can be told from noise far larger:
 *   calls      main thread in stacks that have the dashboard, its server or their sockets in them (V8's sampling profiler)
 *   pictures   threads that compress the sheet: sheets told × what one takes of the processor
 *   weights    the model is held while its weights and gradients are read
 * Their sum is what is lost if nothing of it fell into a wait; the budget is 1 %.
 * Open, compared: in the first half of the time, without the profiler. Each turn with the page against those before and after it, as
 * the median of all with the interval that holds the true median with at least 95 % (order statistics: no distribution is assumed).
 * `wall` is the throughput itself, `cpu` all threads, `garbage` the main thread's collections; evaluations are left out of all.
 * Closed: what the run calls the dashboard for, timed call by call; the budget is 0.2 %.
 *
 * Exit status 1 if a budget is not kept.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type Profiler, Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PerformanceObserver } from 'node:perf_hooks';
import type { Step } from '../../core/index.ts';
import { median } from '../../pipelines/commands/median.ts';
import { HubFeed } from '../../pipelines/dashboard/feedHub.ts';
import { Hub } from '../../pipelines/dashboard/hub.ts';
import { pictureSheet } from '../../pipelines/dashboard/pictureSheet.ts';
import { serveDashboard } from '../../pipelines/dashboard/server.ts';
import type { Prepared } from '../../pipelines/run/prepare.ts';
import { runPipeline, together } from '../../pipelines/run/runPipeline.ts';
import recipe from '../../pipelines/train.ts';

const [seconds = '40', ...flags] = process.argv.slice(2);
const warmUpMs = 3000;
/**
 * Turns that are compared are alike; one that is counted is long enough for all that comes again and again, but for the weights: those
 * come more often than in life.
 */
const turnMs = { compared: { closed: 2000, open: 2000 }, counted: { closed: 2000, open: 7000 } };
let part: keyof typeof turnMs = 'compared';

const quantities = ['wall', 'cpu', 'garbage'] as const;
type Cost = Record<(typeof quantities)[number], number>;
let garbageMs = 0;
const collections = new PerformanceObserver(list => {
  for (const { duration } of list.getEntries()) garbageMs += duration;
});
collections.observe({ entryTypes: ['gc'] });
/** Milliseconds so far. */
const now = (): Cost => {
  const { user, system } = process.cpuUsage();
  return { wall: performance.now(), cpu: (user + system) / 1e3, garbage: garbageMs };
};

/**
 * Processor time of the main thread, where the system tells it (Linux does, Node 20 does not). The profiler's time also runs while another
 * process has the core: by the ratio of the two its numbers are brought to what they are on a machine of one's own.
 */
const schedule = `/proc/self/task/${process.pid}/schedstat`;
const mainMs = existsSync(schedule) ? () => Number(readFileSync(schedule, 'latin1').split(' ', 1)[0]) / 1e6 : () => Number.NaN;

/** Whose work a frame is: the run itself has no sockets, and no sharp on the main thread. */
const ofDashboard =
  /\/pipelines\/dashboard\/|\/operators\/profile\.ts|\/node_modules\/(@?hono|sharp)\/|^node:(net|http|_http|internal\/(webstreams|stream_base_commons))/;
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.setSamplingInterval', { interval: 500 });
/** Milliseconds of the main thread in the dashboard's stacks, and by the function that took them; and in any stack. */
let callsMs = 0;
let activeMs = 0;
/** What opening a page takes once: connection, history, first pictures. What comes with the weights is not part of it: they are due then anyway. */
let openingMs = 0;
let openings = 0;
const openingFor = 1000;
const callers = new Map<string, number>();
function attribute({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): void {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map(child => [child, id] as const)));
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  openings++;
  let since = 0;
  samples.forEach((id, i) => {
    let outermost: Profiler.Profile['nodes'][number]['callFrame'] | undefined;
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      if (ofDashboard.test(frames.get(at)!.url)) outermost = frames.get(at);
    }
    // the interval before the next sample is the one that this one stands for
    const ms = (timeDeltas[i + 1] ?? 0) / 1e3;
    since += ms;
    if (!['(idle)', '(program)', '(root)'].includes(frames.get(id)!.functionName)) activeMs += ms;
    if (!outermost) return;
    if (since < openingFor && !/values\.ts$|weights/.test(outermost.url + outermost.functionName)) {
      openingMs += ms;
      return;
    }
    callsMs += ms;
    const name = `${outermost.url.replace(/^.*\/(?=[^/]+$)/, '')} ${outermost.functionName || '(anonymous)'}`;
    callers.set(name, (callers.get(name) ?? 0) + ms);
  });
}

/** A page without a browser: `open` and `close` on its stdin. Says at the end how much it was told. */
const reader = `
  const { get } = require('node:http');
  let asked, bytes = 0;
  require('node:readline').createInterface({ input: process.stdin }).on('line', line => {
    if (line === 'open') asked = get(process.argv[1] + 'events', answer => answer.on('data', piece => { bytes += piece.length; }).on('error', () => {}));
    else { asked.on('error', () => {}); asked.destroy(); }
  }).on('close', () => { console.log(bytes); process.exit(); });`;

const hub = new Hub();
const feed = new HubFeed(hub);
const served = await serveDashboard({ hub, port: 0 });
const page = spawn(process.execPath, ['-e', reader, served.url.replace(/#.*/, '')], { stdio: ['pipe', 'pipe', 'inherit'] });
let said = '';
page.stdout.on('data', chunk => {
  said += chunk;
});
const folder = await mkdtemp(join(tmpdir(), 'millrace-dashboard-'));

/** Turns in their order, closed and open one after the other, each a mean step. */
const turns: { readonly open: boolean; readonly steps: number; readonly each: Cost }[] = [];
let open = false;
let began = Number.POSITIVE_INFINITY;
let at = now();
/** Of the turn, without evaluations. */
let took: Cost = { wall: 0, cpu: 0, garbage: 0 };
let evaluated = false;
let steps = 0;
const stop = new AbortController();
let endMs = Number.POSITIVE_INFINITY;
let countedFromMs = Number.POSITIVE_INFINITY;

/** Wall time of the turns with a page, and what the dashboard did in them. */
let openMs = 0;
let openMainMs = 0;
let mainAt = 0;
let sheets = 0;
let heldMs = 0;
let image: readonly number[] = [];
let profiled: Promise<unknown> = Promise.resolve();

const clock = {
  begin({ context: { model }, introduction }: Prepared): void {
    image = introduction.image;
    began = performance.now() + warmUpMs;
    endMs = began + 1000 * Number(seconds);
    countedFromMs = began + 500 * Number(seconds);
    // only the dashboard asks for gradients, right after the weights
    let asked = 0;
    const [state, gradients] = [model.state.bind(model), model.gradients.bind(model)];
    model.state = () => {
      asked = performance.now();
      return state();
    };
    model.gradients = async () => {
      const read = await gradients();
      if (open) heldMs += performance.now() - asked;
      return read;
    };
  },
  evaluating(): void {
    evaluated = true;
  },
  step(): void {
    const then = now();
    if (!evaluated && then.wall >= began) {
      for (const name of quantities) took[name] += then[name] - at[name];
      steps++;
    }
    evaluated = false;
    at = then;
    if (then.wall < began || then.wall - began < turnMs[part][open ? 'open' : 'closed']) return;
    const each = Object.fromEntries(quantities.map(name => [name, took[name] / steps])) as Cost;
    // before the page came or after it had gone is neither
    if (part === 'compared') {
      if (open === hub.pages > 0) turns.push({ open, steps, each });
    } else {
      if (open) {
        openMs += then.wall - began;
        openMainMs += mainMs() - mainAt;
      }
      // it runs in every turn, since it takes its time itself
      const was = open;
      profiled = session.post('Profiler.stop').then(({ profile }) => was && attribute(profile));
    }
    if (then.wall > endMs) {
      stop.abort();
      began = Number.POSITIVE_INFINITY;
      return;
    }
    if (!open && then.wall > countedFromMs) part = 'counted';
    open = !open;
    page.stdin.write(open ? 'open\n' : 'close\n');
    if (part === 'counted') profiled = session.post('Profiler.start');
    mainAt = mainMs();
    began = performance.now();
    at = now();
    took = { wall: 0, cpu: 0, garbage: 0 };
    steps = 0;
  },
};

/** Time of the dashboard's own calls while no page is there. */
const closed = { ms: 0, steps: 0, of: 0 };
const step = feed.step.bind(feed);
feed.step = (each: Step) => {
  const from = performance.now();
  step(each);
  if (hub.pages > 0) return;
  closed.ms += performance.now() - from;
  closed.of += 1000 * each.seconds;
  closed.steps++;
};
const tell = hub.tell.bind(hub);
// steps reach the hub in batches, from a timer
hub.tell = (event, data) => {
  const from = performance.now();
  tell(event, data);
  if (event === 'pictures' && open) sheets++;
  if (hub.pages === 0 && event === 'steps') closed.ms += performance.now() - from;
};

const nothing = () => undefined;
const quiet = { introduce: nothing, evaluation: nothing, bad: nothing };
const given: Record<string, unknown> = { device: 'wasm', workers: 1, epochs: 100, out: join(folder, 'run') };
for (let i = 0; i < flags.length; i += 2) {
  const value = flags[i + 1]!;
  given[flags[i]!.replace(/^--/, '')] = Number.isFinite(Number(value)) ? Number(value) : value;
}
try {
  const listener = together([feed, { ...quiet, ...clock }]);
  await runPipeline({ pipeline: recipe, given, listener, signal: stop.signal });
  await profiled;
} finally {
  page.stdin.end();
  await new Promise(resolve => page.on('close', resolve));
  await served.close();
  await rm(folder, { recursive: true, force: true });
}

const bytes = Number(said);
if (!(bytes > 0)) throw new Error('the page was told nothing');
const pairs = turns.flatMap((turn, i) => {
  const [before, after] = [turns[i - 1], turns[i + 1]];
  if (!turn.open || !before || !after || before.open || after.open) return [];
  return [Object.fromEntries(quantities.map(name => [name, turn.each[name] - (before.each[name] + after.each[name]) / 2])) as Cost];
});
const without = turns.filter(turn => !turn.open);
const each = Object.fromEntries(quantities.map(name => [name, median(without.map(turn => turn.each[name]))])) as Cost;
const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
const alone = Number.isNaN(openMainMs) ? 1 : Math.min(1, openMainMs / activeMs);
console.log(
  `${pairs.length} turns of ${turnMs.compared.open / 1000} s with a page between two without; ${each.wall.toFixed(2)} ms a step, ${each.cpu.toFixed(2)} ms of all threads; the main thread had ${percent(alone)} of the time that it wanted; ${(bytes / 1024).toFixed(0)} KiB told`,
);
const steadyMs = openMs - openings * openingFor;
const counted = { calls: (alone * callsMs) / steadyMs, pictures: (sheets * (await sheetMs())) / openMs, weights: heldMs / openMs };
console.log(`opening         ${((alone * openingMs) / openings).toFixed(1)} ms, once`);
const sum = Object.values(counted).reduce((a, b) => a + b, 0);
console.log(
  `open, counted   ${Object.entries(counted)
    .map(([name, share]) => `${name} ${percent(share)}`)
    .join(', ')}: ${percent(sum)}`,
);
for (const [name, ms] of [...callers].sort(([, a], [, b]) => b - a).slice(0, 8))
  console.log(`  ${percent((alone * ms) / steadyMs)} ${name}`);
for (const name of quantities) {
  const shares = pairs.map(pair => pair[name] / (name === 'cpu' ? each.cpu : each.wall)).toSorted((a, b) => a - b);
  const [low, high] = interval(shares);
  const all = shares.map(share => (100 * share).toFixed(1)).join(' ');
  console.log(`open, compared  ${name.padEnd(7)} ${percent(median(shares))}, between ${percent(low)} and ${percent(high)}  (${all})`);
}
const idle = closed.ms / closed.of;
console.log(
  `closed          ${percent(idle)}: ${((1000 * closed.ms) / closed.steps).toFixed(1)} microseconds a step (mean of ${closed.steps})`,
);
if (idle > 2e-3 || sum > 0.01) process.exitCode = 1;
process.exit();

/** Processor time of one sheet as large as those that were told. */
async function sheetMs(): Promise<number> {
  const [height = 28, width = 28, channels = 1] = image;
  const pictures = Array.from({ length: 16 }, (_, i) => {
    const data = Uint8Array.from({ length: height * width * channels }, (_, j) => (i * 97 + j * 13 + ((j * j) % 31)) % 256);
    return { data, height, width, channels };
  });
  const rounds: number[] = [];
  for (let i = 0; i < 20; i++) {
    const from = process.cpuUsage();
    await pictureSheet(pictures, { columns: 8, tile: 96 })();
    const { user, system } = process.cpuUsage(from);
    rounds.push((user + system) / 1e3);
  }
  return median(rounds);
}

/** Holds the median with at least 95 %: the k-th least to the k-th largest, by the binomial distribution. */
function interval(sorted: readonly number[]): readonly [number, number] {
  const n = sorted.length;
  let k = 0;
  for (let tail = 0, choose = 1; k < n / 2; k++) {
    tail += choose / 2 ** n;
    if (tail > 0.025) break;
    choose = (choose * (n - k)) / (k + 1);
  }
  return k === 0 ? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] : [sorted[k - 1]!, sorted[n - k]!];
}
