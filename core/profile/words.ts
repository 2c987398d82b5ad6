import type { Change } from './verdict.ts';

/** `412 images/s`, `1,140 images/s`, `0.52 images/s`. */
export const perSecond = (rate: number): string => `${amount(rate)} images/s`;

/** Three significant digits. */
export function amount(value: number): string {
  if (!Number.isFinite(value)) return 'any number of';
  const rounded = Number(value.toPrecision(3));
  return rounded >= 1000 ? rounded.toLocaleString('en-US') : String(rounded);
}

export const percent = (share: number): string => `${Math.round(100 * share)} %`;

export const counted = (count: number, what: string, several = `${what}s`): string => `${count} ${count === 1 ? what : several}`;

/** How a stage is made faster, where that is not plain. */
const means: Readonly<Record<string, string>> = {
  source: ' (a faster disk, or a format that is read in order)',
  read: ' (a faster disk, or smaller files)',
  decode: ' (smaller pictures)',
  augment: ' (fewer or cheaper transforms)',
  forward: ' (another device, or a smaller model)',
  backward: ' (another device, or a smaller model)',
};

/** What would be changed, as the beginning of a sentence. */
export function changeInWords(change: Change): string {
  switch (change.kind) {
    case 'workers':
      return counted(change.workers, 'worker');
    case 'batch':
      return `a batch of ${change.batch}`;
    case 'prefetch':
      return `${counted(change.batches, 'batch', 'batches')} ahead (prefetch)`;
    case 'faster': {
      const { stage, times } = change;
      if (!Number.isFinite(times)) return `leaving ${stage} out`;
      return `${stage} ${times === 2 ? 'twice' : `${amount(times)} times`} as fast${means[stage] ?? ''}`;
    }
  }
}
