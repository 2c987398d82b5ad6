/**
 * Memory-bound primitives on the wasm device beside a plain copy.
 *
 *   npx tsx spec/bench/memory.ts [--only NAME,…] [--threads N] [--repeats N] [--kernels] [--json]      parts of names will do
 *
 * What counts as bytes is what cannot be avoided: every operand read once, every result written once, one updated in place both;
 * scratch, and what a kernel reads twice, does not count. Three limits are measured beside each case:
 *
 *   memory        a copy of as many bytes, half of them read and half written, by as many threads in WebAssembly (`copyLimit`); so
 *                 what fits into a cache is set against a copy in that cache
 *   instructions  as many instructions on vectors as the case's formula needs (`memoryCases.ts` counts them), done in registers by
 *                 as many threads (`vectorLimit`)
 *   launch        a launch that does nothing, with the barrier that ends it
 *
 * They and the case take turns in one segment, at least 24 times; of each the lower quartile counts, because what disturbs only ever
 * adds time. `copy` and `instr` are the shares that a case reaches of the first two, `bound` is the limit that takes longest, and a
 * row is marked where its time is not within that limit's over 0.7. Launches count with the barrier that ends them.
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
    repeats: { type: 'string', default: '25' },
    only: { type: 'string', default: '' },
    kernels: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
/** Below this share of its limit a row is marked. */
const ENOUGH = 0.7;
/** Instructions of a round of `vectorLimit`. */
const ROUND = 14;
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
  /** Of the copy's bandwidth. */
  readonly share: number;
  /** What the formula needs for four elements, and which ones they are. */
  readonly instructions: number;
  readonly instructionsAre: string;
  /** Of the instructions on vectors that could have been done in its time. */
  readonly instructionShare: number;
  /** The limit that takes longest, and the share that is reached of it. */
  readonly bound: Bound;
  readonly boundShare: number;
  readonly enough: boolean;
  readonly kernels?: number;
}
type Bound = 'memory' | 'instructions' | 'launch';

const device = await openWasm({ threads });
if (!flags.json) {
  console.log(`${device.description}\n`);
  const heads = ['    MB', '     ms', '  GB/s', '  copy', ' instr', ' share', 'bound'];
  console.log('primitive'.padEnd(42), 'first input'.padEnd(18), ...heads, flags.kernels ? '         kernels' : '');
}
const rows: Row[] = [];
for (const each of memoryCases) {
  if (!only.some(part => each.primitive.includes(part))) continue;
  const row = await measure(each);
  rows.push(row);
  if (flags.json) console.log(JSON.stringify(row));
  else {
    const numbers = [row.megabytes.toFixed(1).padStart(6), row.ms.toFixed(3).padStart(7), row.gigabytesPerSecond.toFixed(1).padStart(6)];
    const shares = [row.share, row.instructionShare, row.boundShare].map(share => share.toFixed(2).padStart(6));
    const bound = `${row.bound}${row.enough ? '' : ' <'}`;
    const kernels = row.kernels ? [bound.padEnd(14), row.kernels.toFixed(1).padStart(7)] : [bound];
    console.log(row.primitive.padEnd(42), row.shape.padEnd(18), ...numbers, ...shares, ...kernels);
  }
}
if (!flags.json) summarise();
await device.destroy();

function summarise(): void {
  const list = (title: string, some: readonly Row[]) =>
    console.log(`\n${title}: ${some.map(row => `${row.primitive} ${row.shape}`).join(', ') || 'none'}`);
  const below = rows.filter(row => row.share < ENOUGH);
  list(`below ${ENOUGH} of a copy`, below);
  for (const bound of ['instructions', 'launch'] as const) {
    list(
      `of these bound by ${bound === 'launch' ? 'the launch' : bound}`,
      below.filter(row => row.bound === bound),
    );
  }
  list(
    `below ${ENOUGH} of the limit that binds`,
    rows.filter(row => !row.enough),
  );
}

/** Not every element its own: drawing them would take longer than everything else. */
function fill<T extends Float32Array | Uint8Array>(array: T, value: () => number): T {
  const drawn = Math.min(array.length, 100_003);
  for (let i = 0; i < drawn; i++) array[i] = value();
  for (let i = drawn; i < array.length; i += drawn) array.copyWithin(i, 0, Math.min(drawn, array.length - i));
  return array;
}

