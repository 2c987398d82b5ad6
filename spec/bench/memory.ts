/**
 * Memory-bound primitives on the wasm device beside a plain copy: every operand counted once, medians of several runs.
 *
 *   npx tsx spec/bench/memory.ts [--threads N] [--repeats N] [--json] [NAME...]      names of primitives, parts of them will do
 *
 * A copy in WebAssembly (`copyLimit`, same threads, same number of bytes) runs before every case in the same
 * segment; `share` is the case's bandwidth over the copy's. Large tensors have more than a last-level cache of 32 MB.
 * `kernels` is the time of the primitive's gpu.js kernels over the variant's.
 */
import { parseArgs } from 'node:util';
import type { PlacedLaunch } from '../../core/devices/device.ts';
import { openWasm } from '../../core/devices/wasm/device.ts';
import { fusedIn } from '../../core/ops/fusion.ts';
import { primitive } from '../../core/ops/index.ts';
import type { Tensor } from '../../core/ops/op.ts';
import '../../core/losses/index.ts';
import '../../core/optimizers/index.ts';
import { bytesOf, lower } from '../../core/plan/lower.ts';
import { ProgramBuilder } from '../../core/program/builder.ts';
import { uniforms } from '../../core/random.ts';
import { elements } from '../../core/shape.ts';
import { type MemoryCase, memoryCases } from './memoryCases.ts';

const { values: flags, positionals } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    repeats: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const threads = Number(flags.threads);
const repeats = Number(flags.repeats);

interface Row {
  readonly primitive: string;
  readonly shape: string;
  readonly megabytes: number;
  readonly ms: number;
  readonly gigabytesPerSecond: number;
  readonly copyGigabytesPerSecond: number;
  readonly share: number;
  readonly kernels: number;
}

const device = await openWasm({ threads });
if (!flags.json) {
  console.log(`${device.description}\n`);
  console.log('primitive'.padEnd(48), 'first input'.padEnd(20), '     MB      ms    GB/s  copy  share  kernels');
}
for (const each of memoryCases) {
  if (positionals.length > 0 && !positionals.some(part => each.primitive.includes(part))) continue;
  const row = await measure(each);
  if (flags.json) console.log(JSON.stringify(row));
  else {
    const numbers = [row.megabytes.toFixed(1), row.ms.toFixed(2), row.gigabytesPerSecond.toFixed(1)].map(text => text.padStart(7));
    const rest = [row.copyGigabytesPerSecond.toFixed(1).padStart(5), row.share.toFixed(2).padStart(6), row.kernels.toFixed(1).padStart(8)];
    console.log(row.primitive.padEnd(48), row.shape.padEnd(20), ...numbers, ...rest);
  }
}
await device.destroy();

async function measure({ primitive: name, attributes = {}, inputs, output }: MemoryCase): Promise<Row> {
  const builder = new ProgramBuilder();
  const operands = inputs.map(({ shape, dtype }, i) => builder.declare(`input ${i}`, 'input', shape, { dtype }));
  const { inPlace } = primitive(name);
  if (inPlace === undefined) builder.emit(name, 'output', output, operands, attributes);
  else builder.update(name, operands[inPlace]!, operands, attributes);
  const program = builder.build();
  const { bytes } = lower(program, 'wasm').nodes[0]!.cost;

  const buffers = new Map<string, ReturnType<typeof device.allocate>>();
  const place = (tensors: ReadonlyMap<string, Tensor>, launches: ReturnType<typeof lower>['nodes'][number]['launches']): PlacedLaunch[] => {
    const argument = (key: string) => {
      const tensor = tensors.get(key)!;
      let buffer = buffers.get(key);
      if (!buffer) {
        buffer = device.allocate(bytesOf(tensor), key);
        buffers.set(key, buffer);
        const given = inputs[Number(key.split(' ')[1])];
        const length = elements(tensor.shape);
        const next = uniforms(length);
        const value = given?.value ?? (() => 2 * next() - 1);
        if (tensor.dtype === 'u8')
          device.write(
            buffer,
            Uint8Array.from({ length }, () => 256 * next()),
          );
        else if (key.startsWith('input')) device.write(buffer, Float32Array.from({ length }, value));
      }
      return { buffer, length: elements(tensor.shape), dtype: tensor.dtype };
    };
    return launches.map(launch => ({
      label: launch.kernel.name,
      launch,
      inputs: launch.inputs.map(argument),
      output: argument(launch.output),
    }));
  };
  const launchesOf = (variants: boolean) => {
    const lowered = lower(program, 'wasm', { variants, features: device.features });
    return place(lowered.tensors, lowered.nodes[0]!.launches);
  };

  // half of the bytes read, half written
  const units = Math.ceil(bytes / 8 / 4096);
  const copied = [units * 4096];
  const copyBuilder = new ProgramBuilder();
  const from = copyBuilder.declare('copied', 'input', copied);
  const to = copyBuilder.declare('copy', 'activation', copied);
  const copy = place(new Map([from, to].map(tensor => [tensor.name, tensor])), [
    {
      kernel: { name: 'copy' },
      inputs: ['copied'],
      output: 'copy',
      body: {
        language: 'wasm',
        routine: 'copyLimit',
        units,
        arguments: ({ inputs, output }) => [...inputs, output],
      },
    },
  ]);

  const variant = launchesOf(true);
  const timed = await device.compile(Array.from({ length: repeats }, () => [...copy, ...variant]).flat());
  const rounds = async () => {
    const times = await device.profile!(timed);
    const stride = 1 + variant.length;
    // what the first launch took includes the threads' waking up
    return Array.from({ length: repeats - 1 }, (_, i) => i + 1).map(round => ({
      copy: times[round * stride]!,
      variant: times.slice(round * stride + 1, (round + 1) * stride).reduce((sum, ms) => sum + ms, 0),
    }));
  };
  // the first runs are compiled by V8's quick compiler
  await rounds();
  const all = [...(await rounds()), ...(await rounds())];
  // not the best: thread 0 keeps the time, and a launch that others finish while the system holds it up seems to take none
  const median = (times: readonly number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!;
  const [ms, copyMs] = [median(all.map(({ variant }) => variant)), median(all.map(({ copy }) => copy))];

  const kernels = await device.compile(launchesOf(false));
  const slow: number[] = [];
  for (let i = 0; i < 3; i++) slow.push((await device.profile!(kernels)).reduce((sum, each) => sum + each, 0));

  for (const buffer of buffers.values()) device.free(buffer);
  const rate = (time: number) => bytes / time / 1e6;
  return {
    primitive: [name, ...fusedIn(attributes)].join(' + '),
    shape: `[${inputs[0]!.shape}]`,
    megabytes: bytes / 1e6,
    ms,
    gigabytesPerSecond: rate(ms),
    copyGigabytesPerSecond: (units * 4096 * 8) / copyMs / 1e6,
    share: (copyMs * bytes) / (ms * units * 4096 * 8),
    kernels: median(slow) / ms,
  };
}
