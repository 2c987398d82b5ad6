/**
 * Memory-bound primitives on the wasm device beside a plain copy.
 *
 *   npx tsx spec/bench/memory.ts [--only NAME,…] [--threads N] [--repeats N] [--kernels] [--json]      parts of names will do
 *
 * What counts as bytes is what cannot be avoided: every number that is needed of an operand read once, every result written once, one
 * updated in place both; scratch, and what a kernel reads twice, does not count. Four limits are measured beside each case, by as
 * many threads:
 *
 *   plain         a copy from memory to memory, 128 MiB read and as many written (`copyLimit`): far more than caches hold, as the
 *                 arrays of McCalpin's STREAM are
 *   cached        a copy of as many bytes as the case has, half of them read and half written, where that is at most what the
 *                 third cache holds; both it and the case run twice, and the second time counts
 *   instructions  as many instructions on vectors as the case's formula needs (`memoryCases.ts` counts them), done in registers
 *                 (`vectorLimit`)
 *   launch        a launch that does nothing, with the barrier that ends it
 *
 * Why two copies: with two threads on two cores of an AMD EPYC (1 MB of second cache a core, 32 MB of third cache, which other machines of the
 * host share) a copy of 1 to 16 MB in all runs at 140 to 170 GB/s, of 32 MB at 127, of 64 MB at 66, of 128 MB at 48, of 192 to 512 MB at 43
 * to 45. So a copy of as many bytes as a case has is no yardstick between 32 and 128 MB: what part of it stays in the cache
 * changes with who else uses it. The plain copy changes with the hour, too: 35 to 45 GB/s mostly, up to 74 at times.
 *
 * Limits and case take turns in one segment, at least 24 times, the plain copy every third time; of each the lower quartile counts,
 * because what disturbs only ever adds time. `plain`, `cached` and `instr` are the shares that a case reaches of the first three. `bound` is
 * the limit that takes longest of plain copy, instructions and launch, `share` what is reached of that; a row is marked `<`
 * below 0.7. Within the cache the same is asked with the cached copy for the plain one, and a row marked `c`. Launches
 * count with the barrier that ends them. With `--kernels` the last column is the time of the primitive's gpu.js kernels over the variant's.
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
/** Bytes that a plain copy reads, and writes. */
const PLAIN = 2 ** 27;
/** One of so many turns has a plain copy. */
const PLAIN_EVERY = 3;
/** Of the third cache. */
const CACHE = 2 ** 25;
/** Bytes that a unit of `copyLimit` reads, and writes. */
const PIECE = 16384;
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
  readonly plainGigabytesPerSecond: number;
  /** Of the plain copy's bandwidth. */
  readonly share: number;
  /** Of a copy within the cache, if the case fits into it. */
  readonly cachedShare?: number;
  /** What the formula needs for four elements, and which ones they are. */
  readonly instructions: number;
  readonly instructionsAre: string;
  /** Of the instructions on vectors that could have been done in its time. */
  readonly instructionShare: number;
  /** The limit that takes longest, and the share that is reached of it; memory is the plain copy. */
  readonly bound: Bound;
  readonly boundShare: number;
  readonly enough: boolean;
  /** The same with the copy within the cache for the plain one. */
  readonly cachedBound?: Bound;
  readonly enoughCached: boolean;
  readonly kernels?: number;
}
type Bound = 'memory' | 'instructions' | 'launch';

