import Table from 'cli-table3';
import { type PipelineSnapshot, verdict } from '../../core/index.ts';
import { color } from './color.ts';
import { figure, share } from './format.ts';

export interface StageRow {
  readonly stage: string;
  /** Samples that came out. */
  readonly items: number;
  /** Samples a second that it could do if nothing held it up; null when it does no measurable work. */
  readonly items_per_s: number | null;
  /** Of the time that its workers had. */
  readonly busy: number;
  readonly queue: number;
  readonly queue_bound: number | null;
  /** Whether it is the one that sets the pace. */
  readonly limits: boolean;
  /** How many samples went which way, where there are several: what decoded them. */
  readonly ways?: Readonly<Record<string, number>>;
}

/** What each stage could do, and which one limits, as the verdict has it. */
export function stageRows(snapshot: PipelineSnapshot): StageRow[] {
  return rowsOf(snapshot, verdict(snapshot).limits);
}

/** The same, where it is known already which one limits. */
export function rowsOf({ stages }: PipelineSnapshot, limits: string | undefined): StageRow[] {
  return stages.map(stage => ({
    stage: stage.name,
    items: stage.itemsOut,
    items_per_s: Number.isFinite(stage.capacityPerSecond) && stage.itemsOut > 0 ? stage.capacityPerSecond : null,
    busy: stage.busyShare,
    queue: stage.meanDepth,
    queue_bound: stage.bound ?? null,
    limits: stage.name === limits,
    ...(stage.ways && { ways: stage.ways }),
  }));
}

export function stageTable(rows: readonly StageRow[]): string {
  const table = new Table({
    head: ['stage', 'samples', 'could do', 'busy', 'queue', ''],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const { stage, items, items_per_s, busy, queue, queue_bound, limits } of rows) {
    table.push([
      limits ? color.bold(stage) : stage,
      items.toLocaleString('en-US'),
      items_per_s === null ? '-' : `${figure(items_per_s)}/s`,
      share(busy),
      queue_bound === null ? figure(queue) : `${figure(queue)} of ${queue_bound}`,
      limits ? color.yellow('limits') : '',
    ]);
  }
  return [table.toString(), ...rows.flatMap(waysLine)].join('\n');
}

/** Under the table: who did the work, most first. */
function waysLine({ stage, ways = {} }: StageRow): string[] {
  const list = Object.entries(ways).toSorted(([, a], [, b]) => b - a);
  return list.length > 0 ? [`${stage} by ${list.map(([way, count]) => `${way}: ${count.toLocaleString('en-US')}`).join(', ')}`] : [];
}
