/**
 * Convolutions of ResNet-18, ResNet-50, AlexNet and ResNet-8 (32 pixels) one by one on the wasm device: milliseconds and GFLOP/s of each pass.
 *
 *   npx tsx spec/bench/convs.ts [FILTER] [--threads N] [--pass forward|input|filter] [--exact] [--kernels] [--ms N] [--json]
 *
 * FILTER is a regular expression on the layer's name. Best and median of about `--ms` milliseconds a pass (300), on synthetic
 * data, by the device's own launch times. `--exact` keeps Winograd out, `--kernels` shows the launches of a pass.
 * GFLOP/s count two FLOPs for every product of the definition, whatever a variant saves.
 */
import { parseArgs } from 'node:util';
import type { Device } from '../../core/devices/device.ts';
import { openWasm } from '../../core/devices/wasm/device.ts';
import { type LoweredNode, lower } from '../../core/plan/lower.ts';
import { elements } from '../../core/shape.ts';
import { opProgram } from '../core/ops/opProgram.ts';

/** name, batch, height and width, channels, filters, kernel, stride, padding, how often the network has it. */
type Layer = readonly [string, number, number, number, number, number, number, number, number];
const layers: readonly Layer[] = [
  ['r18 7x7s2 3>64 @224', 8, 224, 3, 64, 7, 2, 3, 1],
  ['r18 3x3 64>64 @56', 8, 56, 64, 64, 3, 1, 1, 4],
  ['r18 3x3s2 64>128 @56', 8, 56, 64, 128, 3, 2, 1, 1],
  ['r18 1x1s2 64>128 @56', 8, 56, 64, 128, 1, 2, 0, 1],
  ['r18 3x3 128>128 @28', 8, 28, 128, 128, 3, 1, 1, 3],
  ['r18 3x3s2 128>256 @28', 8, 28, 128, 256, 3, 2, 1, 1],
  ['r18 1x1s2 128>256 @28', 8, 28, 128, 256, 1, 2, 0, 1],
  ['r18 3x3 256>256 @14', 8, 14, 256, 256, 3, 1, 1, 3],
  ['r18 3x3s2 256>512 @14', 8, 14, 256, 512, 3, 2, 1, 1],
  ['r18 1x1s2 256>512 @14', 8, 14, 256, 512, 1, 2, 0, 1],
  ['r18 3x3 512>512 @7', 8, 7, 512, 512, 3, 1, 1, 3],
  ['r50 1x1 64>64 @56', 8, 56, 64, 64, 1, 1, 0, 1],
  ['r50 1x1 64>256 @56', 8, 56, 64, 256, 1, 1, 0, 4],
  ['r50 1x1 256>64 @56', 8, 56, 256, 64, 1, 1, 0, 2],
  ['r50 1x1 256>128 @56', 8, 56, 256, 128, 1, 1, 0, 1],
  ['r50 3x3s2 128>128 @56', 8, 56, 128, 128, 3, 2, 1, 1],
  ['r50 1x1s2 256>512 @56', 8, 56, 256, 512, 1, 2, 0, 1],
  ['r50 1x1 128>512 @28', 8, 28, 128, 512, 1, 1, 0, 4],
  ['r50 1x1 512>128 @28', 8, 28, 512, 128, 1, 1, 0, 3],
  ['r50 1x1 512>256 @28', 8, 28, 512, 256, 1, 1, 0, 1],
  ['r50 3x3s2 256>256 @28', 8, 28, 256, 256, 3, 2, 1, 1],
  ['r50 1x1s2 512>1024 @28', 8, 28, 512, 1024, 1, 2, 0, 1],
  ['r50 1x1 256>1024 @14', 8, 14, 256, 1024, 1, 1, 0, 6],
  ['r50 1x1 1024>256 @14', 8, 14, 1024, 256, 1, 1, 0, 5],
  ['r50 1x1 1024>512 @14', 8, 14, 1024, 512, 1, 1, 0, 1],
  ['r50 3x3s2 512>512 @14', 8, 14, 512, 512, 3, 2, 1, 1],
  ['r50 1x1s2 1024>2048 @14', 8, 14, 1024, 2048, 1, 2, 0, 1],
  ['r50 1x1 512>2048 @7', 8, 7, 512, 2048, 1, 1, 0, 3],
  ['r50 1x1 2048>512 @7', 8, 7, 2048, 512, 1, 1, 0, 2],
  ['alex 11x11s4 3>64 @224', 16, 224, 3, 64, 11, 4, 2, 1],
  ['alex 5x5 64>192 @27', 16, 27, 64, 192, 5, 1, 2, 1],
  ['alex 3x3 192>384 @13', 16, 13, 192, 384, 3, 1, 1, 1],
  ['alex 3x3 384>256 @13', 16, 13, 384, 256, 3, 1, 1, 1],
  ['alex 3x3 256>256 @13', 16, 13, 256, 256, 3, 1, 1, 1],
  ['r8 3x3 3>16 @32', 64, 32, 3, 16, 3, 1, 1, 1],
  ['r8 3x3 16>16 @32', 64, 32, 16, 16, 3, 1, 1, 2],
  ['r8 3x3s2 16>32 @32', 64, 32, 16, 32, 3, 2, 1, 1],
  ['r8 3x3 32>32 @16', 64, 16, 32, 32, 3, 1, 1, 1],
  ['r8 3x3s2 32>64 @16', 64, 16, 32, 64, 3, 2, 1, 1],
  ['r8 3x3 64>64 @8', 64, 8, 64, 64, 3, 1, 1, 1],
];
const passes = { forward: 'conv2d', input: 'conv2d.inputGradient', filter: 'conv2d.filterGradient' } as const;