const device = await openWasm({ threads });
if (!flags.json) {
  console.log(`${device.description}\n`);
  const heads = ['    MB', '     ms', '  GB/s', ' plain', 'cached', ' instr', ' share', 'bound'];
  console.log('primitive'.padEnd(42), 'first input'.padEnd(18), ...heads, flags.kernels ? '         kernels' : '');
}
/** What a plain copy reads and writes. Written to first: the system has pages that were not share one page of zeros, which is in the cache. */
const plain = new Map(['plain from', 'plain to'].map(name => [name, device.allocate(PLAIN, name)]));
for (const buffer of plain.values()) device.write(buffer, fill(new Float32Array(PLAIN / 4), uniforms(1)));
const rows: Row[] = [];
for (const each of memoryCases) {
  if (!only.some(part => each.primitive.includes(part))) continue;
  const row = await measure(each);
  rows.push(row);
  if (flags.json) console.log(JSON.stringify(row));
  else {
    const numbers = [row.megabytes.toFixed(1).padStart(6), row.ms.toFixed(3).padStart(7), row.gigabytesPerSecond.toFixed(1).padStart(6)];
    const shares = [row.share, row.cachedShare, row.instructionShare, row.boundShare].map(share => (share?.toFixed(2) ?? '').padStart(6));
    const bound = `${row.bound}${row.enough ? '' : ' <'}${row.enoughCached ? '' : ' c'}`;
    const kernels = row.kernels ? [bound.padEnd(14), row.kernels.toFixed(1).padStart(7)] : [bound];
    console.log(row.primitive.padEnd(42), row.shape.padEnd(18), ...numbers, ...shares, ...kernels);
  }
}
if (!flags.json) summarise();
await device.destroy();

