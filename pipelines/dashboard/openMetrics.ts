import type { Hub } from './hub.ts';

export const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter' | 'info';
  readonly unit?: string;
  readonly samples: readonly { readonly labels?: Readonly<Record<string, string>>; readonly value: number | undefined }[];
}

/** The state of a run for Prometheus and its kin, as OpenMetrics 1.0 writes it. */
export function openMetrics(hub: Hub): string {
  const run = hub.last('run');
  const step = hub.last('steps')?.at(-1);
  const epoch = hub.last('epoch');
  const measured = hub.totals?.();
  const stages = measured?.total.stages ?? [];
  const each = (value: (stage: (typeof stages)[number]) => number) =>
    stages.map(stage => ({ labels: { stage: stage.name }, value: value(stage) }));
  const one = (value: number | undefined) => [{ value }];
  const families: Family[] = [
    {
      name: 'millrace_run',
      help: 'What runs.',
      type: 'info',
      samples: run ? [{ labels: { model: run.model, device: run.device, pipeline: run.pipeline }, value: 1 }] : [],
    },
    { name: 'millrace_steps', help: 'Updates of the weights.', type: 'counter', samples: one(step?.step) },
    { name: 'millrace_epoch', help: 'Epoch at work, 0-based.', type: 'gauge', samples: one(step?.epoch) },
    { name: 'millrace_train_loss', help: 'Mean loss of the last training batch.', type: 'gauge', samples: one(step?.loss) },
    {
      name: 'millrace_train_top1_ratio',
      help: 'Top-1 of the last training batch.',
      type: 'gauge',
      unit: 'ratio',
      samples: one(step?.top1),
    },
    { name: 'millrace_learning_rate', help: 'Of the last step.', type: 'gauge', samples: one(step?.lr) },
    { name: 'millrace_step_seconds', help: 'Time of the last step.', type: 'gauge', unit: 'seconds', samples: one(step?.seconds) },
    { name: 'millrace_held_out_loss', help: 'After the last epoch.', type: 'gauge', samples: one(epoch?.loss) },
    { name: 'millrace_held_out_top1_ratio', help: 'After the last epoch.', type: 'gauge', unit: 'ratio', samples: one(epoch?.top1) },
    { name: 'millrace_held_out_top5_ratio', help: 'After the last epoch.', type: 'gauge', unit: 'ratio', samples: one(epoch?.top5) },
    { name: 'millrace_stage_items', help: 'Samples that left a stage.', type: 'counter', samples: each(stage => stage.itemsOut) },
    { name: 'millrace_stage_dropped_items', help: 'Samples that a stage dropped.', type: 'counter', samples: each(stage => stage.dropped) },
    {
      name: 'millrace_stage_busy_seconds',
      help: 'Work of a stage.',
      type: 'counter',
      unit: 'seconds',
      samples: each(stage => stage.busyMs / 1000),
    },
    { name: 'millrace_stage_queue_items', help: 'Samples inside a stage.', type: 'gauge', samples: each(stage => stage.depth) },
    { name: 'millrace_resident_bytes', help: 'Memory of the process.', type: 'gauge', unit: 'bytes', samples: one(measured?.memory.rss) },
    {
      name: 'millrace_device_bytes',
      help: 'Memory in buffers of the device.',
      type: 'gauge',
      unit: 'bytes',
      samples: one(measured?.memory.device),
    },
  ];
  return `${families.map(text).join('')}# EOF\n`;
}

function text({ name, help, type, unit, samples }: Family): string {
  const lines = samples.flatMap(({ labels, value }) => {
    if (value === undefined || value === null) return [];
    const suffix = type === 'counter' ? '_total' : type === 'info' ? '_info' : '';
    const names = Object.entries(labels ?? {}).map(([key, each]) => `${key}="${escaped(each)}"`);
    return [`${name}${suffix}${names.length > 0 ? `{${names.join(',')}}` : ''} ${number(value)}\n`];
  });
  if (lines.length === 0) return '';
  return [`# TYPE ${name} ${type}\n`, unit ? `# UNIT ${name} ${unit}\n` : '', `# HELP ${name} ${help}\n`, ...lines].join('');
}

const number = (value: number): string =>
  Number.isFinite(value) ? String(value) : Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
const escaped = (label: string): string => label.replace(/[\\"\n]/g, each => (each === '\n' ? '\\n' : `\\${each}`));
