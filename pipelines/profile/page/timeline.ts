import { CustomChart } from 'echarts/charts';
import { DataZoomComponent } from 'echarts/components';
import { use } from 'echarts/core';
import type { CustomSeriesRenderItemAPI, CustomSeriesRenderItemParams } from 'echarts/types/dist/shared';
import type { Span } from '../../../core/index.ts';
import { axis, colorOf, draw } from '../../dashboard/page/charts.ts';
import { byId, escaped, setText } from '../../dashboard/page/dom.ts';
import { figure } from '../../dashboard/page/format.ts';

use([CustomChart, DataZoomComponent]);

const kinds: Readonly<Record<Span['kind'], string>> = { worker: '#b85c00', stage: '#0072b2', device: '#00785a', thread: '#a04a84' };
const order: readonly Span['kind'][] = ['worker', 'stage', 'device', 'thread'];

/** A part of the run as bars on tracks; the step that was run kernel by kernel is moved to where the part begins. */
export function drawTimeline(spans: readonly Span[], stages: readonly string[]): void {
  if (spans.length === 0) {
    setText(byId('timeline-about'), 'Nothing was recorded.');
    return;
  }
  const least = (of: readonly Span[]) => of.reduce((sum, { beganMs }) => Math.min(sum, beganMs), Number.POSITIVE_INFINITY);
  const from = { run: least(spans.filter(({ kind }) => kind !== 'thread')), thread: least(spans.filter(({ kind }) => kind === 'thread')) };
  const tracks = [
    ...new Set(
      order.flatMap(kind =>
        spans
          .filter(span => span.kind === kind)
          .map(({ track }) => track)
          // stages in the pipeline's order
          .sort((a, b) => stages.indexOf(a) - stages.indexOf(b) || a.localeCompare(b, 'en', { numeric: true })),
      ),
    ),
  ];
  const bars = spans.map(span => {
    const start = span.kind === 'thread' ? from.thread : from.run;
    return { span, value: [tracks.indexOf(span.track), span.beganMs - start, span.endedMs - start] };
  });
  setText(
    byId('timeline-about'),
    `Some hundred milliseconds from the middle of the run, a row for each worker thread, stage and queue of the device; below, one step kernel by kernel on the compute threads. Drag or scroll to look closer; trace.json holds the whole run for ui.perfetto.dev.`,
  );
  byId('timeline').style.height = `${Math.max(16, 4 + 1.8 * tracks.length)}rem`;
  draw('timeline', {
    aria: { enabled: true, label: { description: `Bars of work on ${tracks.length} tracks: ${tracks.join(', ')}.` } },
    legend: { show: false },
    grid: { left: 8, right: 16, top: 8, bottom: 64, containLabel: true },
    tooltip: {
      trigger: 'item',
      confine: true,
      formatter: params => {
        const { span } = (params as unknown as { data: { span: Span } }).data;
        const what = span.sample
          ? `sample ${span.sample.index}: ${span.sample.key}`
          : span.batch
            ? `batch ${span.batch.index} of ${span.batch.count}`
            : '';
        const parts = (span.parts ?? []).map(({ name, ms }) => `${name} ${figure(ms)} ms`).join(', ');
        return [span.track, span.name, what, parts, `${figure(span.endedMs - span.beganMs)} ms`].filter(Boolean).map(escaped).join('<br>');
      },
    },
    dataZoom: [
      { type: 'slider', filterMode: 'weakFilter', height: 18, bottom: 8, textStyle: { color: colorOf('--quiet') } },
      { type: 'inside', filterMode: 'weakFilter' },
    ],
    xAxis: { ...axis(), type: 'value', name: 'ms', nameLocation: 'middle', nameGap: 22, min: 0 },
    yAxis: { ...axis(), type: 'category', data: tracks, inverse: true },
    series: [
      {
        type: 'custom',
        renderItem: bar,
        encode: { x: [1, 2], y: 0 },
        data: bars.map(({ span, value }) => ({ value, span, itemStyle: { color: kinds[span.kind] } })),
      },
    ],
  });
}

function bar(_: CustomSeriesRenderItemParams, api: CustomSeriesRenderItemAPI) {
  const [x, y] = api.coord([api.value(1), api.value(0)]) as [number, number];
  const [right] = api.coord([api.value(2), api.value(0)]) as [number, number];
  const height = ((api.size!([0, 1]) as number[])[1] ?? 10) * 0.6;
  return {
    type: 'rect' as const,
    shape: { x, y: y - height / 2, width: Math.max(1, right - x), height },
    style: { fill: api.visual('color') as string, opacity: 0.85 },
  };
}
