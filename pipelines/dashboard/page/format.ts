/** What a stage could do; from a million a second on its work is too short to say. */
export const capacity = (perSecond: number | null | undefined): string =>
  perSecond !== null && perSecond !== undefined && perSecond >= 1e6 ? 'over 1 M' : figure(perSecond);
/** Three significant digits, with thousands apart. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e7)) return value.toExponential(2);
  return value.toLocaleString('en-US', Math.abs(value) >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
}
export const share = (value: number | null | undefined): string =>
  value === null || value === undefined || !Number.isFinite(value) ? '–' : `${(100 * value).toFixed(1)}\u00a0%`;
export function bytes(value: number): string {
  if (!Number.isFinite(value)) return '–';
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (value >= size) return `${figure(value / size)}\u00a0${unit}`;
  }
  return `${value}\u00a0B`;
}
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '–';
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return h > 0 ? `${h} h ${m} min` : m > 0 ? `${m} min ${s} s` : `${s} s`;
}
