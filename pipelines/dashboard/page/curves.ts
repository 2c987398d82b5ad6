import type { Events } from '../protocol.ts';
import type { StepColumns } from '../stepHistory.ts';
import { axis, draw, type Point, tip } from './charts.ts';
import { figure, share } from './format.ts';

/** Weight of the newest row in the smoothed curve. */
const newest = 0.05;

/** What a chart says to those who do not see it. */
const described = (description: string) => ({ enabled: true, label: { description } });

/** Loss, accuracy and learning rate over the steps; held-out values stand at the last step of their epoch. */
export function drawCurves(steps: StepColumns, epochs: readonly Events['epoch'][]): void {
  const at = (values: readonly number[]) => steps.step.map((step, i) => [step, finite(values[i])]);
  const ends = epochEnds(steps);
  const heldOut = (value: (epoch: Events['epoch']) => number) =>
    epochs.flatMap(epoch => {
      const step = ends.get(epoch.epoch);
      return step === undefined ? [] : [[step, finite(value(epoch))]];
    });
  const few = { symbol: 'circle', symbolSize: 7, showSymbol: true } as const;
  // none is thinned: there are at most 2,000, and a curve without a point at the pointer's step would be missing from the tooltip
  const many = { showSymbol: false } as const;
  const x = {
    ...axis(),
    type: 'value',
    name: 'step',
    nameLocation: 'middle',
    nameGap: 24,
    min: 'dataMin',
    max: 'dataMax',
    splitLine: { show: false },
  } as const;
  // of a long run each point stands for several steps
  const where = ({ axisValue }: Point) => stepsAt(steps, Number(axisValue));
  const smoothLoss = smoothed(steps.loss);
  const smoothTop1 = smoothed(steps.top1);
  const last = epochs.at(-1);
  const upTo = `over steps ${steps.step[0] ?? 0} to ${steps.step.at(-1) ?? 0}`;
  draw('loss', {
    aria: described(
      `Loss ${upTo}: smoothed from ${figure(smoothLoss[0])} to ${figure(smoothLoss.at(-1))}, held-out ${figure(last?.loss)}.`,
    ),
    xAxis: x,
    yAxis: { ...axis(), type: 'value', scale: true },
    tooltip: tip(where, figure),
    grid: { left: 8, right: 16, top: 36, bottom: 28, containLabel: true },
    series: [
      {
        ...many,
        type: 'line',
        id: 'loss',
        name: steps.steps[0]! > 1 ? `mean of ${steps.steps[0]} steps` : 'each step',
        data: at(steps.loss),
        lineStyle: { width: 1, opacity: 0.35 },
        itemStyle: { opacity: 0.35 },
      },
      { ...many, type: 'line', name: 'smoothed', data: at(smoothLoss), lineStyle: { width: 2 } },
      { ...few, type: 'line', name: 'held-out', data: heldOut(({ loss }) => loss), lineStyle: { width: 2 } },
    ],
  });
  draw('accuracy', {
    aria: described(
      `Accuracy ${upTo}: top-1 in training, smoothed, from ${share(smoothTop1[0])} to ${share(smoothTop1.at(-1))}, held-out top-1 ${share(last?.top1)}, top-5 ${share(last?.top5)}.`,
    ),
    xAxis: x,
    yAxis: {
      ...axis(),
      type: 'value',
      min: 0,
      max: 1,
      axisLabel: { ...axis().axisLabel, formatter: (value: number) => `${100 * value} %` },
    },
    tooltip: tip(where, share),
    grid: { left: 8, right: 16, top: 36, bottom: 28, containLabel: true },
    series: [
      { ...many, type: 'line', name: 'top-1 in training', data: at(smoothTop1), lineStyle: { width: 2 } },
      { ...few, type: 'line', name: 'held-out top-1', data: heldOut(({ top1 }) => top1), lineStyle: { width: 2 } },
      { ...few, type: 'line', name: 'held-out top-5', data: heldOut(({ top5 }) => top5), lineStyle: { width: 1, type: 'dashed' } },
    ],
  });
  draw('rate', {
    aria: described(`Learning rate ${upTo}: from ${figure(steps.lr[0])} to ${figure(steps.lr.at(-1))}.`),
    xAxis: x,
    yAxis: { ...axis(), type: 'value', min: 0, axisLabel: { ...axis().axisLabel, formatter: (value: number) => figure(value) } },
    tooltip: tip(where, figure),
    grid: { left: 8, right: 16, top: 36, bottom: 28, containLabel: true },
    series: [{ ...many, type: 'line', name: 'learning rate', data: at(steps.lr), step: 'end', lineStyle: { width: 2 } }],
  });
}

function stepsAt({ step, steps }: StepColumns, at: number): string {
  const covers = steps[step.indexOf(at)] ?? 1;
  const last = at.toLocaleString('en-US');
  return covers > 1 ? `steps ${(at - covers + 1).toLocaleString('en-US')} to ${last}` : `step ${last}`;
}

const finite = (value: number | undefined): number | null => (value !== undefined && Number.isFinite(value) ? value : null);

function smoothed(values: readonly number[]): number[] {
  let mean = Number.NaN;
  return values.map((value, i) => {
    if (!Number.isFinite(value)) return mean;
    mean = Number.isNaN(mean) ? value : mean + Math.max(newest, 1 / (i + 1)) * (value - mean);
    return mean;
  });
}

/** Epoch → its last step so far. */
function epochEnds({ step, epoch }: StepColumns): Map<number, number> {
  const ends = new Map<number, number>();
  for (const [i, each] of epoch.entries()) ends.set(each, step[i]!);
  return ends;
}
