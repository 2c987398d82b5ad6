import type { Durations, PipelineSnapshot, StageSnapshot } from '../../core/index.ts';
import { color } from '../terminal/color.ts';
import { type Column, columns } from '../terminal/columns.ts';
import { bytes, figure, share } from '../terminal/format.ts';
import { type Comparison, comparisons } from './comparison.ts';
import type { ProfileReport } from './profileReport.ts';

const rate = (value: number | null): string => (value !== null && Number.isFinite(value) && value < 1e9 ? `${figure(value)}/s` : '-');
const ms = (value: number | null): string => (value !== null && Number.isFinite(value) ? `${figure(value)} ms` : '-');

/** A row a stage: what it did and could do, what it waited for, how long samples stay in it. */
export function profileTable({ stages }: PipelineSnapshot, limits: string | undefined): string {
  const head: Column[] = [
    { title: 'stage', least: 10 },
    { title: 'samples/s', right: true },
    { title: 'could do', right: true },
    { title: 'busy', right: true },
    { title: 'waits for input', right: true },
    { title: 'for room', right: true },
    { title: 'holds', right: true },
    { title: 'of', right: true },
    { title: 'p50', right: true },
    { title: 'p95', right: true },
    { title: 'p99', right: true },
    { title: 'MB/s', right: true },
    { title: '' },
  ];
  const waited = (stage: StageSnapshot, of: number) => share(Math.min(1, of / Math.max(1e-9, stage.elapsedMs * stage.parallel)));
  const rows = stages.map(stage => [
    stage.name,
    rate(stage.itemsPerSecond),
    rate(stage.capacityPerSecond),
    share(stage.busyShare),
    waited(stage, stage.waitUpstreamMs),
    waited(stage, stage.waitDownstreamMs),
    figure(stage.meanDepth),
    stage.bound === undefined ? '' : String(stage.bound),
    ms(stage.latency.p50Ms),
    ms(stage.latency.p95Ms),
    ms(stage.latency.p99Ms),
    stage.bytes > 0 ? figure(stage.bytes / 1e3 / stage.elapsedMs) : '',
    stage.name === limits ? color.yellow('limits') : '',
  ]);
  return columns(head, rows, 200);
}

/** Under the table, a line each: worker threads, the device and its memory, what is bounded. */
export function profileDetails({ stages, device, places, slots, machine }: PipelineSnapshot): string {
  const took = ({ p50Ms, p99Ms }: Durations) => `${ms(p50Ms)} (p99 ${ms(p99Ms)})`;
  const lines = stages.flatMap(({ name, workers }) => {
    if (!workers) return [];
    const busy = workers.each.map(({ worker, busyShare }) => `${worker}: ${share(busyShare)}`).join(', ');
    return [`${name}: a task waits ${took(workers.wait)}, runs ${took(workers.run)}; workers busy ${busy}`];
  });
  if (device) {
    const { betweenSteps, withinSteps, upload, readBack, memory, busyShare } = device;
    lines.push(
      `device: busy ${share(busyShare)}, idle between steps ${took(betweenSteps)}, within one ${took(withinSteps)}`,
      `copies: upload ${took(upload.took)}, ${bytes(upload.bytes)}; read back ${took(readBack.took)}, ${bytes(readBack.bytes)}`,
    );
    const kinds = Object.entries(memory ?? {}).map(([kind, size]) => `${kind} ${bytes(size)}`);
    if (kinds.length > 0) lines.push(`device memory: ${kinds.join(', ')}`);
  }
  const pixels = slots ? `; pixels in ${slots.cells} cells, ${bytes(slots.bytes)}` : '';
  lines.push(`samples inside: ${places.peak} at most, room for ${places.bound} at the end${pixels}`);
  lines.push(`cores at work: ${figure(machine.busyCores)} of ${machine.cores}; main thread busy ${share(machine.mainThreadShare)}`);
  return lines.join('\n');
}

/** What two profiles have in common, side by side. */
export function compareTable(report: ProfileReport, other: ProfileReport): string {
  const head: Column[] = [
    { title: '', least: 12 },
    { title: 'this', right: true },
    { title: 'the other', right: true },
    { title: 'times', right: true },
  ];
  const shown = (value: string | number | null, unit: Comparison['unit']) => {
    if (value === null) return '-';
    return unit === 'rate' ? rate(value as number) : String(value);
  };
  const rows = comparisons(report, other).map(({ name, unit, own, others, times }) => [name, shown(own, unit), shown(others, unit), times]);
  return columns(head, rows, 200);
}
