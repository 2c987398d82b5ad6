import { byId, element, setText } from '../../dashboard/page/dom.ts';
import { bytes, capacity, figure, share } from '../../dashboard/page/format.ts';
import type { ProfileReport } from '../profileReport.ts';
import { drawCourse, drawFlow, drawRoofline } from './plots.ts';
import { fill } from './tables.ts';
import { drawTimeline } from './timeline.ts';

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
const sentences = (verdict?.changes ?? []).map(({ sentence }) => sentence);
byId('changes').replaceChildren(
  ...(sentences.length > 0 ? sentences : ['Nothing that the measurements know of.']).map(each => element('li', {}, sentence(each))),
);

if (other) {
  byId('compare').hidden = false;
  const could = (of: ProfileReport, name: string) => of.profile?.settled.stages.find(stage => stage.name === name)?.capacityPerSecond;
  const names = [...new Set([report, other].flatMap(each => (each.profile?.settled.stages ?? []).map(({ name }) => name)))];
  const row = (name: string, own: number | null | undefined, theirs: number | null | undefined) => [
    name,
    figure(own),
    figure(theirs),
    own && theirs ? `${(own / theirs).toFixed(2)} ×` : '',
  ];
  fill(
    'comparison',
    ['', 'this', 'the other', 'times'],
    [
      ['model', facts.model, other.facts.model, ''],
      ['device', facts.device, other.facts.device, ''],
      ['limits', verdict?.limits ?? '–', other.verdict?.limits ?? '–', ''],
      row('batch', facts.batch, other.facts.batch),
      row('workers', facts.workers, other.facts.workers),
      row('images/s', facts.images_per_s, other.facts.images_per_s),
      ...names.map(name => row(`${name} could do, samples/s`, could(report, name), could(other, name))),
    ],
  );
}

if (profile) {
  const { stages, device, machine, places, slots } = profile.settled;
  drawFlow(stages, verdict?.limits);
  const waited = (ms: number, stage: (typeof stages)[number]) => share(Math.min(1, ms / Math.max(1e-9, stage.elapsedMs * stage.parallel)));
  fill(
    'stages',
    [
      'stage',
      'runs on',
      'samples/s',
      'could do',
      'busy',
      'waits for input',
      'waits for room',
      'holds',
      'at most',
      'p50 ms',
      'p95 ms',
      'p99 ms',
      'MB/s',
      'in',
      'out',
      'given back',
    ],
    stages.map(stage => [
      stage.name,
      stage.parallel > 1 ? `${stage.parallel} ${stage.runs}` : stage.runs,
      figure(stage.itemsPerSecond),
      capacity(stage.capacityPerSecond),
      share(stage.busyShare),
      waited(stage.waitUpstreamMs, stage),
      waited(stage.waitDownstreamMs, stage),
      figure(stage.meanDepth),
      stage.bound === undefined ? '' : figure(stage.bound),
      figure(stage.latency.p50Ms),
      figure(stage.latency.p95Ms),
      figure(stage.latency.p99Ms),
      figure(stage.bytes / 1e3 / stage.elapsedMs),
      figure(stage.itemsIn),
      figure(stage.itemsOut),
      figure(stage.dropped),
    ]),
    row => row[0] === verdict?.limits,
  );
  drawCourse(report.course);
  const ms = (value: number | null | undefined) => `${figure(value)}\u00a0ms`;
  if (device) {
    fill(
      'device',
      ['', '', ''],
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
      ['samples inside', `${places.peak} at most`, `of ${places.bound}`],
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
