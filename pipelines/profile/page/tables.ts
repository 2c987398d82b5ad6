import { byId, element } from '../../dashboard/page/dom.ts';

/** Fills a table; the first column is text and heads its row. */
export function fill(
  id: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  marked: (row: readonly string[]) => boolean = () => false,
): void {
  const body = rows.map(row =>
    element(
      'tr',
      { 'data-limits': String(marked(row)) },
      ...row.map((cell, i) => (i === 0 ? element('th', { scope: 'row' }, cell) : element('td', {}, cell))),
    ),
  );
  const titles = head.some(title => title !== '');
  byId(id).replaceChildren(
    ...(titles ? [element('thead', {}, element('tr', {}, ...head.map(title => element('th', { scope: 'col' }, title))))] : []),
    element('tbody', {}, ...body),
  );
}
