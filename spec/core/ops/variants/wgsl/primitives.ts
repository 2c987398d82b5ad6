import assert from 'node:assert/strict';
import type { Device } from '../../../../../core/devices/device.ts';
import type { VariantLaunch, WgslBody } from '../../../../../core/kernels/variant.ts';
import { type LoweredProgram, lower } from '../../../../../core/plan/lower.ts';
import { ProgramBuilder } from '../../../../../core/program/builder.ts';
import type { Program } from '../../../../../core/program/program.ts';
import { elements, type Shape } from '../../../../../core/shape.ts';
import { noise } from '../../finiteDifferences.ts';
import { OUTSIDE, watched } from './insideArrays.ts';

/** One primitive on tensors of these shapes; values are noise unless given. */
export interface PrimitiveCase {
  readonly primitive: string;
  readonly variant: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly inputs: readonly (Shape | { readonly shape: Shape; readonly values: (i: number) => number })[];
  readonly output: Shape;
  /** Largest error, as a share of the largest value of its tensor. */
  readonly tolerance?: number;
  /** The output is compared by the sum of its elements. */
  readonly summed?: boolean;
}

/**
 * That the variant is chosen, touches nothing outside its arrays, and leaves in the output, and in inputs that it writes, what the
 * primitive's gpu.js kernels leave there.
 */
export async function primitiveAgrees(device: Device, each: PrimitiveCase): Promise<void> {
  const program = programOf(each);
  const values = each.inputs.map((input, i) => {
    const length = elements(shapeOf(input));
    return isGiven(input) ? Float32Array.from({ length }, (_, j) => input.values(j)) : Float32Array.from(noise(length, i + 1));
  });
  const { features, limits } = device;
  const options = { features, limits };
  const tuned = lower(program, 'wgsl', options);
  assert.equal(tuned.nodes[0].variant, each.variant, `for ${JSON.stringify(each)}`);
  const plain = await run(device, lower(program, 'wgsl', { ...options, variants: false }), values);
  const got = await run(device, tuned, values);
  assert.equal(got.get(OUTSIDE)![0], 0, `an index is outside its array: ${JSON.stringify(each)}`);
  const asCompared = (name: string, values: Float32Array) =>
    name === 'output' && each.summed ? Float32Array.of(values.reduce((sum, value) => sum + value, 0)) : values;
  for (const [name, values] of plain) {
    if (name === OUTSIDE) continue;
    const [expected, found] = [asCompared(name, values), asCompared(name, got.get(name)!)];
    const largest = expected.reduce((most, value) => Math.max(most, Number.isNaN(value) ? 0 : Math.abs(value)), 0);
    const worst = expected.reduce((most, value, i) => Math.max(most, differs(value, found[i])), 0);
    const allowed = (each.tolerance ?? 2e-6) * largest + 1e-7;
    assert.ok(worst <= allowed, `${name} is off by ${worst} of ${largest} in ${JSON.stringify(each)}`);
  }
}

const isGiven = (input: PrimitiveCase['inputs'][number]): input is Exclude<typeof input, Shape> => !Array.isArray(input);
const shapeOf = (input: PrimitiveCase['inputs'][number]): Shape => (isGiven(input) ? input.shape : input);
const differs = (a: number, b: number): number =>
  Object.is(a, b) || (Number.isNaN(a) && Number.isNaN(b)) ? 0 : Number.isNaN(a - b) ? Number.POSITIVE_INFINITY : Math.abs(a - b);

/** They work in place without being told. */
const OPTIMIZERS = /^(sgd|adam)/;

function programOf({ primitive, attributes = {}, inputs, output }: PrimitiveCase): Program {
  const builder = new ProgramBuilder();
  builder.node = 'test';
  const tensors = inputs.map((input, i) => builder.declare(`input ${i}`, 'input', shapeOf(input)));
  const { inPlace } = attributes;
  const { inPlace: _, ...others } = attributes;
  const given = OPTIMIZERS.test(primitive) ? others : attributes;
  if (typeof inPlace === 'number') builder.update(primitive, tensors[inPlace], tensors, given);
  else builder.emit(primitive, 'output', output, tensors, attributes, 'result');
  return builder.build();
}

/** Every tensor of the program afterwards; all but the inputs hold NaN before. */
async function run(
  device: Device,
  { nodes, tensors }: LoweredProgram,
  inputs: readonly Float32Array[],
): Promise<Map<string, Float32Array>> {
  const all = [...tensors.values(), { name: OUTSIDE, shape: [1], dtype: 'f32' as const }];
  const placed = new Map(
    all.map(({ name, shape, dtype }) => {
      const length = elements(shape);
      const buffer = device.allocate(4 * length, name);
      const given = name.startsWith('input ') ? inputs[Number(name.slice(6))] : undefined;
      device.write(buffer, given ?? new Float32Array(length).fill(name === OUTSIDE ? 0 : Number.NaN));
      return [name, { buffer, length, dtype }];
    }),
  );
  try {
    const launches = nodes.flatMap(({ launches }) =>
      launches.map(launch => {
        const checked =
          'body' in launch
            ? watched(
                launch,
                lengthsOf(launch, name => placed.get(name)!.length),
              )
            : launch;
        const [from, to] = [checked.inputs.map(name => placed.get(name)!), placed.get(checked.output)!];
        return { label: checked.kernel.name, launch: checked, inputs: from, output: to };
      }),
    );
    await device.run(await device.compile(launches));
    const results = new Map<string, Float32Array>();
    for (const [name, { buffer, length }] of placed)
      if (!name.startsWith('scratch')) results.set(name, await device.read(buffer, 4 * length));
    return results;
  } finally {
    for (const { buffer } of placed.values()) device.free(buffer);
  }
}

/** In elements of their WGSL types. */
function lengthsOf({ inputs, output, body }: VariantLaunch, lengthOf: (name: string) => number): number[] {
  const { arrays } = body as WgslBody;
  return [...inputs, output].map((name, i) => lengthOf(name) / (arrays[i].element === 'vec4<f32>' ? 4 : 1));
}
