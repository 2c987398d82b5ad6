/**
 * The tables of what spec/bench/gpu.sh has measured.
 *
 *   npx tsx spec/bench/gpuReport.ts bench-out/results.jsonl
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type KernelRow, kernelTable } from '../../pipelines/commands/kernelTable.ts';
import { type WayRow, wayTable } from '../../pipelines/commands/wayTable.ts';
import { columns } from '../../pipelines/terminal/columns.ts';
import { bytes, figure, share } from '../../pipelines/terminal/format.ts';
import { type Failed, type Row, reportTable } from './peers/report.ts';

type Event = Readonly<Record<string, unknown>> & { readonly event: string };
export interface Part {
  readonly name: string;
  readonly status: string;
  readonly seconds: number;
  readonly events: readonly Event[];
  readonly summary: Event | undefined;
}

/** Cuts the lines into parts; what a part that was killed had said counts, half a line does not. */
export function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  let events: Event[] = [];
  for (const line of text.split('\n')) {
    const event = parsed(line);
    if (!event) continue;
    if (event.event === 'begin') events = [];
    else if (event.event !== 'part') events.push(event);
    else {
      const { part, status, seconds } = event as Event & { part: string; status: string; seconds: number };
      parts.push({ name: part, status, seconds, events, summary: events.findLast(each => each.event === 'summary') });
      events = [];
    }
  }
  return parts;
}

function parsed(line: string): Event | undefined {
  try {
    const value = JSON.parse(line) as Event | null;
    return typeof value === 'object' && value !== null && typeof value.event === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

const width = 130;
/** Kernels of each step that are shown. */
const slowest = 12;
const number = (event: Event, field: string): number => event[field] as number;

export function gpuReport(text: string): string {
  const parts = partsOf(text);
  const named = (start: string) => parts.filter(({ name, summary }) => name.startsWith(start) && summary);
  const sections = [partTable(parts), stepTable(named('step-'))];
  for (const { name, summary } of named('peers-')) {
    sections.push(`${name}\n${reportTable(summary!.rows as Row[], summary!.failed as Failed[], width)}`);
  }
  for (const { name, events } of named('step-')) {
    const rows = events.filter(({ event }) => event === 'kernel') as unknown as KernelRow[];
    if (rows.length > 0) sections.push(`${name}\n${kernelTable(rows, slowest, width)}`);
  }
  const ways = parts.filter(({ name }) => name === 'kernels').flatMap(({ events }) => events.filter(({ event }) => event === 'kernel'));
  if (ways.length > 0) sections.push(`kernels\n${wayTable(ways as unknown as WayRow[], width)}`);
  return `${sections.join('\n\n')}\n`;
}

function partTable(parts: readonly Part[]): string {
  const said = ({ summary }: Part): string => {
    if (!summary) return '';
    if ('passed' in summary) return `${summary.passed} passed, ${summary.failed} failed`;
    if ('images_per_s' in summary) return `${figure(number(summary, 'images_per_s'))} images/s on ${summary.device}`;
    return '';
  };
  const rows = parts.map(part => [part.name, part.status, `${part.seconds} s`, said(part)]);
  return columns([{ title: 'part' }, { title: 'status' }, { title: 'took', right: true }, { title: 'says', least: 20 }], rows, width);
}

/** `busy` is the time of all kernels over the time of a step: what is left is the host's. */
function stepTable(parts: readonly Part[]): string {
  const right = (title: string) => ({ title, right: true });
  const rows = parts.map(({ name, summary }) => {
    const step = summary!;
    const busy = typeof step.kernels_ms === 'number' ? share(step.kernels_ms / number(step, 'step_ms')) : '';
    return [
      name.replace('step-', ''),
      figure(number(step, 'images_per_s')),
      figure(number(step, 'step_ms')),
      figure(number(step, 'gflops')),
      busy,
      bytes(number(step, 'peak_bytes')),
      bytes(number(step, 'lower_bound_bytes')),
    ];
  });
  const head = [{ title: 'step' }, ...['images/s', 'ms', 'GFLOP/s', 'busy', 'memory', 'at least'].map(right)];
  return columns(head, rows, width);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.stdout.write(gpuReport(readFileSync(process.argv[2], 'utf8')));
