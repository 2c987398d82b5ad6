import type { Fused } from '../ops/fusion.ts';
import { elements, text } from '../shape.ts';
import type { LoweredNode } from './lower.ts';
import type { Plan } from './plan.ts';

/** The plan as aligned text: node, kernels or variant, shape, memory of the output, cost; then totals. */
export function planTable({ lowered, buffers, memory, scratchBytes }: Plan): string {
  const header = ['segment', 'node', 'kernel', 'shape', 'output', 'MFLOP', 'MB moved', 'buffer'];
  const rows = lowered.nodes.map(({ node, cost, variant, launches }) => {
    const { shape, dtype } = lowered.tensors.get(node.output)!;
    return [
      node.segment,
      node.node,
      kernelOf({ node, variant, launches }),
      text(shape),
      bytes(elements(shape) * (dtype === 'u8' ? 1 : 4)),
      (cost.flops / 1e6).toFixed(2),
      (cost.bytes / 1e6).toFixed(2),
      buffers.get(node.output)?.label ?? '',
    ];
  });
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
  return [
    ...lines,
    `${lowered.nodes.length} nodes, ${launches} launches, ${work(flops)}, peak memory ${bytes(peak)}${scratch} in ${memory.length} buffers`,
  ].join('\n');
}

/** What computes a node, with what is fused into it: `conv2d/wasm-gemm+bias+relu`, `batchNorm2d+add+relu ×2`. */
function kernelOf({ node, variant, launches }: Pick<LoweredNode, 'node' | 'variant' | 'launches'>): string {
  const { relu, residual, gate, mask, inPlace } = node.attributes as Fused;
  const product = node.primitive === 'conv2d' || node.primitive === 'linear';
  const parts = [
    variant ?? node.primitive,
    ...(relu && product && node.inputs.length === 3 ? ['bias'] : []),
    ...(residual ? ['add'] : []),
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
