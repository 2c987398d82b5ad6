import type { Variant } from '../../../kernels/variant.ts';
import { elements } from '../../../shape.ts';

const THREADS = 256;

/**
 * Numbers that are not finite, counted by a workgroup for each part of the result. It looks at the bits of the exponent: WGSL lets a
 * compiler assume that NaN and infinity do not occur. (Numbers above 3e38, which the definition counts too, it lets pass.)
 *
 * Measured: on no GPU yet. On a software renderer it only shows that it is right.
 */
export const notFiniteWgsl: Variant<unknown> = {
  name: 'notFinite/wgsl-bits',
  device: 'webgpu',
  applies: (_, [values], [parts], { limits }) => elements(values!) < 2 ** 30 && limits.invocations >= THREADS && parts! <= limits.groups,
  lower({ inputs: [values], output }) {
    const count = elements(values!.shape);
    const parts = output.shape[0]!;
    const source = `
var<workgroup> shared_found : array<f32, ${THREADS}>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_index) index : u32) {
  let lane = i32(index);
  var found = 0.0;
  for (var at = i32(group.x) * ${THREADS} + lane; at < ${count}; at += ${parts * THREADS}) {
    found += select(0.0, 1.0, (values[at] & 0x7f800000u) == 0x7f800000u);
  }
  shared_found[lane] = found;
  for (var half = ${THREADS / 2}; half > 0; half /= 2) {
    workgroupBarrier();
    if (lane < half) { shared_found[lane] += shared_found[lane + half]; }
  }
  if (lane == 0) { result[i32(group.x)] = shared_found[lane]; }
}`;
    const arrays = [
      { name: 'values', element: 'u32' },
      { name: 'result', element: 'f32' },
    ] as const;
    const body = { language: 'wgsl', workgroup: [THREADS, 1, 1], groups: [parts, 1, 1], arrays, source } as const;
    return [{ kernel: { name: 'notFinite' }, inputs: [values!.name], output: output.name, body }];
  },
};
