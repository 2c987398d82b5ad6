import type { StageSnapshot } from '../../../core/index.ts';
import { byId, element, setText } from '../../dashboard/page/dom.ts';
import { bytes, capacity, figure, share } from '../../dashboard/page/format.ts';
import { type Comparison, comparisons } from '../comparison.ts';
import type { ProfileReport } from '../profileReport.ts';
import { drawCourse, drawFlow, drawRoofline } from './plots.ts';
import { fill } from './tables.ts';
import { drawTimeline } from './timeline.ts';

/** What the stages do, for someone who sees them for the first time. */
const meanings: Readonly<Record<string, string>> = {
  source: 'finds the samples, one after the other',
  shuffle: 'mixes their order; its buffer is full on purpose',
  read: 'reads the files, in the worker threads',
  decode: 'turns files into pixels, in the worker threads',
  augment: 'crops, flips and changes the pixels, in the worker threads',
  batch: 'collects samples until a batch is full',
  prefetch: 'keeps full batches ready ahead of the device',
  forward: 'the model computes its guesses',
  backward: 'the loss, and what each weight has to do with it',
  optimize: 'changes the weights: the end of a step',
  evaluate: 'counts the right guesses',
};

/** Thousandths are the least that anyone wants to know. */
const fine = (value: number): string => (value > 0 && value < 1e-3 ? '< 0.001' : figure(value));

/** What it works with. */
function placeOf({ runs, parallel }: StageSnapshot): string {
  if (runs === 'workers') return parallel === 1 ? '1 worker' : `${parallel} workers`;
  if (runs === 'main') return 'main thread';
  return runs === 'device' ? 'device' : 'outside';
}

const { report, other } = JSON.parse(byId('data').textContent!) as { report: ProfileReport; other: ProfileReport | null };
const { facts, profile, verdict, kernels, limits } = report;

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

document.title = `${facts.model} · Millrace profile`;
setText(byId('title'), `${figure(facts.images_per_s)} images/s: ${facts.model}, batch ${facts.batch}, on ${facts.device}`);
const about = [
  facts.data,
  `${facts.workers} worker${facts.workers === 1 ? '' : 's'}`,
  `${facts.steps} steps in ${figure(facts.seconds)} s`,
  facts.started,
  `Millrace ${facts.millrace}, Node ${facts.node}`,
];
setText(byId('about'), about.join('; '));

if (report.error) {
  byId('error').hidden = false;
  setText(byId('error'), `The pipeline failed: ${report.error} What it did before is below.`);
}
setText(byId('headline'), sentence(verdict?.headline ?? 'Nothing was measured.'));
byId('evidence').replaceChildren(...(verdict?.evidence ?? []).map(each => element('li', {}, sentence(each))));
if (verdict?.limits && verdict.changes.length > 0) byId('slowest').hidden = false;
const sentences = (verdict?.changes ?? []).map(({ sentence }) => sentence);
byId('changes').replaceChildren(
  ...(sentences.length > 0 ? sentences : ['Nothing that the measurements know of.']).map(each => element('li', {}, sentence(each))),
);

if (other) {
  byId('compare').hidden = false;
  const shown = (value: string | number | null, unit: Comparison['unit']) => {
    if (value === null) return '–';
    return unit === 'rate' ? `${capacity(value as number)}/s` : String(value);
  };
  fill(
    'comparison',
    ['', 'this one', 'the other one', 'times as much'],
    comparisons(report, other).map(({ name, unit, own, others, times }) => [name, shown(own, unit), shown(others, unit), times]),
  );
  if (other.verdict) setText(byId('other-verdict'), `The other one: ${other.verdict.headline}.`);
}

