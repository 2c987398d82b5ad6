import type { Fused } from '../ops/fusion.ts';
import { elements, type Shape, text } from '../shape.ts';
import type { LoweredNode } from './lower.ts';
import type { Plan } from './plan.ts';

/** What a plan computes for one node. */
export interface PlanRow {
  readonly segment: string;
  readonly node: string;
  /** The variant, or the op whose gpu.js kernels run (×: so many of them), with what is fused into it after a +. */
  readonly kernel: string;
  /** Of what it computes, and its bytes. */
  readonly shape: Shape;
  readonly bytes: number;
  readonly flops: number;
  /** Bytes if every operand crossed memory once. */
  readonly moved: number;
  /** Where its output lies. */
  readonly buffer: string;
}

export function planRows({ lowered, buffers }: Plan): PlanRow[] {
  return lowered.nodes.map(({ node, cost, variant, launches, segment }) => {
    const { shape, dtype } = lowered.tensors.get(node.output)!;
    return {
      segment,
      node: node.node,
      kernel: kernelOf({ node, variant, launches }),
      shape,
      bytes: elements(shape) * (dtype === 'u8' ? 1 : 4),
      flops: cost.flops,
      moved: cost.bytes,
      buffer: buffers.get(node.output)?.label ?? '',
    };
  });
}

/** The plan as aligned text: node, kernels or variant, shape, memory of the output, cost; then totals. */
export function planTable(plan: Plan): string {
  const { lowered, memory, scratchBytes } = plan;
  const header = ['segment', 'node', 'kernel', 'shape', 'output', 'MFLOP', 'MB moved', 'buffer'];
  const rows = planRows(plan).map(row => [
    row.segment,
    row.node,
    row.kernel,
    text(row.shape),
    bytes(row.bytes),
    (row.flops / 1e6).toFixed(2),
    (row.moved / 1e6).toFixed(2),
    row.buffer,
  ]);
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map(row => row[column]!.length)));
  const lines = all.map(row =>
    row
      .map((value, column) => (column >= 4 && column <= 6 ? value.padStart(widths[column]!) : value.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  const peak = memory.reduce((sum, buffer) => sum + buffer.bytes, 0) - scratchBytes;
  const scratch = scratchBytes > 0 ? ` and ${bytes(scratchBytes)} of scratch` : '';
  const flops = lowered.nodes.reduce((sum, { cost }) => sum + cost.flops, 0);
  const launches = lowered.nodes.reduce((sum, node) => sum + node.launches.length, 0);
  const refused = refusals(lowered.nodes);
  return [
    ...lines,
    ...(refused ? [`gpu.js kernels where no variant takes the shapes, or what is fused: ${refused}`] : []),
    `${lowered.nodes.length} node${lowered.nodes.length === 1 ? '' : 's'}, ${launches} launch${launches === 1 ? '' : 'es'}, ${work(flops)}, peak memory ${bytes(peak)}${scratch} in ${memory.length} buffers`,
  ].join('\n');
}

/** `conv2d of grouped, depthwise; linear of fc1, fc2, fc3 and 2 more`, or nothing. */
function refusals(nodes: readonly LoweredNode[]): string {
  const byPrimitive = new Map<string, string[]>();
  for (const { node, refused } of nodes) {
    if (refused) byPrimitive.set(node.primitive, [...(byPrimitive.get(node.primitive) ?? []), node.node]);
  }
  const list = (names: string[]) => names.slice(0, 3).join(', ') + (names.length > 3 ? ` and ${names.length - 3} more` : '');
  return [...byPrimitive].map(([primitive, names]) => `${primitive} of ${list(names)}`).join('; ');
}

/** What computes a node, with what is fused into it: `conv2d/wasm-gemm+bias+relu`, `batchNorm2d+add+relu ×2`. */
function kernelOf({ node, variant, launches }: Pick<LoweredNode, 'node' | 'variant' | 'launches'>): string {
  const { relu, residual, gate, mask, sum, inPlace } = node.attributes as Fused;
  const product = node.primitive === 'conv2d' || node.primitive === 'linear';
  const parts = [
    variant ?? node.primitive,
    ...(relu && product && node.inputs.length === 3 ? ['bias'] : []),
    ...(residual || sum ? ['add'] : []),
    ...(relu ? ['relu'] : []),
    ...(gate || mask ? ['relu.inputGradient'] : []),
  ];
  const times = variant === undefined && launches.length > 1 ? ` ×${launches.length}` : '';
  return `${parts.join('+')}${times}${inPlace === undefined ? '' : ' in place'}`;
}

const work = (flops: number): string => (flops < 1e8 ? `${(flops / 1e6).toFixed(3)} MFLOP` : `${(flops / 1e9).toFixed(3)} GFLOP`);

function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  if (count < 1024 ** 2) return `${(count / 1024).toFixed(1)} KiB`;
  return `${(count / 1024 ** 2).toFixed(1)} MiB`;
}