interface Timing {
  readonly layer: string;
  readonly pass: string;
  readonly variant: string | undefined;
  readonly bestMs: number;
  readonly medianMs: number;
  readonly gflops: number;
  readonly medianGflops: number;
  readonly launches: readonly { readonly kernel: string; readonly ms: number }[];
}

async function time(device: Device, nodes: readonly LoweredNode[], buffers: Map<string, ReturnType<Device['allocate']>>, ms: number) {
  const [node] = nodes as [LoweredNode];
  const argument = (name: string) => {
    const buffer = buffers.get(name)!;
    return { buffer, length: buffer.bytes / 4, dtype: 'f32' as const };
  };
  const placed = node.launches.map(launch => ({
    label: launch.kernel.name,
    launch,
    inputs: launch.inputs.map(argument),
    output: argument(launch.output),
  }));
  const segment = await device.compile(placed);
  const runs: { total: number; each: readonly number[] }[] = [];
  // the first runs are still being compiled to machine code
  for (const warm = performance.now(); performance.now() - warm < ms / 4; ) await device.run(segment);
  for (const began = performance.now(); performance.now() - began < ms || runs.length < 3; ) {
    const each = await device.profile!(segment);
    runs.push({ total: each.reduce((sum, value) => sum + value, 0), each });
  }
  runs.sort((a, b) => a.total - b.total);
  const [best, median] = [runs[0]!, runs[runs.length >> 1]!];
  const launches = node.launches.map(({ kernel }, i) => ({ kernel: kernel.name, ms: best.each[i]! }));
  const rate = (took: number) => node.cost.flops / took / 1e6;
  return { bestMs: best.total, medianMs: median.total, gflops: rate(best.total), medianGflops: rate(median.total), launches };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '2' },
    pass: { type: 'string', default: '' },
    ms: { type: 'string', default: '300' },
    exact: { type: 'boolean', default: false },
    kernels: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const wanted = new RegExp(positionals[0] ?? '');
const device = await openWasm({ threads: Number(values.threads) });
for (const [layer, N, H, C, filters, kernel, stride, padding] of layers) {
  if (!wanted.test(layer)) continue;
  const { program } = opProgram('conv2d', { filters, kernel, stride, padding, bias: false }, [[N, H, H, C]]);
  const { tensors, nodes } = lower(program, 'wasm', { exact: values.exact, features: device.features });
  const buffers = new Map([...tensors.values()].map(({ name, shape }) => [name, device.allocate(elements(shape) * 4, name)]));
  for (const { name, shape } of Object.values(program.tensors)) {
    // no denormals, no growth: any numbers of both signs do
    device.write(
      buffers.get(name)!,
      Float32Array.from({ length: elements(shape) }, (_, i) => ((i * 7919) % 1024) / 512 - 1),
    );
  }
  for (const [pass, primitive] of Object.entries(passes)) {
    // nothing asks for the gradient of photographs
    if (!pass.startsWith(values.pass) || (pass === 'input' && C === 3)) continue;
    const node = nodes.filter(each => each.node.primitive === primitive);
    const timing: Timing = { layer, pass, variant: node[0]?.variant, ...(await time(device, node, buffers, Number(values.ms))) };
    const { bestMs, medianMs, gflops, medianGflops, variant, launches } = timing;
    if (values.json) console.log(JSON.stringify(timing));
    else {
      const speed = `${bestMs.toFixed(2).padStart(7)} ms ${gflops.toFixed(0).padStart(4)} GFLOP/s, median ${medianMs.toFixed(2)} (${medianGflops.toFixed(0)})`;
      const detail = values.kernels ? launches.map(each => `${each.kernel} ${each.ms.toFixed(2)}`).join(', ') : (variant ?? '');
      console.log(`${layer.padEnd(24)} ${pass.padEnd(8)} ${speed}  ${detail}`);
    }
  }
  for (const buffer of buffers.values()) device.free(buffer);
}
await device.destroy();
