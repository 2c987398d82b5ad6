/**
 * linear's forward product in WGSL, tiled:  y[n,o] = bias[o] + Σ_i x[n,i] · weight[i,o].
 *
 * A workgroup of 8×8 threads computes a tile of 32×32 outputs, a thread 4×4 of them. 16 columns of x and 16 rows of weight
 * at a time stand in 4 KiB of workgroup memory, so an operand is read from memory once per 32 outputs. Tiles over the edge
 * are filled with zeros and not stored.
 *
 * Measured: on no GPU yet. On a software renderer it only shows that variants work.
 */
import type { Variant, VariantLaunch, WgslBody } from '../../kernels/variant.ts';

const TILE = 32;
const DEPTH = 16;
const MOST_GROUPS = 65_535;

export function linearBody(N: number, I: number, O: number, biased: boolean): WgslBody {
  const groups = [Math.ceil(O / TILE), Math.ceil(N / TILE), 1] as const;
  const names = ['user_x', 'user_weight', ...(biased ? ['user_bias'] : []), 'result'];
  const arrays = names.map(name => ({ name, element: 'f32' as const }));
  return { language: 'wgsl', workgroup: [8, 8, 1], groups, arrays, source: source(N, I, O, biased) };
}

export const linearWgsl: Variant<unknown> = {
  name: 'linear/wgsl-tiled',
  device: 'webgpu',
  applies(_, [x, weight]) {
    if (x?.length !== 2 || weight?.length !== 2) return false;
    const [N, I] = x as [number, number];
    const O = weight[1]!;
    // a tile that is mostly over the edge costs more than it saves
    return N >= DEPTH && I >= DEPTH && O >= DEPTH && Math.ceil(N / TILE) <= MOST_GROUPS && Math.ceil(O / TILE) <= MOST_GROUPS;
  },
  lower({ inputs, output }): VariantLaunch[] {
    const [x, weight, bias] = inputs;
    const [N, I] = x!.shape as [number, number];
    const size = [N, I, weight!.shape[1]!, bias !== undefined] as const;
    return [
      {
        kernel: { name: 'linear.tiled' },
        inputs: inputs.map(input => input.name),
        output: output.name,
        body: linearBody(...size),
      },
    ];
  },
};

function source(N: number, I: number, O: number, biased: boolean): string {
  const rows = [0, 1, 2, 3];
  const first = biased ? 'vec4<f32>(biasAt(column), biasAt(column + 1), biasAt(column + 2), biasAt(column + 3))' : 'vec4<f32>()';
  return `
// [depth][row of the tile] and [depth][column of the tile]
var<workgroup> tileX : array<f32, ${DEPTH * TILE}>;
var<workgroup> tileWeight : array<f32, ${DEPTH * TILE}>;
${biased ? `fn biasAt(o : i32) -> f32 { return user_bias[min(o, ${O - 1})]; }` : ''}
fn store(n : i32, column : i32, values : vec4<f32>) {
  if (n >= ${N}) { return; }
  for (var o = 0; o < 4; o++) {
    if (column + o < ${O}) { result[n * ${O} + column + o] = values[o]; }
  }
}
@compute @workgroup_size(8, 8, 1)
fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_id) local : vec3<u32>, @builtin(local_invocation_index) lane : u32) {
  let top = i32(group.y) * ${TILE};
  let left = i32(group.x) * ${TILE};
  let row = top + i32(local.y) * 4;
  let column = left + i32(local.x) * 4;
  var sum0 = ${first};
${rows
  .slice(1)
  .map(r => `  var sum${r} = sum0;`)
  .join('\n')}
  for (var start = 0; start < ${I}; start += ${DEPTH}) {
    for (var piece = 0; piece < ${(DEPTH * TILE) / 64}; piece++) {
      let at = i32(lane) + piece * 64;
      let n = top + at / ${DEPTH};
      let i = start + at % ${DEPTH};
      var x = 0.0;
      if (n < ${N} && i < ${I}) { x = user_x[n * ${I} + i]; }
      tileX[(at % ${DEPTH}) * ${TILE} + at / ${DEPTH}] = x;
      let k = start + at / ${TILE};
      let o = left + at % ${TILE};
      var weight = 0.0;
      if (k < ${I} && o < ${O}) { weight = user_weight[k * ${O} + o]; }
      tileWeight[at] = weight;
    }
    workgroupBarrier();
    for (var k = 0; k < ${DEPTH}; k++) {
      let x = k * ${TILE} + i32(local.y) * 4;
      let w = k * ${TILE} + i32(local.x) * 4;
      let weights = vec4<f32>(tileWeight[w], tileWeight[w + 1], tileWeight[w + 2], tileWeight[w + 3]);
${rows.map(r => `      sum${r} += tileX[x + ${r}] * weights;`).join('\n')}
    }
    workgroupBarrier();
  }
${rows.map(r => `  store(row + ${r}, column, sum${r});`).join('\n')}
}`;
}
