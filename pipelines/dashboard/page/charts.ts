import { BarChart, HeatmapChart, LineChart } from 'echarts/charts';
import { AriaComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent, VisualMapComponent } from 'echarts/components';
import { type EChartsType, init, use } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import type { EChartsOption } from 'echarts/types/dist/shared';
import { byId, escaped } from './dom.ts';

use([
  BarChart,
  HeatmapChart,
  LineChart,
  AriaComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TooltipComponent,
  VisualMapComponent,
  CanvasRenderer,
]);

/** Told apart also by people who see red and green alike (Okabe and Ito 2008); the second list is for dark ground. */
const light = ['#0072b2', '#b85c00', '#00785a', '#a04a84', '#56748c', '#8a6d00', '#5a5a5a'];
const dark = ['#56b4e9', '#e69f00', '#2fc49a', '#e08cc0', '#a9bfd0', '#f0e442', '#c0c0c0'];
const darkGround = window.matchMedia('(prefers-color-scheme: dark)');

const charts = new Map<string, { chart: EChartsType; option: EChartsOption }>();
const variable = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Draws `option` into the element of that id, in the page's colours; what has not changed stays. */
export function draw(id: string, option: EChartsOption): void {
  const place = byId(id);
  let known = charts.get(id);
  if (!known) {
    place.replaceChildren();
    known = { chart: init(place, undefined, { renderer: 'canvas' }), option };
    new ResizeObserver(() => known?.chart.resize()).observe(place);
    charts.set(id, known);
  }
  known.option = option;
  // merged, so that a tooltip stays where someone looks at it; of curves, those that are gone go
  known.chart.setOption({ ...base(), ...option, series: named(option.series) }, { replaceMerge: ['series'], lazyUpdate: true });
  // the canvas alone says nothing to a screen reader: the chart writes its own description into aria-label
  place.setAttribute('role', 'img');
}

/** A curve is known again by its name. */
function named(series: EChartsOption['series']): EChartsOption['series'] {
  return [series ?? []].flat().map((each, i) => ({ ...each, id: String(each.id ?? each.name ?? i) })) as EChartsOption['series'];
}

darkGround.addEventListener('change', () => {
  for (const [id, { option }] of charts) draw(id, option);
});

function base(): EChartsOption {
  return {
    color: darkGround.matches ? dark : light,
    backgroundColor: 'transparent',
    textStyle: { color: variable('--ink'), fontFamily: 'system-ui, sans-serif' },
    animation: false,
    aria: { enabled: true },
    grid: { left: 8, right: 16, top: 36, bottom: 8, containLabel: true },
    tooltip: {
      trigger: 'axis',
      confine: true,
      backgroundColor: variable('--card'),
      borderColor: variable('--line'),
      textStyle: { color: variable('--ink') },
    },
    // one line, with arrows where it is too narrow
    legend: {
      type: 'scroll',
      top: 0,
      left: 'center',
      pageIconColor: variable('--accent'),
      pageTextStyle: { color: variable('--quiet') },
      textStyle: { color: variable('--ink') },
    },
  };
}

/** Look of an axis on this page. */
export const axis = () => ({
  axisLabel: { color: variable('--quiet') },
  nameTextStyle: { color: variable('--quiet') },
  axisLine: { lineStyle: { color: variable('--line') } },
  splitLine: { lineStyle: { color: variable('--line') } },
});
export const colorOf = variable;

/** What a tooltip says of one place of a chart: a head, and a line for each curve that has a value there. */
export function tip(head: (point: Point) => string, value: (value: number) => string): EChartsOption['tooltip'] {
  return {
    trigger: 'axis',
    confine: true,
    formatter: given => {
      const points = [given].flat() as unknown as Point[];
      const lines = points.flatMap(({ marker, seriesName, value: raw }) => {
        const of = Array.isArray(raw) ? raw[1] : raw;
        return typeof of === 'number' && Number.isFinite(of) ? [`${marker}${escaped(seriesName ?? '')} <b>${escaped(value(of))}</b>`] : [];
      });
      const [first] = points;
      return first ? [escaped(head(first)), ...lines].join('<br>') : '';
    },
  };
}
export interface Point {
  /** A dot of the curve's colour, as HTML. */
  readonly marker: string;
  readonly seriesName?: string;
  readonly dataIndex: number;
  readonly axisValue: number | string;
  readonly value: unknown;
}
