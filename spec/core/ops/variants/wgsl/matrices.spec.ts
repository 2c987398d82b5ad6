import assert from 'node:assert/strict';
import type { Device } from '../../../../../core/devices/device.ts';
import type { Variant, VariantLaunch, VariantTerms } from '../../../../../core/kernels/variant.ts';
import type { Tensor } from '../../../../../core/ops/op.ts';
import { convFilterGradient, convForward, convInputGradient } from '../../../../../core/ops/variants/wgsl/conv2d.ts';
import type { Method } from '../../../../../core/ops/variants/wgsl/launches.ts';
import { linearFilterGradient, linearForward, linearInputGradient } from '../../../../../core/ops/variants/wgsl/linear.ts';
import { halfMatrix, type MatrixTile, matrices } from '../../../../../core/ops/variants/wgsl/matrices.ts';
import { elements, type Shape } from '../../../../../core/shape.ts';
import { openNullAdapter } from '../../../devices/nullAdapter.ts';
import { openAnyWebgpu } from '../../../devices/openAnyWebgpu.ts';
import { agrees } from './agreement.ts';
import { emulated } from './emulatedMatrices.ts';

/** What an NVIDIA adapter offers. */
const limits = {
  workgroupBytes: 49_152,
  invocations: 1024,
  storageBuffers: 16,
  groups: 65_535,
  subgroup: { min: 32, max: 32 },
  subgroupMatrices: [
    { componentType: 'f16', resultComponentType: 'f16', M: 16, N: 16, K: 16 },
    { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 8, K: 16 },
    { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 },
  ],
};
const features = new Set(['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix']);
const terms: VariantTerms = { exact: false, features, limits, mixed: true };
/** With few matrices a subgroup, which software renderers compile in time. */
const small: MatrixTile = { m: 32, n: 32, k: 32, rows: 16, columns: 16, buffers: 2, pad: 8, walk: 8 };
const place = { stride: 1, padding: 1, dilation: 1, groups: 1 };

describe('products on subgroup matrices', () => {
  it('should apply only where float16 is allowed and float32 sums are offered @smoke', () => {
    const applies = (change: Partial<VariantTerms>, N = 64) =>
      linearForward(matrices()).applies({}, [[64, 64], [64, N], [N]], [64, N], { ...terms, ...change });
    assert.equal(applies({}), true);
    assert.equal(applies({ mixed: false }), false);
    assert.equal(applies({ features: new Set(['shader-f16', 'subgroups']) }), false);
    assert.equal(applies({ limits: { ...limits, subgroupMatrices: limits.subgroupMatrices.slice(0, 1) } }), false);
    assert.equal(applies({ limits: { ...limits, subgroup: { min: 8, max: 32 } } }), false);
    assert.equal(applies({ limits: { ...limits, workgroupBytes: 8192 } }), false);
    assert.equal(applies({}, 10), false);
  });

  it('should take the largest matrices', () => {
    assert.deepEqual(halfMatrix(limits), limits.subgroupMatrices[2]);
  });
});

describe('WGSL for subgroup matrices', () => {
  let device: Device;
  before(async () => {
    ({ device } = await openNullAdapter());
  });
  after(() => device.destroy());

  const x: Shape = [2, 9, 9, 32];
  const y: Shape = [2, 9, 9, 48];
  const filters: Shape = [3, 3, 32, 48];
  const cases: readonly (readonly [Variant<never>, unknown, readonly Shape[], Shape])[] = [
    [linearForward(matrices()), { relu: true }, [[500, 60], [60, 132], [132]], [500, 132]],
    [
      linearInputGradient(matrices()),
      {},
      [
        [50, 61],
        [33, 61],
      ],
      [50, 33],
    ],
    [convForward(matrices()), place, [x, filters], y],
    [convInputGradient(matrices()), place, [y, filters], x],
    [convFilterGradient(matrices()), place, [x, y], filters],
  ];
  for (const [variant, attributes, inputs, output] of cases) {
    it(`should compile for ${variant.name}`, async () => {
      const tensors: Tensor[] = [...inputs, output].map((shape, i) => ({ name: `${i}`, shape, dtype: 'f32' }));
      const launches = (variant as Variant<unknown>).lower({
        attributes,
        inputs: tensors.slice(0, -1),
        output: tensors.at(-1)!,
        // the null adapter's workgroup memory holds one buffer of the smaller tile
        terms: { ...terms, limits: { ...limits, workgroupBytes: 16_384 } },
        scratch(shape) {
          const tensor: Tensor = { name: `${tensors.length}`, shape, dtype: 'f32' };
          tensors.push(tensor);
          return tensor;
        },
      }) as VariantLaunch[];
      assert.ok(launches.length > 0 && 'source' in launches[0]!.body && launches[0]!.body.source.includes('subgroupMatrixLoad'));
      const place = (name: string) => {
        const length = elements(tensors.find(tensor => tensor.name === name)!.shape);
        return { buffer: device.allocate(4 * length, name), length, dtype: 'f32' as const };
      };
      const segment = await device.compile(
        launches.map(launch => ({ label: variant.name, launch, inputs: launch.inputs.map(place), output: place(launch.output) })),
      );
      assert.equal(segment.launches, launches.length);
    });
  }
});

describe('products on emulated subgroup matrices', () => {
  let device: Device;
  before(async function () {
    device = await openAnyWebgpu(this);
  });
  after(() => device?.destroy());

  // what runs along k and what across it, in all combinations
  const cases: readonly (readonly [string, unknown, readonly Shape[], Shape, (method: Method) => Variant<never>])[] = [
    ['linear', { relu: true }, [[50, 300], [300, 33], [33]], [50, 33], linearForward],
    [
      'linear.inputGradient',
      {},
      [
        [50, 61],
        [33, 61],
      ],
      [50, 33],
      linearInputGradient,
    ],
    [
      'linear.filterGradient',
      {},
      [
        [50, 61],
        [50, 33],
      ],
      [61, 33],
      linearFilterGradient,
    ],
  ];
  for (const [primitive, attributes, inputs, output, variantOf] of cases) {
    it(`should agree with the kernels of ${primitive}`, async () => {
      const variant = () => emulated(variantOf(matrices([small])) as Variant<unknown>, terms);
      await agrees(device, { primitive, attributes: attributes as Record<string, unknown>, inputs, output, variant });
    });
  }
});
