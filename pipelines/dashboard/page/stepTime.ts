import type { Events } from '../protocol.ts';
import { axis, draw, tip } from './charts.ts';
import { figure } from './format.ts';

/** Snapshots on the plot. */
const most = 240;

interface Sample {
  readonly step: number;
  readonly parts: ReadonlyMap<string, number>;
}
const samples: Sample[] = [];

/** Milliseconds of a step by what the device did, and what was left: waiting for data, for the host, for an evaluation. */
export function drawStepTime({ look }: Events['look'], step: number): void {
  const { device, elapsedMs, steps } = look;
  if (!device || steps === 0) return;
  const parts = new Map(device.parts.filter(({ busyMs }) => busyMs > 0).map(({ part, busyMs }) => [part, busyMs / steps]));
  const busy = [...parts.values()].reduce((a, b) => a + b, 0);
  parts.set('nothing to do', Math.max(0, elapsedMs / steps - busy));
  samples.push({ step, parts });
  if (samples.length > most) samples.shift();
  const names = [...new Set(samples.flatMap(sample => [...sample.parts.keys()]))].sort(
    (a, b) => Number(a === 'nothing to do') - Number(b === 'nothing to do'),
  );
  const description = `Milliseconds of a step at step ${step}: ${[...parts].map(([name, ms]) => `${name} ${figure(ms)}`).join(', ')}.`;
  draw('time', {
    aria: { enabled: true, label: { description } },
    xAxis: {
      ...axis(),
      type: 'category',
      data: samples.map(sample => String(sample.step)),
      name: 'step',
      nameLocation: 'middle',
      nameGap: 24,
    },
    yAxis: { ...axis(), type: 'value' },
    tooltip: tip(
      ({ dataIndex }) => {
        const { step: last, parts } = samples[dataIndex]!;
        const whole = [...parts.values()].reduce((a, b) => a + b, 0);
        return `mean step up to step ${last.toLocaleString('en-US')}: ${figure(whole)} ms`;
      },
      value => `${figure(value)} ms`,
    ),
    grid: { left: 8, right: 16, top: 36, bottom: 28, containLabel: true },
    series: names.map(name => ({
      type: 'line' as const,
      stack: 'time',
      areaStyle: { opacity: name === 'nothing to do' ? 0.15 : 0.7 },
      lineStyle: { width: 1 },
      showSymbol: samples.length === 1,
      name,
      data: samples.map(sample => sample.parts.get(name) ?? 0),
    })),
  });
}
