/**
 * Adds up the slices of a product in a fixed order:  y[m, n] = bias[n] + Σ_s partial[s, m, n].
 *
 * A thread takes every `ways`-th slice of four outputs (or one); where slices are many, eight threads share them and the first
 * adds up what they found. Reads of neighbouring threads are neighbours in memory.
 */
import type { VariantLimits, WgslBody } from '../../../kernels/variant.ts';
import { fold } from './frame.ts';
import { divide, range } from './operand.ts';

export interface Slices {
  readonly M: number;
  readonly N: number;
  readonly slices: number;
  readonly bias: boolean;
  readonly relu: boolean;
  /** As in `Product`. */
  readonly row?: ((m: string) => string) | undefined;
}

const THREADS = 256;
/** Slices from which on eight threads share them. */
const MANY = 32;

/** The shader; its arrays are the slices, the bias if there is one, and the output. */
export function sumSlices({ M, N, slices, bias, relu, row }: Slices, limits: VariantLimits): WgslBody {
  const vector = N % 4 === 0;
  const element = vector ? 'vec4<f32>' : 'f32';
  const width = vector ? 4 : 1;
  const count = (M * N) / width;
  const ways = slices >= MANY ? 8 : 1;
  const threads = Math.min(THREADS, limits.invocations);
  const outputs = threads / ways;
  const total = Math.ceil(count / outputs);
  const groups = fold(total, limits.groups);
  const names = ['partial', ...(bias ? ['bias'] : []), 'result'];
  const rowLength = N / width;
  const value = [bias ? `bias[at - ${divide('at', rowLength)} * ${rowLength}] + ` : '', 'sum'].join('');
  const to = row ? `(${row('m')}) * ${rowLength} + at - m * ${rowLength}` : 'at';
  const store = relu ? `let y = ${value}; result[${to}] = 0.5 * (y + abs(y));` : `result[${to}] = ${value};`;
  const source = `
${ways > 1 ? `var<workgroup> found : array<${element}, ${threads}>;` : ''}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_index) index : u32) {
  let lane = i32(index);
  let at = (i32(group.y) * ${groups[0]} + i32(group.x)) * ${outputs} + lane % ${outputs};
  let way = lane / ${outputs};
  var sum = ${element}();
  if (at < ${count}) {
    for (var slice = way; slice < ${slices}; slice += ${ways}) { sum += partial[slice * ${count} + at]; }
  }
${
  ways > 1
    ? `  found[lane] = sum;
  workgroupBarrier();
  if (way > 0) { return; }
${range(ways - 1)
  .map(i => `  sum += found[lane + ${(i + 1) * outputs}];`)
  .join('\n')}`
    : ''
}
  if (at < ${count}) {
    ${row ? `let m = ${divide('at', rowLength)};` : ''}
    ${store}
  }
}`;
  return { language: 'wgsl', workgroup: [threads, 1, 1], groups, arrays: names.map(name => ({ name, element })), source };
}
