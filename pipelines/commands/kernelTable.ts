import { type Limits, leastMs, type NodeTime } from '../../core/index.ts';
import { type Column, columns } from '../terminal/columns.ts';
import { figure } from '../terminal/format.ts';

/** What a node, or a group of nodes, did in its time. */
export interface Rates {
  readonly ms: number;
  readonly flops: number;
  readonly bytes: number;
  readonly gflops: number;
  readonly gb_per_s: number;
  /** Time that the device's limits allow, as a part of the time it took; null if they are not known. */
  readonly of_limit: number | null;
}

/** `least` is the time at the limits, which for a group is the sum over its nodes. */
function rates(ms: number, flops: number, bytes: number, least: number | undefined): Rates {
  return { ms, flops, bytes, gflops: flops / ms / 1e6, gb_per_s: bytes / ms / 1e6, of_limit: least === undefined ? null : least / ms };
}

export interface KernelRow extends Rates {
  readonly part: string;
  readonly node: string;
  readonly primitive: string;
  /** The variant, or null where the op's own gpu.js kernels ran. */
  readonly variant: string | null;
  readonly attributes: NodeTime['attributes'];
  readonly inputs: NodeTime['inputs'];
  readonly output: NodeTime['output'];
  readonly launches: NodeTime['launches'];
}
export interface TotalRow extends Rates {
  readonly name: string;
  readonly nodes: number;
}

/** One row a node, the slowest first. */
export function kernelRows(nodes: readonly NodeTime[], limits: Limits | undefined): KernelRow[] {
  return nodes
    .map(({ part, node, primitive, variant = null, attributes, inputs, output, launches, ms, flops, bytes }) => ({
      part,
      node,
      primitive,
      variant,
      attributes,
      inputs,
      output,
      launches,
      ...rates(ms, flops, bytes, limits && leastMs(limits, { flops, bytes })),
    }))
    .sort((a, b) => b.ms - a.ms);
}

/** Sums of the rows that have one name, the slowest first. */
export function totalRows(rows: readonly KernelRow[], nameOf: (row: KernelRow) => string, limits: Limits | undefined): TotalRow[] {
  const groups = new Map<string, KernelRow[]>();
  for (const row of rows) groups.set(nameOf(row), [...(groups.get(nameOf(row)) ?? []), row]);
  return [...groups]
    .map(([name, members]) => {
      const sum = (of: (row: KernelRow) => number) => members.reduce((total, row) => total + of(row), 0);
      const least = limits && sum(row => leastMs(limits, row));
      return {
        name,
        nodes: members.length,
        ...rates(
          sum(row => row.ms),
          sum(row => row.flops),
          sum(row => row.bytes),
          least,
        ),
      };
    })
    .sort((a, b) => b.ms - a.ms);
}

const numbers: readonly Column[] = [
  { title: 'GFLOP/s', right: true },
  { title: 'GB/s', right: true },
  { title: 'of limit', right: true },
];
const percent = (value: number | null): string => (value === null ? '' : `${Math.round(100 * value)} %`);
const part = (value: number): string => `${(100 * value).toFixed(1)} %`;
const milliseconds = (ms: number): string => (ms >= 100 ? ms.toFixed(0) : ms >= 1 ? ms.toFixed(2) : ms.toFixed(3));
/** Three digits, but no more than two places: rates below that are noise. */
const rate = (value: number): string => (value >= 100 ? figure(Math.round(value)) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const measured = ({ gflops, gb_per_s, of_limit, flops }: Rates): string[] => [
  flops > 0 ? rate(gflops) : '',
  rate(gb_per_s),
  percent(of_limit),
];

/** The `most` slowest nodes; a node with several launches has them below it. */
export function kernelTable(rows: readonly KernelRow[], most: number, width: number): string {
  const whole = rows.reduce((sum, { ms }) => sum + ms, 0);
  const lines = rows.slice(0, most).flatMap(row => {
    const { ms, node, variant, primitive, output, launches } = row;
    const first = [milliseconds(ms), part(ms / whole), node, variant ?? primitive, output.join('×'), ...measured(row)];
    if (launches.length === 1) return [first];
    return [
      first,
      ...launches.map(launch => [milliseconds(launch.ms), '', '', ` · ${launch.kernel}`, '', '', rate(launch.bytes / launch.ms / 1e6), '']),
    ];
  });
  const head: Column[] = [
    { title: 'ms', right: true },
    { title: 'share', right: true },
    { title: 'node', least: 12 },
    { title: 'variant, or the op whose gpu.js kernels ran', least: 24 },
    { title: 'output' },
    ...numbers,
  ];
  const left = rows.slice(most);
  const rest = left.reduce((sum, { ms }) => sum + ms, 0);
  const more = left.length === 0 ? '' : `\n… and ${left.length} more, ${figure(rest)} ms together`;
  return columns(head, lines, width) + more;
}

/** Totals of the groups, with their share of all time. */
export function totalTable(title: string, rows: readonly TotalRow[], width: number): string {
  const whole = rows.reduce((sum, { ms }) => sum + ms, 0);
  const lines = rows.map(row => [milliseconds(row.ms), part(row.ms / whole), row.name, String(row.nodes), ...measured(row)]);
  const head: Column[] = [
    { title: 'ms', right: true },
    { title: 'share', right: true },
    { title, least: 24 },
    { title: 'nodes', right: true },
    ...numbers,
  ];
  return columns(head, lines, width);
}

/** The limits in a line. */
export const limitsLine = ({ flopsPerSecond, bytesPerSecond, how }: Limits): string =>
  `${figure(flopsPerSecond / 1e9)} GFLOP/s, ${figure(bytesPerSecond / 1e9)} GB/s read and written (${how})`;
