import { stripVTControlCharacters } from 'node:util';
import { color } from './color.ts';

export interface Column {
  readonly title: string;
  /** Numbers stand on the right. */
  readonly right?: boolean;
  /** May lose its end if the line is too long for the terminal; how many characters it keeps at least. */
  readonly least?: number;
}

/** Rows under their titles, two spaces apart, without borders: as dense as long tables need to be. */
export function columns(head: readonly Column[], rows: readonly (readonly string[])[], width: number): string {
  const length = (text: string) => stripVTControlCharacters(text).length;
  const widths = head.map(({ title }, i) => Math.max(length(title), ...rows.map(row => length(row[i]))));
  let over = widths.reduce((sum, each) => sum + each + 2, -2) - width;
  head.forEach(({ least }, i) => {
    if (least === undefined || over <= 0) return;
    const cut = Math.min(over, Math.max(0, widths[i] - least));
    widths[i] -= cut;
    over -= cut;
  });
  const cell = (text: string, i: number) => {
    const short = length(text) > widths[i] ? `${stripVTControlCharacters(text).slice(0, widths[i] - 1)}…` : text;
    const space = ' '.repeat(widths[i] - length(short));
    return head[i].right ? space + short : short + space;
  };
  const line = (row: readonly string[]) => row.map(cell).join('  ').trimEnd();
  return [color.dim(line(head.map(({ title }) => title))), ...rows.map(line)].join('\n');
}
