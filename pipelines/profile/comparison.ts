import type { ProfileReport } from './profileReport.ts';

/** A row of two profiles side by side: words, or numbers of one unit. */
export interface Comparison {
  readonly name: string;
  /** In samples a second; `count` has none. */
  readonly unit: 'words' | 'count' | 'rate';
  readonly own: string | number | null;
  readonly others: string | number | null;
  /** `2.00 ×`, where both are numbers. */
  readonly times: string;
}

/** What two profiles have in common; the terminal and the report show it. */
export function comparisons(report: ProfileReport, other: ProfileReport): Comparison[] {
  const stagesOf = ({ profile }: ProfileReport) => profile?.settled.stages ?? [];
  const could = (of: ProfileReport, name: string) => stagesOf(of).find(stage => stage.name === name)?.capacityPerSecond ?? null;
  const words = (name: string, own: string | undefined, others: string | undefined): Comparison => ({
    ...{ name, unit: 'words', own: own ?? null, others: others ?? null, times: '' },
  });
  const row = (name: string, unit: 'count' | 'rate', own: number | null, others: number | null): Comparison => ({
    ...{ name, unit, own, others },
    times: own && others && Number.isFinite(own / others) ? `${(own / others).toFixed(2)} ×` : '',
  });
  const names = [...new Set([...stagesOf(report), ...stagesOf(other)].map(({ name }) => name))];
  const [own, others] = [report.facts, other.facts];
  return [
    words('model', own.model, others.model),
    words('device', own.device, others.device),
    words('limits', report.verdict?.limits, other.verdict?.limits),
    row('batch', 'count', own.batch, others.batch),
    row('workers', 'count', own.workers, others.workers),
    row('images/s', 'rate', own.images_per_s, others.images_per_s),
    ...names.map(name => row(`${name} could do`, 'rate', could(report, name), could(other, name))),
  ];
}
