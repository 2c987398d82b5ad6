import { stripVTControlCharacters } from 'node:util';
import { color } from './color.ts';
import { bytes, duration, figure, fit, flow, share } from './format.ts';
import type { StageRow } from './stageTable.ts';

/** What one look at a training run shows. */
export interface BlockState {
  /** 0-based. */
  readonly epoch: number;
  readonly epochs: number;
  /** Done in this epoch, and in the whole run. */
  readonly stepInEpoch: number;
  readonly stepsPerEpoch: number;
  readonly step: number;
  readonly steps: number;
  readonly loss: Followed;
  readonly top1: Followed;
  readonly lr: number;
  readonly imagesPerSecond: number;
  /** NaN while it is not known. */
  readonly secondsLeft: number;
  readonly phase: 'training' | 'held-out' | 'paused' | 'stopping';
  readonly stages: readonly StageRow[];
  readonly device: { readonly description: string; readonly busyShare: number | undefined; readonly bytes: number };
  readonly processBytes: number;
}
export interface Followed {
  readonly smooth: number;
  readonly last: number;
}

const phases: Readonly<Record<BlockState['phase'], string>> = {
  training: '',
  'held-out': color.cyan('held-out images …'),
  paused: color.yellow('paused'),
  stopping: color.yellow('stopping …'),
};

/**
 * The lines of the live block, each shorter than the terminal is wide and so many that one line of the text above can still be seen. What
 * is left out where there is little room, first to last: stages far from the one that limits (how many is said), the device, the numbers,
 * the epoch's bar.
 */
export function block(state: BlockState, columns: number, rows: number): string[] {
  const most = Math.max(1, rows - 1);
  const [epoch, run] = bars(state, columns);
  const numbers = flow(numberParts(state, columns), columns);
  const device = fit(deviceParts(state), columns);
  const stages = stageLines(state.stages, columns);
  const limiting = Math.max(
    0,
    state.stages.findIndex(({ limits }) => limits),
  );
  const more = (count: number) => fit([color.dim(`  +${count} stage${count === 1 ? '' : 's'}`)], columns);
  const above = [epoch, run, ...numbers];
  const candidates = [
    ...(most - above.length >= Math.min(3, stages.length + 1)
      ? [[...above, ...around(stages, limiting, most - above.length - 1, more), device]]
      : []),
    [...above, ...around(stages, limiting, most - above.length, more)],
    [epoch, run, ...numbers.slice(0, Math.max(1, most - 2))],
    [run, fit(numberParts(state, columns), columns)],
  ];
  return (candidates.find(lines => lines.length <= most) ?? [run]).filter(Boolean);
}

/** As many stages as there is room for, those next to the one that matters; the last line says how many more there are. */
function around(stages: readonly string[], at: number, room: number, more: (count: number) => string): readonly string[] {
  if (stages.length <= room) return stages;
  const shown = Math.max(1, room - 1);
  const first = Math.min(Math.max(0, at - Math.floor(shown / 2)), stages.length - shown);
  return [...stages.slice(first, first + shown), ...(room > 1 ? [more(stages.length - shown)] : [])];
}

function bars(state: BlockState, columns: number): [epoch: string, run: string] {
  const { epoch, epochs, stepInEpoch, stepsPerEpoch, step, steps, phase, secondsLeft } = state;
  const label = `epoch ${epoch + 1}/${epochs}`;
  const counts = [`${stepInEpoch}/${stepsPerEpoch}`, `${step}/${steps}`].map((text, _, all) =>
    text.padStart(Math.max(...all.map(each => each.length))),
  );
  const end = phases[phase] || (Number.isFinite(secondsLeft) ? `${duration(secondsLeft)} left` : '');
  const room = columns - 1 - label.length - counts[0].length - 4;
  const beside = stripVTControlCharacters(end).length;
  const width = Math.max(0, Math.min(40, room - (beside > 0 ? beside + 2 : 0)));
  const line = (name: string, done: number, count: string, more: string) =>
    fit(
      // without bars there is nothing to align
      width < 4
        ? [color.bold(name), count.trim(), ...(more ? [more] : [])]
        : [color.bold(name.padEnd(label.length)), bar(done, width), count, ...(more ? [more] : [])],
      columns,
    );
  return [line(label, stepInEpoch / stepsPerEpoch, counts[0], ''), line('run', step / steps, counts[1], end)];
}

function numberParts({ loss, top1, lr, imagesPerSecond }: BlockState, columns: number): string[] {
  const last = (text: string) => (columns < 32 ? '' : ` ${color.dim(`last ${text}`)}`);
  return [
    `loss ${color.bold(figure(loss.smooth))}${last(figure(loss.last))}`,
    `top-1 ${color.bold(share(top1.smooth))}${last(share(top1.last))}`,
    `${color.bold(figure(imagesPerSecond))} images/s`,
    color.dim(`lr ${figure(lr)}`),
  ];
}

/** How full each stage is, how busy, and which one sets the pace. */
function stageLines(stages: readonly StageRow[], columns: number): string[] {
  const longest = Math.max(0, ...stages.map(({ stage }) => stage.length));
  const gauge = columns < 60 ? 4 : 10;
  const queues = stages.map(({ queue, queue_bound }) => `${Math.round(queue)}${queue_bound === null ? '' : `/${queue_bound}`}`);
  const queueWidth = Math.max(0, ...queues.map(text => text.length));
  // marker, gauge, queue and `busy 100 %` with two spaces between them
  const nameWidth = Math.min(longest, Math.max(8, columns - 1 - (2 + 2 + gauge + 2 + queueWidth + 2 + 10)));
  return stages.map(({ stage, queue, queue_bound, busy, limits }, i) => {
    const name = stage.length > nameWidth ? `${stage.slice(0, nameWidth - 1)}…` : stage.padEnd(nameWidth);
    const filled = queue_bound === null ? ' '.repeat(gauge) : bar(queue / queue_bound, gauge);
    const parts = [
      limits ? color.yellow(color.bold(`▸ ${name}`)) : `  ${name}`,
      filled,
      queues[i].padStart(queueWidth),
      `busy ${`${Math.round(100 * busy)} %`.padStart(5)}`,
      ...(limits ? [color.yellow('limits')] : []),
    ];
    return fit(parts, columns);
  });
}

function deviceParts({ device, processBytes }: BlockState): string[] {
  const { description, busyShare, bytes: held } = device;
  return [
    `memory ${bytes(processBytes)}`,
    ...(held > 0 ? [`device ${bytes(held)}`] : []),
    ...(busyShare === undefined ? [] : [`busy ${Math.round(100 * busyShare)} %`]),
    ...(description ? [color.dim(description)] : []),
  ];
}

export function bar(done: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, done)) * width);
  return color.cyan('█'.repeat(full)) + color.dim('░'.repeat(width - full));
}
