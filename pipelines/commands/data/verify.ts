import { lastValueFrom, Observable, takeUntil, tap } from 'rxjs';
import type { Bad, DataSet } from '../../../core/index.ts';
import { decode, pixels } from '../../../operators/index.ts';
import { color } from '../../terminal/color.ts';
import { CountProgress } from '../../terminal/countProgress.ts';
import type { Output } from '../../terminal/output.ts';
import { type Spread, Spreading, sizesText } from './survey.ts';

/** What decoding all of a data set came to. */
export interface Verified {
  /** Decoded, with a warning or without. */
  readonly good: number;
  readonly bad: number;
  /** Decoded although something is wrong with the file. */
  readonly warned: number;
  /** How many bad ones have each reason; what differs from file to file in it is left out. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Images of each class, bad ones too. */
  readonly per_class?: Spread;
  readonly height?: Spread;
  readonly width?: Spread;
}

export interface VerifyOptions {
  readonly split: string;
  readonly workers: number | undefined;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Decodes every image in worker threads, as a run without augmentation would, and tells each that is bad as it comes. */
export async function verify(set: DataSet, { split, workers, output, signal }: VerifyOptions): Promise<Verified> {
  const progress = new CountProgress(output, `verifying ${split}`, set.size);
  const [heights, widths] = [new Spreading(), new Spreading()];
  const reasons = new Map<string, number>();
  const counts: number[] = set.classes.map(() => 0);
  let [good, bad, warned] = [0, 0, 0];
  const step = () => progress.step(() => (bad > 0 ? color.red(`${bad} bad`) : 'none bad'));
  const tell = (each: Bad): void => {
    const { key, reason, warning } = each;
    output.event(warning ? 'warning' : 'bad', { split, key, reason });
    if (warning) {
      warned++;
      output.line(`  taken with a warning: ${key}: ${reason}`);
      return;
    }
    bad++;
    const kind = kindOf(reason);
    reasons.set(kind, (reasons.get(kind) ?? 0) + 1);
    output.line(`  ${color.red('bad')}: ${key}: ${reason}`);
    step();
  };
  await lastValueFrom(
    set.samples().pipe(
      takeUntil(aborted(signal)),
      tap(({ label }) => {
        counts[label]++;
      }),
      decode({ onError: 'skip', bad: tell, ...(workers !== undefined && { workers }) }),
      pixels(),
      tap(({ pixels: { height, width } }) => {
        good++;
        heights.add(height);
        widths.add(width);
        step();
      }),
    ),
    { defaultValue: undefined },
  );
  output.clear();
  const classes = new Spreading();
  for (const count of counts) classes.add(count);
  const known = heights.count > 0 && { height: heights.spread, width: widths.spread };
  return {
    good,
    bad,
    warned,
    reasons: Object.fromEntries([...reasons].sort(([, a], [, b]) => b - a)),
    per_class: classes.spread,
    ...known,
  };
}

export function verifiedText({ good, bad, warned, reasons, height, width }: Verified): string[] {
  const number = (value: number) => value.toLocaleString('en-US');
  const sizes = height && width ? `; ${sizesText(undefined, height, width)}` : '';
  const odd = warned > 0 ? `, ${number(warned)} of them with a warning` : '';
  return [
    `  ${number(good)} decoded${odd}, ${bad > 0 ? color.red(`${number(bad)} bad`) : color.green('none bad')}${sizes}`,
    ...Object.entries(reasons).map(([reason, count]) => `    ${number(count)} × ${reason}`),
  ];
}

/** `the archive ends at byte 1234` and `… at byte 99` are of one kind, and so is what is wrong in the files of two images. */
function kindOf(reason: string): string {
  return reason
    .replace(/^.*?: (?=expected )/s, '')
    .replace(/"[^"]*"/g, '"…"')
    .replace(/\d+(?:[.,]\d+)*/g, 'N');
}

function aborted(signal: AbortSignal): Observable<true> {
  return new Observable(subscriber => {
    const tell = () => subscriber.next(true);
    if (signal.aborted) tell();
    signal.addEventListener('abort', tell);
    return () => signal.removeEventListener('abort', tell);
  });
}
