import assert from 'node:assert/strict';
import type { Limits, NodeTime } from '../../core/index.ts';
import { kernelRows, kernelTable, totalRows, totalTable } from '../../pipelines/commands/kernelTable.ts';
import { millrace } from './toy.ts';

const limits: Limits = { flopsPerSecond: 100e9, bytesPerSecond: 10e9, how: 'stated' };
const node = (name: string, primitive: string, ms: readonly number[], flops: number, bytes: number, variant?: string): NodeTime => ({
  part: primitive.includes('.') ? 'backward' : 'forward',
  node: name,
  primitive,
  variant,
  attributes: {},
  inputs: [[2, 3]],
  output: [2, 3, 4],
  flops,
  bytes,
  ms: ms.reduce((sum, each) => sum + each, 0),
  launches: ms.map((each, i) => ({ kernel: `${primitive}.${i}`, ms: each, bytes: 1e6 })),
});
const nodes = [
  node('relu1', 'relu', [1], 1e6, 5e6),
  node('conv1', 'conv2d', [0.5, 1.5], 100e6, 5e6, 'conv2d/wasm-gemm'),
  node('conv1', 'conv2d.filterGradient', [4], 100e6, 60e6),
];

describe('the table of kernels', () => {
  it('should rate each node against whichever limit holds it back @smoke', () => {
    const rows = kernelRows(nodes, limits);
    assert.deepEqual(
      rows.map(({ primitive, ms }) => [primitive, ms]),
      [
        ['conv2d.filterGradient', 4],
        ['conv2d', 2],
        ['relu', 1],
      ],
    );
    // 60 MB at 10 GB/s are 6 ms; 100 MFLOP at 100 GFLOP/s are 1 ms; 5 MB are 0.5 ms
    assert.deepEqual(
      rows.map(({ of_limit }) => of_limit),
      [1.5, 0.5, 0.5],
    );
    assert.deepEqual([rows[1].gflops, rows[1].gb_per_s, rows[1].variant, rows[0].variant], [50, 2.5, 'conv2d/wasm-gemm', null]);
    assert.equal(kernelRows(nodes, undefined)[0].of_limit, null);
  });

  it('should add up groups, whose limit is the sum of their nodes', () => {
    const rows = kernelRows(nodes, limits);
    const parts = totalRows(rows, ({ part }) => part, limits);
    assert.deepEqual(
      parts.map(({ name, nodes, ms, flops, of_limit }) => [name, nodes, ms, flops, of_limit]),
      [
        ['backward', 1, 4, 100e6, 1.5],
        ['forward', 2, 3, 101e6, 0.5],
      ],
    );
    assert.match(totalTable('part', parts, 120), /^4\.00 {2}57\.1 % {2}backward/m);
  });

  it('should show launches below their node, the rest in one line, and fit the terminal', () => {
    const rows = kernelRows(nodes, limits);
    const text = kernelTable(rows, 2, 120);
    assert.match(text, /^ *2\.00 +28\.6 % +conv1 +conv2d\/wasm-gemm +2×3×4 +50\.0 +2\.50 +50 %$/m);
    assert.match(text, /^0\.500 +· conv2d\.0 +2\.00$/m);
    assert.match(text, /\n… and 1 more, 1 ms together$/);
    const long = kernelRows([node('layer'.repeat(20), 'conv2d', [1], 1, 1, `conv2d/${'x'.repeat(80)}`)], limits);
    for (const line of kernelTable(long, 1, 100).split('\n')) assert.ok(line.length <= 100, line);
  });
});

describe('bench step --kernels', () => {
  const tiny = ['--model', 'tiny', '--size', '8', '--classes', '10', '--batch', '2', '--steps', '1', '--threads', '1'];

  it('should time every node and set it against the stated limits', async () => {
    const args = ['--device', 'wasm', '--kernels', '--peak-gflops', '50', '--peak-bandwidth', '20', '--json'];
    const { status, stderr, events, summary } = await millrace('bench', 'step', ...tiny, ...args);
    assert.equal(status, 0, stderr);
    const kernels = events.filter(({ event }) => event === 'kernel') as { ms: number; primitive: string; part: string }[];
    assert.ok(kernels.every(({ ms }, i) => ms >= 0 && (i === 0 || ms <= kernels[i - 1].ms)));
    assert.ok(kernels.some(({ primitive }) => primitive === 'conv2d.filterGradient'));
    assert.deepEqual([...new Set(kernels.map(({ part }) => part))].sort(), ['backward', 'forward', 'loss', 'update']);
    const parts = events.filter(({ event }) => event === 'part') as unknown as { nodes: number; ms: number }[];
    assert.equal(
      parts.reduce((sum, { nodes }) => sum + nodes, 0),
      kernels.length,
    );
    assert.deepEqual([summary.limit_gflops, summary.limit_gb_per_s], [50, 20]);
    assert.ok((summary.kernels_ms as number) > 0);
  });

  it('should measure the limits of the device where they are not stated', async () => {
    const { summary } = await millrace('bench', 'step', ...tiny, '--device', 'wasm', '--kernels', '5', '--json');
    // whatever the machine: SIMD code does more than one FLOP and one byte a nanosecond
    assert.ok((summary.limit_gflops as number) > 1 && (summary.limit_gb_per_s as number) > 1);
  });

  it('should say so where launches cannot be timed', async () => {
    const { status, stderr } = await millrace('bench', 'step', ...tiny, '--device', 'cpu', '--kernels');
    assert.equal(status, 2);
    assert.match(stderr, /^millrace: --kernels: expected a device that can time its launches one by one, got .*Use --device wasm/);
  });
});