async function measure({ primitive: name, attributes = {}, inputs, output, work }: MemoryCase): Promise<Row> {
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
  /** A launch of one of the limits, which reads `copied` and writes `copy`, if anything. */
  const limit = (routine: string, units: number, rest: readonly number[], scratch = 0) =>
    place(new Map([from, to].map(tensor => [tensor.name, tensor])), [
      {
        kernel: { name: routine },
        inputs: ['copied'],
        output: 'copy',
        body: {
          language: 'wasm',
          routine,
          units,
          scratch,
          arguments: ({ inputs, output }) => (rest.length > 0 ? rest : [...inputs, output]),
        },
      },
    ]);
  // at least some microseconds' worth of them, and not more than it takes to know their rate
  const needed = (work.instructions * elements(work.ofInput ? inputs[0]!.shape : output)) / 4;
  const vectorUnits = 32 * threads;
  const vectorRounds = Math.ceil(Math.min(Math.max(needed, 5e5), 1e7) / ROUND / vectorUnits);
  const limits = [
    limit('copyLimit', units, []),
    limit('vectorLimit', vectorUnits, [vectorRounds], 16),
    limit('vectorLimit', threads, [0], 16),
  ].flat();

  const variant = launchesOf(true);
  // launches of a microsecond one after another, since the clock tells no less than a quarter of one
  const together = bytes < 2e5 ? 16 : 1;
  const many = <T>(one: readonly T[]) => Array.from({ length: together }, () => one).flat();
  const timed = await device.compile(Array.from({ length: repeats }, () => [...limits, ...variant].flatMap(each => many([each]))).flat());
  const rounds = async () => {
    const times = await device.profile!(timed);
    const stride = (limits.length + variant.length) * together;
    // what the first launch took includes the threads' waking up
    return Array.from({ length: repeats - 1 }, (_, i) => i + 1).map(round => {
      const own = times.slice(round * stride, (round + 1) * stride);
      const sum = (from: number, past: number) => own.slice(from * together, past * together).reduce((sum, ms) => sum + ms, 0) / together;
      return [sum(0, 1), sum(1, 2), sum(2, 3), sum(3, 3 + variant.length)] as const;
    });
  };
  // until V8's quick compiler has given way to the one that optimises
  for (const until = performance.now() + 150; performance.now() < until; ) await rounds();
  const all: Awaited<ReturnType<typeof rounds>> = [];
  while (all.length < 24) all.push(...(await rounds()));
  const quartile = (times: readonly number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 4)]!;
  const [copyMs, vectorMs, launchMs, ms] = ([0, 1, 2, 3] as const).map(i => quartile(all.map(times => times[i]))) as [
    number,
    number,
    number,
    number,
  ];

  const slow: number[] = [];
  if (flags.kernels) {
    const kernels = await device.compile(launchesOf(false));
    for (let i = 0; i < 3; i++) slow.push((await device.profile!(kernels)).reduce((sum, each) => sum + each, 0));
  }

  for (const buffer of buffers.values()) device.free(buffer);
  const rate = (time: number) => bytes / time / 1e6;
  const limitMs: Record<Bound, number> = {
    memory: (copyMs * bytes) / (units * 4096 * 8),
    instructions: (vectorMs * needed) / (vectorRounds * ROUND * vectorUnits),
    launch: launchMs,
  };
  const bound = (Object.keys(limitMs) as Bound[]).reduce((most, each) => (limitMs[each] > limitMs[most] ? each : most));
  return {
    primitive: [name, ...fusedIn(attributes)].join(' + '),
    shape: `[${inputs[0]!.shape}]`,
    megabytes: bytes / 1e6,
    ms,
    gigabytesPerSecond: rate(ms),
    copyGigabytesPerSecond: (units * 4096 * 8) / copyMs / 1e6,
    share: limitMs.memory / ms,
    instructions: work.instructions,
    instructionsAre: work.are,
    instructionShare: limitMs.instructions / ms,
    bound,
    boundShare: limitMs[bound] / ms,
    enough: limitMs[bound] / ms >= ENOUGH,
    ...(flags.kernels && { kernels: quartile(slow) / ms }),
  };
}
