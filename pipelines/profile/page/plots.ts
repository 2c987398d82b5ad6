import { SankeyChart, ScatterChart } from 'echarts/charts';
import { use } from 'echarts/core';
import type { Limits, StageSnapshot } from '../../../core/index.ts';
import type { KernelRow } from '../../commands/kernelTable.ts';
import { axis, colorOf, draw } from '../../dashboard/page/charts.ts';
import { byId, escaped, setText } from '../../dashboard/page/dom.ts';
import { capacity, figure, share } from '../../dashboard/page/format.ts';
import type { CoursePoint } from '../profileReport.ts';

use([SankeyChart, ScatterChart]);

interface Link {
  readonly source: string;
  readonly target: string;
  readonly value: number;
}

function about(stage: StageSnapshot): string[] {
  const part = (ms: number) => share(Math.min(1, ms / Math.max(1e-9, stage.elapsedMs * stage.parallel)));
  return [
    stage.name,
    `${figure(stage.itemsPerSecond)} samples a second, could do ${capacity(stage.capacityPerSecond)}`,
    `busy ${share(stage.busyShare)}, waits for input ${part(stage.waitUpstreamMs)}, for room ${part(stage.waitDownstreamMs)}`,
  ];
}

/** The pipeline as a river: what went from stage to stage, and what was dropped. */
export function drawFlow(stages: readonly StageSnapshot[], limits: string | undefined): void {
  // on a phone the river flows downwards
  const narrow = byId('flow').clientWidth < 700;
  byId('flow').style.height = narrow ? `${3.4 * (stages.length + 1)}rem` : '';
  const leftOut = ({ dropped, returned }: StageSnapshot) => dropped - returned;
  const dropped = stages.some(stage => leftOut(stage) > 0);
  const links: Link[] = stages.flatMap((stage, i) => [
    ...(stages[i + 1] ? [{ source: stage.name, target: stages[i + 1]!.name, value: Math.max(1, stage.itemsOut) }] : []),
    ...(leftOut(stage) > 0 ? [{ source: stage.name, target: 'left out', value: leftOut(stage) }] : []),
  ]);
  const heat = (busy: number) => `color-mix(in srgb, ${colorOf('--warn')} ${Math.round(100 * busy)}%, ${colorOf('--bar')})`;
  draw('flow', {
    aria: {
      enabled: true,
      label: {
        description: `Samples through the stages ${stages.map(({ name, itemsPerSecond }) => `${name} ${figure(itemsPerSecond)} a second`).join(', ')}.`,
      },
    },
    tooltip: {
      trigger: 'item',
      confine: true,
      formatter: params => {
        const { dataType, name, data } = params as unknown as { dataType: string; name: string; data: Partial<Link> };
        if (dataType === 'edge') return escaped(`${figure(data.value)} samples: ${data.source} → ${data.target}`);
        const stage = stages.find(each => each.name === name);
        return stage ? about(stage).map(escaped).join('<br>') : escaped(name);
      },
    },
    series: [
      {
        type: 'sankey',
        nodeAlign: 'left',
        orient: narrow ? 'vertical' : 'horizontal',
        layoutIterations: 0,
        left: 8,
        right: narrow ? 8 : 110,
        top: narrow ? 24 : 30,
        bottom: narrow ? 8 : 30,
        data: [
          ...stages.map(({ name, busyShare, itemsPerSecond }) => ({
            name,
            itemStyle: { color: canvasColor(heat(Math.min(1, busyShare || 0))) },
            label: {
              formatter: `${[`${name === limits ? '▲ ' : ''}${name}`, `${figure(itemsPerSecond)}/s`, `busy ${share(busyShare)}`].join(narrow ? ' · ' : '\n')}`,
              fontWeight: name === limits ? ('bold' as const) : ('normal' as const),
            },
          })),
          ...(dropped ? [{ name: 'left out', itemStyle: { color: colorOf('--quiet') } }] : []),
        ],
        links,
        label: {
          color: colorOf('--ink'),
          position: narrow ? ('insideTopLeft' as const) : ('right' as const),
          lineHeight: 16,
          ...(narrow && { offset: [0, -20] }),
        },
        lineStyle: { color: 'source', opacity: 0.35 },
        emphasis: { focus: 'adjacency' },
      },
    ],
  });
}

