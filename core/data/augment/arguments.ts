import { fail, show } from '../../errors.ts';

export const wrong = (where: string, expected: string, got: unknown) => fail('usage', where, expected, show(got), 'Change the argument.');

export function checkProbability(where: string, probability: number): void {
  if (!(probability >= 0 && probability <= 1)) throw wrong(where, 'probability between 0 and 1', probability);
}

export type Range = readonly [number, number];

/** Both ends within the bounds, the lower one first. */
export function checkRange(where: string, name: string, range: Range, [least, most]: Range): void {
  if (range.length === 2 && range[0] >= least && range[1] >= range[0] && range[1] <= most) return;
  const bounds = most === Number.POSITIVE_INFINITY ? `${least} <= low <= high` : `${least} <= low <= high <= ${most}`;
  throw wrong(where, `${name} to be [low, high] with ${bounds}`, range);
}

export const between = ([low, high]: Range, u: number): number => low + (high - low) * u;

/** Mean and deviation of ImageNet's channels, 1 being white. */
export const imagenetMean = [0.485, 0.456, 0.406] as const;
export const imagenetStd = [0.229, 0.224, 0.225] as const;
