import { byId, element } from '../../dashboard/page/dom.ts';

/** Fills a table; the first column is text and heads its row. */
export function fill(
  id: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  marked: (row: readonly string[]) => boolean = () => false,
): void {
  // a column of words stands to the left, one of numbers to the right
  const words = head.map((_, i) => rows.some(row => row[i]) && rows.every(row => !row[i] || /^[a-z]/i.test(row[i])));
  const kind = (i: number): Readonly<Record<string, string>> => (words[i] ? { class: 'text' } : {});
  const body = rows.map(row =>
    element(
      'tr',
      { 'data-limits': String(marked(row)) },
      ...row.map((cell, i) => (i === 0 ? element('th', { scope: 'row' }, cell) : element('td', kind(i), cell))),
    ),
  );
  const titles = head.some(title => title !== '');
  byId(id).replaceChildren(
    ...(titles
      ? [element('thead', {}, element('tr', {}, ...head.map((title, i) => element('th', { scope: 'col', ...kind(i) }, title))))]
      : []),
    element('tbody', {}, ...body),
  );
}
