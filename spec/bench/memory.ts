/**
 * Memory-bound primitives on the wasm device beside a plain copy.
 *
 *   npx tsx spec/bench/memory.ts [--only NAME,…] [--threads N] [--repeats N] [--kernels] [--json]      parts of names will do
 *
 * What counts as bytes is what cannot be avoided: every operand read once, every result written once, one updated in place both;
 * scratch, and what a kernel reads twice, does not count. The copy is of as many bytes, half of them read and half written,
 * by as many threads in WebAssembly (`copyLimit`); so what fits into a cache is set against a copy in that cache. Copy and case
 * take turns in one segment, at least 24 times; of both the lower quartile counts, because what disturbs only ever adds time.
 * `share` is the case's bandwidth over the copy's, marked where it is below 0.7. Launches count with the barrier that ends them.
 * With `--kernels` the last column is the time of the primitive's gpu.js kernels over the variant's.
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

const { values: flags } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    repeats: { type: 'string', default: '24' },
    only: { type: 'string', default: '' },
    kernels: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
/** Below this share of a copy's bandwidth a row is marked. */
const ENOUGH = 0.7;
const threads = Number(flags.threads);
const repeats = Number(flags.repeats);
const only = flags.only.split(',');

interface Row {
  readonly primitive: string;
  readonly shape: string;
  readonly megabytes: number;
  readonly ms: number;
  readonly gigabytesPerSecond: number;
  readonly copyGigabytesPerSecond: number;
  readonly share: number;
  readonly enough: boolean;
  /** What else than memory limits it, where that is known. */
  readonly limit?: string;
  readonly kernels?: number;
}

const device = await openWasm({ threads });
if (!flags.json) {
  console.log(`${device.description}\n`);
  console.log('primitive'.padEnd(42), 'first input'.padEnd(18), '    MB      ms   GB/s   copy  share', flags.kernels ? ' kernels' : '');
}
const below: string[] = [];
for (const each of memoryCases) {
  if (!only.some(part => each.primitive.includes(part))) continue;
  const row = await measure(each);
  if (!row.enough) below.push(`${row.primitive} ${row.shape}`);
  if (flags.json) console.log(JSON.stringify(row));
  else {
    const numbers = [row.megabytes.toFixed(1).padStart(6), row.ms.toFixed(3).padStart(7), row.gigabytesPerSecond.toFixed(1).padStart(6)];
    const rest = [row.copyGigabytesPerSecond.toFixed(1).padStart(6), row.share.toFixed(2).padStart(5), row.enough ? ' ' : '<'];
    console.log(
      row.primitive.padEnd(42),
      row.shape.padEnd(18),
      ...numbers,
      ...rest,
      row.kernels?.toFixed(1).padStart(7) ?? '',
      row.limit ?? '',
    );
  }
}
if (!flags.json) console.log(`\nbelow ${ENOUGH}: ${below.length === 0 ? 'none' : below.join(', ')}`);
await device.destroy();

/** Not every element its own: drawing them would take longer than everything else. */
function fill<T extends Float32Array | Uint8Array>(array: T, value: () => number): T {
  const drawn = Math.min(array.length, 100_003);
  for (let i = 0; i < drawn; i++) array[i] = value();
  for (let i = drawn; i < array.length; i += drawn) array.copyWithin(i, 0, Math.min(drawn, array.length - i));
  return array;
}

async function measure({ primitive: name, attributes = {}, inputs, output, limit }: MemoryCase): Promise<Row> {
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
            fill(new Uint8Array(length), () => 256 * next()),
          );
        else if (key.startsWith('input')) device.write(buffer, fill(new Float32Array(length), value));
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
  // until V8's quick compiler has given way to the one that optimises
  for (const until = performance.now() + 150; performance.now() < until; ) await rounds();
  const all: Awaited<ReturnType<typeof rounds>> = [];
  while (all.length < 24) all.push(...(await rounds()));
  const quartile = (times: readonly number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 4)]!;
  const [ms, copyMs] = [quartile(all.map(({ variant }) => variant)), quartile(all.map(({ copy }) => copy))];

  const slow: number[] = [];
  if (flags.kernels) {
    const kernels = await device.compile(launchesOf(false));
    for (let i = 0; i < 3; i++) slow.push((await device.profile!(kernels)).reduce((sum, each) => sum + each, 0));
  }

  for (const buffer of buffers.values()) device.free(buffer);
  const rate = (time: number) => bytes / time / 1e6;
  const share = (copyMs * bytes) / (ms * units * 4096 * 8);
  return {
    primitive: [name, ...fusedIn(attributes)].join(' + '),
    shape: `[${inputs[0]!.shape}]`,
    megabytes: bytes / 1e6,
    ms,
    gigabytesPerSecond: rate(ms),
    copyGigabytesPerSecond: (units * 4096 * 8) / copyMs / 1e6,
    share,
    enough: share >= ENOUGH,
    ...(limit && { limit }),
    ...(flags.kernels && { kernels: quartile(slow) / ms }),
  };
}