/** Canvases do not know color-mix: lets the style sheet compute it. */
function canvasColor(color: string): string {
  const probe = document.createElement('span');
  probe.style.color = color;
  document.body.append(probe);
  const computed = getComputedStyle(probe).color;
  probe.remove();
  const parts = computed.match(/^color\(srgb ([\d.]+) ([\d.]+) ([\d.]+)/);
  return parts
    ? `rgb(${parts
        .slice(1, 4)
        .map(part => Math.round(255 * Number(part)))
        .join(',')})`
    : computed;
}

/** Throughput, load, and the depth of the queues over the run. */
export function drawCourse(course: readonly CoursePoint[]): void {
  const x = {
    ...{
      ...axis(),
      type: 'value' as const,
      name: 'seconds',
      nameLocation: 'middle' as const,
      nameGap: 24,
      min: 0,
      splitLine: { show: false },
    },
    axisPointer: { label: { formatter: ({ value }: { value: unknown }) => `${figure(value as number)} s` } },
  } as const;
  const line = (name: string, of: (point: CoursePoint) => number, more: object = {}) => ({
    type: 'line' as const,
    name,
    showSymbol: course.length < 3,
    data: course.map(point => [point.at, of(point)]),
    ...more,
  });
  const asShare = { yAxisIndex: 1, tooltip: { valueFormatter: (value: unknown) => share(value as number) } };
  draw('course', {
    aria: { enabled: true, label: { description: 'Images a second, and how busy the device and the main thread were, over the profile.' } },
    grid: { left: 8, right: 16, top: 48, bottom: 28, containLabel: true },
    tooltip: { trigger: 'axis', confine: true, valueFormatter: value => figure(value as number) },
    xAxis: x,
    yAxis: [
      { ...axis(), type: 'value', name: 'images/s', min: 0 },
      {
        ...axis(),
        type: 'value',
        min: 0,
        max: 1,
        axisLabel: { ...axis().axisLabel, formatter: (value: number) => share(value) },
        splitLine: { show: false },
      },
    ],
    series: [
      line('images/s', point => point.images_per_s, { lineStyle: { width: 3 } }),
      line('device busy', point => point.device_busy, asShare),
      line('main thread busy', point => point.main_busy, asShare),
    ],
  });
  // a shuffle's thousands say nothing, and would press the others to the floor
  const names = [...new Set(course.flatMap(point => Object.keys(point.depth)))].filter(
    name => name !== 'shuffle' && course.some(point => (point.depth[name] ?? 0) > 0.5),
  );
  draw('depth', {
    aria: { enabled: true, label: { description: `Samples inside ${names.join(', ')} over the profile.` } },
    grid: { left: 8, right: 16, top: 48, bottom: 28, containLabel: true },
    tooltip: { trigger: 'axis', confine: true, valueFormatter: value => figure(value as number) },
    xAxis: x,
    yAxis: { ...axis(), type: 'value', name: 'samples', min: 0 },
    series: names.map(name => line(name, point => point.depth[name] ?? 0)),
  });
}

/** Each kernel by its intensity (FLOP a byte) and speed, under the roof that the device's limits make (Williams, Waterman, Patterson 2009). */
export function drawRoofline(kernels: readonly KernelRow[], { flopsPerSecond, bytesPerSecond, how }: Limits): void {
  const shown = kernels.filter(({ flops, bytes }) => flops > 0 && bytes > 0);
  const intensity = (row: KernelRow) => row.flops / row.bytes;
  const ridge = flopsPerSecond / bytesPerSecond;
  const low = 10 ** Math.floor(Math.log10(Math.min(ridge / 4, ...shown.map(intensity))));
  const high = 10 ** Math.ceil(Math.log10(Math.max(ridge * 4, ...shown.map(intensity))));
  setText(
    byId('roofline-about'),
    `Roof: ${figure(flopsPerSecond / 1e9)} GFLOP/s and ${figure(bytesPerSecond / 1e9)} GB/s (${how}). The size of a dot is its time. Far below the roof: room for a better kernel. Above it: Winograd's and Strassen's methods need fewer operations than the definition, by which they are counted.`,
  );
  const parts = [...new Set(shown.map(({ part }) => part))];
  const most = Math.max(...shown.map(({ ms }) => ms));
  draw('roofline', {
    aria: {
      enabled: true,
      label: {
        description:
          'Speed of each kernel by its floating-point operations a byte, on logarithmic axes; the numbers are in the table of kernels.',
      },
    },
    grid: { left: 8, right: 24, top: 48, bottom: 30, containLabel: true },
    tooltip: {
      trigger: 'item',
      confine: true,
      formatter: params => {
        const { data } = params as unknown as { data: { row?: KernelRow } };
        return data.row
          ? [data.row.node, data.row.primitive, `${figure(data.row.ms)} ms`, `${figure(data.row.gflops)} GFLOP/s`].map(escaped).join('<br>')
          : '';
      },
    },
    xAxis: {
      ...axis(),
      type: 'log',
      name: 'FLOP a byte',
      nameLocation: 'middle',
      nameGap: 26,
      min: low,
      max: high,
      axisLabel: { ...axis().axisLabel, formatter: (value: number) => figure(value) },
    },
    yAxis: { ...axis(), type: 'log', name: 'GFLOP/s', axisLabel: { ...axis().axisLabel, formatter: (value: number) => figure(value) } },
    series: [
      {
        type: 'line',
        name: 'roof',
        showSymbol: false,
        silent: true,
        data: [low, ridge, high].map(each => [each, Math.min(flopsPerSecond, each * bytesPerSecond) / 1e9]),
        lineStyle: { width: 2, type: 'dashed' },
      },
      ...parts.map(part => ({
        type: 'scatter' as const,
        name: part,
        data: shown
          .filter(row => row.part === part)
          .map(row => ({ value: [intensity(row), row.gflops], row, symbolSize: 5 + 25 * Math.sqrt(row.ms / most) })),
        itemStyle: { opacity: 0.7 },
      })),
    ],
  });
}
