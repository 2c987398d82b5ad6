import { stripVTControlCharacters } from 'node:util';

export const share = (value: number): string => `${(100 * value).toFixed(1)} %`;

/** What is said after a device's description. */
export const unfused = (fuse: boolean): string => (fuse ? '' : ', not fused');
export const inPrecision = (precision?: 'f32' | 'mixed'): string => (precision === 'mixed' ? ', mixed precision' : '');
export const exactly = (exact: boolean): string => (exact ? ', exact (no Winograd, no Strassen)' : '');

/** Three significant digits: 0.512, 61.2, 1,230. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value === 0) return '0';
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));
}

/** `0:07`, `12:40`, `3:05:00`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${figure(value)} ${units[unit]}`;
}

/** Joins parts by two spaces as long as they fit; the first ones matter most. Colours count nothing. */
export function fit(parts: readonly string[], columns: number): string {
  let line = '';
  let length = 0;
  for (const part of parts) {
    const wanted = stripVTControlCharacters(part).length + (line ? 2 : 0);
    if (length + wanted > columns - 1) break;
    line += (line ? '  ' : '') + part;
    length += wanted;
  }
  return line;
}

/** The same in as many lines as are needed; a part that is longer than a line is left out. */
export function flow(parts: readonly string[], columns: number): string[] {
  const lines: string[][] = [];
  for (const part of parts) {
    if (fit([part], columns) === '') continue;
    const longer = [...(lines.at(-1) ?? []), part];
    if (lines.length > 0 && fit(longer, columns) === longer.join('  ')) lines[lines.length - 1] = longer;
    else lines.push([part]);
  }
  return lines.map(line => line.join('  '));
}

/** Words in lines of at most so many columns, and never more than a page's. */
export function paragraph(text: string, columns: number): string {
  const width = Math.max(20, Math.min(columns - 1, 120));
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines.length - 1;
    if (lines[last] && lines[last].length + 1 + word.length > width) lines.push(word);
    else lines[last] += (lines[last] && ' ') + word;
  }
  return lines.join('\n');
}
