import type { Events } from '../protocol.ts';
import { axis, colorOf, draw } from './charts.ts';
import { byId, escaped, setText } from './dom.ts';
import { share } from './format.ts';

/** Rows are labels, columns guesses; colour by share of the row, so that rare classes show as well. */
export function drawConfusion({ epoch, classes, counts, images, left_out }: Events['confusion']): void {
  const names = classes.map(name => name.split(',')[0]!);
  const totals = counts.map(row =>
    Math.max(
      1,
      row.reduce((a, b) => a + b, 0),
    ),
  );
  const cells = counts.flatMap((row, label) => row.map((count, guess) => [guess, label, count / totals[label]!, count] as const));
  const labels = { ...axis(), type: 'category', data: names, splitArea: { show: false } } as const;
  draw('confusion', {
    aria: {
      enabled: true,
      label: {
        description: `Confusion matrix of epoch ${epoch + 1}, ${images} held-out images; the pairs confused most are listed below.`,
      },
    },
    tooltip: {
      trigger: 'item',
      confine: true,
      formatter: params => {
        const [guess, label, , count] = (params as unknown as { data: [number, number, number, number] }).data;
        const of = `${count} of ${totals[label]} (${share(count / totals[label]!)})`;
        return label === guess
          ? `${escaped(names[label]!)} taken for what it is: ${of}`
          : `${escaped(names[label]!)} taken for ${escaped(names[guess]!)}: ${of}`;
      },
    },
    grid: { left: 8, right: 16, top: 8, bottom: 8, containLabel: true },
    xAxis: { ...labels, axisLabel: { ...labels.axisLabel, rotate: names.length > 6 ? 45 : 0, hideOverlap: true } },
    yAxis: { ...labels, inverse: true },
    visualMap: { show: false, min: 0, max: 1, dimension: 2, inRange: { color: [colorOf('--card'), colorOf('--accent')] } },
    series: [
      {
        type: 'heatmap',
        data: cells.map(cell => [...cell]),
        label: { show: names.length <= 12, formatter: params => String((params.data as number[])[3] || ''), color: colorOf('--ink') },
        itemStyle: { borderColor: colorOf('--line'), borderWidth: names.length <= 20 ? 1 : 0 },
      },
    ],
  });
  const worst = cells
    .filter(([guess, label, , count]) => guess !== label && count > 0)
    .sort((a, b) => b[3] - a[3])
    .slice(0, 3)
    .map(([guess, label, , count]) => `${names[label]} for ${names[guess]} (${count})`);
  const rest = left_out > 0 ? ` ${left_out} classes with fewer mistakes are left out.` : '';
  setText(
    byId('confused'),
    `Epoch ${epoch + 1}: a row for each class, a column for each guess, coloured by share of the row. ${worst.length > 0 ? `Most often: ${worst.join(', ')}.` : 'No mistakes.'}${rest}`,
  );
}