function summarise(): void {
  if (rows.length === 0) return;
  const rates = rows.map(row => row.plainGigabytesPerSecond).toSorted((a, b) => a - b);
  const [least, middle, most] = [0, rates.length >> 1, rates.length - 1].map(i => rates[i]!.toFixed(1));
  console.log(`\na plain copy: ${middle} GB/s, beside single cases ${least} to ${most}`);
  const list = (title: string, some: readonly Row[]) =>
    console.log(`\n${title}: ${some.map(row => `${row.primitive} ${row.shape}`).join(', ') || 'none'}`);
  const boundBy = (bound: Bound) => rows.filter(row => row.share < ENOUGH && row.bound === bound);
  list(`bound by memory and below ${ENOUGH} of a plain copy`, boundBy('memory'));
  list(`below ${ENOUGH} of a plain copy, but bound by instructions`, boundBy('instructions'));
  list(`below ${ENOUGH} of a plain copy, but bound by the launch`, boundBy('launch'));
  list(
    `of these below ${ENOUGH} of their limit`,
    rows.filter(row => !row.enough && row.bound !== 'memory'),
  );
  list(
    `within the cache below ${ENOUGH} of the limit that binds there`,
    rows.filter(row => !row.enoughCached && row.bound === 'memory'),
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
      let buffer = plain.get(key) ?? buffers.get(key);
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
        else if (key.startsWith('input') || key === 'cached from') device.write(buffer, fill(new Float32Array(length), value));
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

  /** A copy of so many pieces, read from and written to buffers of its own. */
  const limit = (name: string, pieces: number, routine: string, units: number, rest: readonly number[], scratch = 0) => {
    const copyBuilder = new ProgramBuilder();
    const tensors = [
      copyBuilder.declare(`${name} from`, 'input', [(pieces * PIECE) / 4]),
      copyBuilder.declare(`${name} to`, 'activation', [(pieces * PIECE) / 4]),
    ];
    return place(new Map(tensors.map(tensor => [tensor.name, tensor])), [
      {
        kernel: { name: routine },
        inputs: [`${name} from`],
        output: `${name} to`,
        body: {
          language: 'wasm',
          routine,
          units,
          scratch,
          arguments: ({ inputs, output }) => (rest.length > 0 ? rest : [...inputs, output]),
        },
      },
    ]);
  };
  const fits = bytes <= CACHE;
  const pieces = fits ? Math.ceil(bytes / 2 / PIECE) : 1;
  // at least some microseconds' worth of them, and not more than it takes to know their rate
  const needed = (work.instructions * elements(work.ofInput ? inputs[0]!.shape : output)) / 4;
  const vectorUnits = 32 * threads;
  const vectorRounds = Math.ceil(Math.min(Math.max(needed, 5e5), 1e7) / ROUND / vectorUnits);

  const variant = launchesOf(true);
  // launches of a microsecond one after another, since the clock tells no less than a quarter of one
  const together = bytes < 2e5 ? 16 : 1;
  // the first time only fetches the operands into the cache
  const untimed = fits ? 1 : 0;
  const parts = [
    { launches: limit('plain', PLAIN / PIECE, 'copyLimit', PLAIN / PIECE, []), times: 1, untimed: 0, every: PLAIN_EVERY },
    { launches: limit('cached', pieces, 'copyLimit', pieces, []), times: together, untimed, every: 1 },
    { launches: limit('cached', pieces, 'vectorLimit', vectorUnits, [vectorRounds], 16), times: 1, untimed: 0, every: 1 },
    { launches: limit('cached', pieces, 'vectorLimit', threads, [0], 16), times: 16, untimed: 0, every: 1 },
    { launches: variant, times: together, untimed, every: 1 },
  ];
  /** Which part each launch of the segment belongs to; undefined for untimed ones. */
  const owners: { round: number; part: number | undefined }[] = [];
  const sequence: PlacedLaunch[] = [];
  for (let round = 0; round < repeats; round++) {
    parts.forEach(({ launches, times, untimed, every }, part) => {
      for (let i = 0; i < (round % every === 0 ? untimed + times : 0); i++) {
        sequence.push(...launches);
        owners.push(...launches.map(() => ({ round, part: i < untimed ? undefined : part })));
      }
    });
  }
  const timed = await device.compile(sequence);
  /** Of each part the milliseconds of once, in each round that has it. */
  const all: number[][] = parts.map(() => []);
  const rounds = async (keep: boolean) => {
    const times = await device.profile!(timed);
    const sums = new Map<string, number>();
    owners.forEach(({ round, part }, i) => {
      const key = `${round} ${part}`;
      // what the first launch took includes the threads' waking up
      if (keep && round > 0 && part !== undefined) sums.set(key, (sums.get(key) ?? 0) + times[i]!);
    });
    for (const [key, sum] of sums) {
      const part = Number(key.split(' ')[1]);
      all[part]!.push(sum / parts[part]!.times);
    }
  };
  // until V8's quick compiler has given way to the one that optimises
  for (const until = performance.now() + 150; performance.now() < until; ) await rounds(false);
  while (all[1]!.length < 24) await rounds(true);
  const quartile = (times: readonly number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 4)]!;
  const [plainMs, cachedMs, vectorMs, launchMs, ms] = all.map(quartile) as [number, number, number, number, number];

  const slow: number[] = [];
  if (flags.kernels) {
    const kernels = await device.compile(launchesOf(false));
    for (let i = 0; i < 3; i++) slow.push((await device.profile!(kernels)).reduce((sum, each) => sum + each, 0));
  }

  for (const buffer of buffers.values()) device.free(buffer);
  const rate = (time: number) => bytes / time / 1e6;
  const limitMs = (memory: number): Record<Bound, number> => ({
    memory,
    instructions: (vectorMs * needed) / (vectorRounds * ROUND * vectorUnits),
    launch: launchMs,
  });
  const longest = (limits: Record<Bound, number>) =>
    (Object.keys(limits) as Bound[]).reduce((most, each) => (limits[each] > limits[most] ? each : most));
  const limits = limitMs((plainMs * bytes) / (2 * PLAIN));
  const bound = longest(limits);
  const cached = limitMs((cachedMs * bytes) / (2 * pieces * PIECE));
  const cachedBound = longest(cached);
  return {
    primitive: [name, ...fusedIn(attributes)].join(' + '),
    shape: `[${inputs[0]!.shape}]`,
    megabytes: bytes / 1e6,
    ms,
    gigabytesPerSecond: rate(ms),
    plainGigabytesPerSecond: (2 * PLAIN) / plainMs / 1e6,
    share: limits.memory / ms,
    ...(fits && { cachedShare: cached.memory / ms, cachedBound }),
    instructions: work.instructions,
    instructionsAre: work.are,
    instructionShare: limits.instructions / ms,
    bound,
    boundShare: limits[bound] / ms,
    enough: limits[bound] / ms >= ENOUGH,
    enoughCached: !fits || cached[cachedBound] / ms >= ENOUGH,
    ...(flags.kernels && { kernels: quartile(slow) / ms }),
  };
}
