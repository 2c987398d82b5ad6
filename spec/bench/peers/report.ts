import { median } from '../../../pipelines/commands/median.ts';
import { columns } from '../../../pipelines/terminal/columns.ts';
import { figure } from '../../../pipelines/terminal/format.ts';

/** What one contender did over the rounds. */
export interface Measured {
  readonly name: string;
  readonly about: string;
  readonly javascript: boolean;
  readonly size: number;
  readonly batch: number;
  /** Of one step of its job. */
  readonly flops: number;
  /** Milliseconds of a step, a round each; rounds in which it took part. */
  readonly ms: readonly number[];
}
export interface Failed {
  readonly name: string;
  readonly cannot: string;
}
export interface Row {
  readonly name: string;
  readonly about: string;
  readonly javascript: boolean;
  readonly size: number;
  readonly batch: number;
  /** Whether it ran the whole job, and not a smaller one. */
  readonly whole: boolean;
  readonly step_ms: number;
  readonly gflops: number;
  /** For a smaller job: those of the whole one at the same FLOP/s. */
  readonly images_per_s: number;
  /** Our speed for its one: the median over the rounds of what both did in one round; by FLOP/s for a smaller job. */
  readonly ratio: number;
}

/** Rows for all that ran; the first of `measured` is ours, and its job is the whole one. */
export function report(measured: readonly Measured[]): Row[] {
  const [own] = measured;
  return measured.map(each => {
    const { name, about, javascript, size, batch, flops, ms } = each;
    const whole = size === own.size && batch === own.batch;
    const step = median(ms);
    const gflops = flops / step / 1e6;
    const rounds = ms.slice(0, own.ms.length).map((theirs, round) => theirs / flops / (own.ms[round] / own.flops));
    return {
      name,
      about,
      javascript,
      size,
      batch,
      whole,
      step_ms: step,
      gflops,
      images_per_s: (gflops * 1e9 * own.batch) / own.flops,
      ratio: median(rounds),
    };
  });
}

export function reportTable(rows: readonly Row[], failed: readonly Failed[], width: number): string {
  const head = [
    { title: '' },
    { title: 'step' },
    { title: 'ms', right: true },
    { title: 'GFLOP/s', right: true },
    { title: 'images/s', right: true },
    { title: 'ours : its', right: true },
    { title: 'what', least: 20 },
  ];
  const lines = rows.map(({ name, about, size, batch, whole, step_ms, gflops, images_per_s, ratio }, i) => [
    name,
    `${batch} × ${size}²`,
    figure(step_ms),
    figure(gflops),
    `${whole ? '' : '≈ '}${figure(images_per_s)}`,
    i === 0 ? '' : `${ratio.toFixed(2)} ×`,
    about,
  ]);
  const notes = failed.map(({ name, cannot }) => `${name} cannot: ${cannot}`);
  if (rows.some(({ whole }) => !whole)) {
    notes.unshift('≈: too slow for the whole step. It ran the smaller one that is shown; images/s and ratio are by its FLOP/s.');
  }
  return [columns(head, lines, width), ...notes].join('\n');
}
