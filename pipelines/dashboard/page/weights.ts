import type { Events, Histogram } from '../protocol.ts';
import { axis, draw, tip } from './charts.ts';
import { byId, element, setText } from './dom.ts';
import { figure } from './format.ts';

let last: Events['weights'] | undefined;

/** Filters of the first convolution, and histograms of the layer that was chosen. */
export function showWeights(weights: Events['weights']): void {
  last = weights;
  const { filters, layers, step } = weights;
  if (filters) {
    const alt = `${filters.count} filters of ${filters.name} after step ${step}`;
    byId('filters').replaceChildren(
      element('img', {
        src: filters.sheet,
        alt,
        width: String(filters.columns * filters.tile * Math.max(4, Math.floor(36 / filters.tile))),
      }),
      element('p', { class: 'quiet' }, alt),
    );
  }
  const select = byId<HTMLSelectElement>('layer');
  if (select.options.length !== layers.length) {
    select.replaceChildren(...layers.map(({ name, shape }) => element('option', { value: name }, `${name} [${shape.join(', ')}]`)));
  }
  drawLayer();
}

export function chooseLayers(): void {
  byId('layer').addEventListener('change', drawLayer);
}

function drawLayer(): void {
  const chosen = byId<HTMLSelectElement>('layer').value;
  const layer = last?.layers.find(({ name }) => name === chosen);
  if (!layer) return;
  const both = [['weights', layer.weights] as const, ...(layer.gradients ? [['gradients', layer.gradients] as const] : [])];
  const about = both.map(([name, { mean, std, not_finite }]) => {
    const odd = not_finite > 0 ? `, ${not_finite} not finite` : '';
    return `${name}: mean ${figure(mean)}, deviation ${figure(std)}${odd}`;
  });
  setText(byId('weights-about'), `After step ${last?.step}. Left ${about.join('; right ')}.`);
  draw('weights', {
    aria: { enabled: true, label: { description: `Histograms of ${chosen} after step ${last?.step}: ${about.join('; ')}.` } },
    tooltip: tip(
      ({ dataIndex, seriesName }) => rangeOf(both.find(([name]) => name === seriesName)![1], dataIndex),
      value => `${value.toLocaleString('en-US')} ${value === 1 ? 'value' : 'values'}`,
    ),
    legend: { show: false },
    grid: both.map((_, i) => ({
      left: i === 0 ? '1%' : '53%',
      width: both.length > 1 ? '45%' : '97%',
      top: 8,
      bottom: 8,
      containLabel: true,
    })),
    xAxis: both.map(([, values], i) => ({ ...axis(), type: 'category' as const, gridIndex: i, data: middles(values) })),
    yAxis: both.map((_, i) => ({ ...axis(), type: 'value' as const, gridIndex: i, axisLabel: { show: false } })),
    series: both.map(([name, values], i) => ({
      type: 'bar' as const,
      name,
      xAxisIndex: i,
      yAxisIndex: i,
      barCategoryGap: '5%',
      data: [...values.counts],
    })),
  });
}

const rangeOf = ({ low, high, counts }: Histogram, i: number): string => {
  const edge = (at: number) => figure(low + (at * (high - low)) / counts.length);
  return `${edge(i)} to ${edge(i + 1)}`;
};
const middles = ({ low, high, counts }: Histogram): string[] =>
  counts.map((_, i) => figure(low + ((i + 0.5) * (high - low)) / counts.length));