if (profile) {
  const { stages, device, machine, places, slots } = profile.settled;
  drawFlow(stages, verdict?.limits);
  const percent = (part: number) => `${Math.round(100 * part)}\u00a0%`;
  const waited = (ms: number, stage: StageSnapshot) => percent(Math.min(1, ms / Math.max(1e-9, stage.elapsedMs * stage.parallel)));
  const leftOut = stages.some(({ dropped, returned }) => dropped > returned);
  fill(
    'stages',
    [
      ...['stage', 'works on', 'samples/s', 'could do', 'busy', 'waits for input', 'waits for room', 'holds', 'p50', 'p95', 'p99'],
      ...['MB/s', 'out', ...(leftOut ? ['left out'] : [])],
    ],
    stages.map(stage => [
      stage.name,
      placeOf(stage),
      figure(stage.itemsPerSecond),
      capacity(stage.capacityPerSecond),
      percent(stage.busyShare),
      waited(stage.waitUpstreamMs, stage),
      waited(stage.waitDownstreamMs, stage),
      stage.bound === undefined ? fine(stage.meanDepth) : `${fine(stage.meanDepth)} of ${figure(stage.bound)}`,
      fine(stage.latency.p50Ms),
      fine(stage.latency.p95Ms),
      fine(stage.latency.p99Ms),
      stage.bytes > 0 ? figure(stage.bytes / 1e3 / stage.elapsedMs) : '',
      figure(stage.itemsOut),
      ...(leftOut ? [figure(stage.dropped - stage.returned)] : []),
    ]),
    row => row[0] === verdict?.limits,
  );
  byId('meanings').replaceChildren(
    ...stages.flatMap(({ name }) => [element('dt', {}, name), element('dd', {}, meanings[name] ?? 'a stage of this pipeline alone')]),
  );
  drawCourse(report.course);
  const ms = (value: number | null | undefined) => `${figure(value)}\u00a0ms`;
  if (device) {
    fill(
      'device',
      ['', 'in the median', 'of the time, p99, bytes'],
      [
        ['busy', share(device.busyShare), ''],
        ...device.parts.map(({ part, took, busyMs }) => [part, ms(took.p50Ms), share(busyMs / Math.max(1e-9, device.elapsedMs))]),
        ['idle between steps', ms(device.betweenSteps.p50Ms), `p99 ${ms(device.betweenSteps.p99Ms)}`],
        ['idle within a step', ms(device.withinSteps.p50Ms), `p99 ${ms(device.withinSteps.p99Ms)}`],
        ['upload', ms(device.upload.took.p50Ms), bytes(device.upload.bytes)],
        ['read back', ms(device.readBack.took.p50Ms), bytes(device.readBack.bytes)],
        ...Object.entries(device.memory ?? {}).map(([kind, size]) => [`memory: ${kind}`, bytes(size), '']),
      ],
    );
  }
  fill(
    'workers',
    ['', '', ''],
    [
      ...stages.flatMap(({ name, workers }) =>
        workers
          ? [
              [`${name}: a task waits`, ms(workers.wait.p50Ms), `p99 ${ms(workers.wait.p99Ms)}`],
              [`${name}: a task runs`, ms(workers.run.p50Ms), `p99 ${ms(workers.run.p99Ms)}`],
              ...workers.each.map(({ worker, tasks, busyShare }) => [
                `${name}: worker ${worker}`,
                `busy ${share(busyShare)}`,
                `${figure(tasks)} tasks`,
              ]),
            ]
          : [],
      ),
      ['cores at work', `${figure(machine.busyCores)} of ${machine.cores}`, ''],
      ['main thread', `busy ${share(machine.mainThreadShare)}`, ''],
      ['samples inside', `${figure(places.peak)} at most`, `room for ${figure(places.bound)} at the end`],
      ...(slots ? [['pixels in shared memory', bytes(slots.bytes), `${slots.cells} cells`]] : []),
    ],
  );
}

drawTimeline(
  report.spans,
  (profile?.settled.stages ?? []).map(({ name }) => name),
);

if (kernels && kernels.length > 0) {
  const whole = kernels.reduce((sum, row) => sum + row.ms, 0);
  fill(
    'kernels',
    ['kernel', 'part', 'computed by', 'output', 'ms', 'share', 'GFLOP/s', 'GB/s', 'of the limit'],
    kernels.map(row => [
      row.node,
      row.part,
      row.variant ?? `${row.primitive} (gpu.js)`,
      row.output.join('×'),
      figure(row.ms),
      share(row.ms / whole),
      row.flops > 0 ? figure(row.gflops) : '',
      figure(row.gb_per_s),
      row.of_limit === null ? '' : share(row.of_limit),
    ]),
  );
  if (limits) drawRoofline(kernels, limits);
  else byId('roofline-section').hidden = true;
} else {
  byId('kernels-section').hidden = true;
  byId('roofline-section').hidden = true;
}
