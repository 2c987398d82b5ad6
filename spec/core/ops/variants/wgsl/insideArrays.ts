import type { VariantLaunch, WgslBody } from '../../../../../core/kernels/variant.ts';

/** The name of the array that a watched launch sets to 1 when an index is outside its array. */
export const OUTSIDE = 'outside';

/**
 * The launch with every index of every array checked, those of workgroup memory too: WebGPU's own checks, which are off on
 * hardware, would hide an access past the end by moving it to another element. `lengths` are those of the arrays, in elements
 * of their WGSL types.
 */
export function watched(launch: VariantLaunch, lengths: readonly number[]): VariantLaunch {
  const body = launch.body as WgslBody;
  const known = new Map(body.arrays.map(({ name }, i) => [name, lengths[i]!]));
  for (const [, name, length] of body.source.matchAll(/var<workgroup> (\w+) : array<.*, (\d+)>;/g)) known.set(name!, Number(length));
  const inside = `fn inside(i : i32, length : i32) -> i32 {
  if (i < 0 || i >= length) { ${OUTSIDE}[0] = 1.0; }
  return clamp(i, 0, length - 1);
}`;
  return {
    ...launch,
    inputs: [...launch.inputs, OUTSIDE],
    writes: [...(launch.writes ?? []), OUTSIDE],
    body: {
      ...body,
      arrays: [...body.arrays.slice(0, -1), { name: OUTSIDE, element: 'f32' }, body.arrays.at(-1)!],
      source: `${inside}\n${checkIndices(body.source, known)}`,
    },
  };
}

function checkIndices(source: string, lengths: ReadonlyMap<string, number>): string {
  let text = source;
  for (const [name, length] of lengths) {
    const opening = new RegExp(`\\b${name}\\[`, 'g');
    let checked = '';
    let done = 0;
    for (let found = opening.exec(text); found; found = opening.exec(text)) {
      const from = found.index + found[0].length;
      let depth = 1;
      let to = from;
      for (; depth > 0; to++) depth += text[to] === '[' ? 1 : text[to] === ']' ? -1 : 0;
      checked += `${text.slice(done, from)}inside(${text.slice(from, to - 1)}, ${length})`;
      done = to - 1;
    }
    text = checked + text.slice(done);
  }
  return text;
}
