import type { PipelineSnapshot, StageSnapshot } from '../../core/index.ts';
import { color } from '../terminal/color.ts';
import { type Column, columns } from '../terminal/columns.ts';
import { figure, share } from '../terminal/format.ts';
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
    { title: 'p99', right: true },
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
    ms(stage.latency.p99Ms),
    stage.name === limits ? color.yellow('limits') : '',
  ]);
  return columns(head, rows, 200);
}

/** What two profiles have in common, side by side. */
export function compareTable(report: ProfileReport, other: ProfileReport): string {
  const head: Column[] = [
    { title: '', least: 12 },
    { title: 'this', right: true },
    { title: 'the other', right: true },
    { title: 'times', right: true },
  ];
  const rows = comparisons(report, other).map(({ name, own, others, times }) => [name, own, others, times]);
  return columns(head, rows, 200);
}

export interface Comparison {
  readonly name: string;
  readonly own: string;
  readonly others: string;
  readonly times: string;
}

export function comparisons(report: ProfileReport, other: ProfileReport): Comparison[] {
  const stagesOf = ({ profile }: ProfileReport) => profile?.settled.stages ?? [];
  const names = [...new Set([...stagesOf(report), ...stagesOf(other)].map(({ name }) => name))];
  const row = (
    name: string,
    own: number | null | undefined,
    others: number | null | undefined,
    unit: (value: number | null) => string,
  ) => ({
    name,
    own: unit(own ?? null),
    others: unit(others ?? null),
    times: own && others && Number.isFinite(own / others) ? `${(own / others).toFixed(2)} ×` : '',
  });
  const could = (of: ProfileReport, name: string) => stagesOf(of).find(stage => stage.name === name)?.capacityPerSecond;
  return [
    { name: 'model', own: report.facts.model, others: other.facts.model, times: '' },
    { name: 'device', own: report.facts.device, others: other.facts.device, times: '' },
    row('batch', report.facts.batch, other.facts.batch, value => String(value ?? '-')),
    row('workers', report.facts.workers, other.facts.workers, value => String(value ?? '-')),
    row('images/s', report.facts.images_per_s, other.facts.images_per_s, rate),
    ...names.map(name => row(`${name} could do`, could(report, name), could(other, name), rate)),
    { name: 'limits', own: report.verdict?.limits ?? '-', others: other.verdict?.limits ?? '-', times: '' },
  ];
}
