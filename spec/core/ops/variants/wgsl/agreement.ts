import assert from 'node:assert/strict';
import type { Device } from '../../../../../core/devices/device.ts';
import type { Launch } from '../../../../../core/kernels/kernel.ts';
import type { Variant, VariantLaunch, VariantLimits, WgslBody } from '../../../../../core/kernels/variant.ts';
import { primitive } from '../../../../../core/ops/index.ts';
import type { Tensor } from '../../../../../core/ops/op.ts';
import { type Chooser, sliced } from '../../../../../core/ops/variants/wgsl/choose.ts';
import { type Method, tiled } from '../../../../../core/ops/variants/wgsl/launches.ts';
import { type Tile, tilesFor } from '../../../../../core/ops/variants/wgsl/tiles.ts';
import { elements, type Shape } from '../../../../../core/shape.ts';
import { noise } from '../../finiteDifferences.ts';
import { OUTSIDE, watched } from './insideArrays.ts';

/** One primitive on tensors of these shapes. */
export interface Case {
  readonly primitive: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly inputs: readonly Shape[];
  readonly output: Shape;
  readonly variant: (method: Method) => Variant<never>;
  /** Width and height of the tile, and the slices of the sums; by default what is chosen for the shape. */
  readonly force?: { readonly tile: readonly [number, number]; readonly slices?: number; readonly change?: Partial<Tile> };
}

/** Takes the tile and the slices as told. */
export function forced({ tile: [m, n], slices = 1, change }: NonNullable<Case['force']>): Chooser {
  return (size, limits) => {
    const tile = tilesFor(limits).find(each => each.m === m && each.n === n);
    return tile && sliced({ ...tile, ...change }, size, slices);
  };
}

/** That the variant takes the case, touches nothing outside its arrays, and computes what the primitive's gpu.js kernels do. */
export async function agrees(device: Device, each: Case): Promise<VariantLaunch[]> {
  const inputs = each.inputs.map((shape, i): Tensor => ({ name: `input ${i}`, shape, dtype: 'f32' }));
  const output: Tensor = { name: 'output', shape: each.output, dtype: 'f32' };
  const values = inputs.map(({ shape }, i) => Float32Array.from(noise(elements(shape), i + 1)));
  const definition = primitive(each.primitive);
  const plain = { attributes: each.attributes ?? {}, inputs, output };
  const expected = await run(device, values, [...inputs, output], scratch => definition.lower({ ...plain, scratch }));

  const variant = each.variant(tiled(each.force && forced(each.force), 0)) as Variant<unknown>;
  const tuned = { ...plain, terms: termsOf(device) };
  const shapes = inputs.map(({ shape }) => shape);
  assert.ok(variant.applies(tuned.attributes, shapes, output.shape, tuned.terms), 'the variant takes it');
  let launches: VariantLaunch[] = [];
  const got = await run(device, values, [...inputs, output], scratch => {
    launches = variant.lower({ ...tuned, scratch }) as VariantLaunch[];
    return launches;
  });
  assert.equal(got.outside, 0, 'an index is outside its array');
  const largest = expected.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = expected.values.reduce((most, value, i) => Math.max(most, difference(value, got.values[i]!)), 0);
  assert.ok(worst <= 2e-6 * largest + 1e-7, `off by ${worst} of ${largest}`);
  return launches;
}

/** Anything against NaN is infinitely far off. */
const difference = (a: number, b: number): number => (Number.isNaN(b) ? Number.POSITIVE_INFINITY : Math.abs(a - b));

export const termsOf = ({ features = new Set(), limits }: Device) => ({ exact: false, features, limits: limits as VariantLimits });

/** Runs launches on tensors of which all but the inputs hold NaN before. */
async function run(
  device: Device,
  inputs: readonly Float32Array[],
  known: readonly Tensor[],
  lower: (scratch: (shape: Shape) => Tensor) => readonly (Launch | VariantLaunch)[],
): Promise<{ values: Float32Array; outside: number }> {
  const tensors: Tensor[] = [...known, { name: OUTSIDE, shape: [1], dtype: 'f32' }];
  const scratch = (shape: Shape) => {
    const tensor: Tensor = { name: `scratch ${tensors.length}`, shape, dtype: 'f32' };
    tensors.push(tensor);
    return tensor;
  };
  const launches = lower(scratch);
  const placed = new Map(
    tensors.map(({ name, shape, dtype }, i) => {
      const length = elements(shape);
      const buffer = device.allocate(4 * length, name);
      device.write(buffer, inputs[i] ?? new Float32Array(length).fill(name === OUTSIDE ? 0 : Number.NaN));
      return [name, { buffer, length, dtype }];
    }),
  );
  try {
    const segment = await device.compile(
      launches.map(launch => {
        const lengths = [...launch.inputs, launch.output].map((name, i) => lengthOf(launch, i, placed.get(name)!.length));
        const checked = 'body' in launch ? watched(launch, lengths) : launch;
        return {
          label: launch.kernel.name,
          launch: checked,
          inputs: checked.inputs.map(name => placed.get(name)!),
          output: placed.get(checked.output)!,
        };
      }),
    );
    await device.run(segment);
    const { buffer, length } = placed.get('output')!;
    const values = await device.read(buffer, 4 * length);
    const [outside] = await device.read(placed.get(OUTSIDE)!.buffer, 4);
    return { values, outside: outside! };
  } finally {
    for (const { buffer } of placed.values()) device.free(buffer);
  }
}

/** In elements of its WGSL type. */
function lengthOf(launch: Launch | VariantLaunch, i: number, length: number): number {
  if (!('body' in launch)) return length;
  return (launch.body as WgslBody).arrays[i]!.element === 'vec4<f32>' ? length / 4 : length;
}
