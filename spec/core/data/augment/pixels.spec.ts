import assert from 'node:assert/strict';
import { type Affine, boundsAfter, inverseMatrix } from '../../../../core/data/augment/affine.ts';
import { erasedRegion } from '../../../../core/data/augment/erase.ts';
import { applyTransforms } from '../../../../core/data/rawPixels.ts';
import type { Transform } from '../../../../core/data/sample.ts';
import { torchvisionFixtures } from './torchvision.ts';

const fixtures = torchvisionFixtures();
const { colour } = fixtures.images;
const apply = (transform: Transform) => applyTransforms(colour, [transform]);

describe('augmented pixels', () => {
  it('should be the bytes that torchvision gives @smoke', () => {
    for (const { image, transform, expected } of fixtures.cases) {
      assert.deepEqual(
        applyTransforms(fixtures.images[image], [transform]).data,
        expected,
        `${JSON.stringify(transform)} of the ${image} image`,
      );
    }
    assert.ok(fixtures.cases.length > 80);
  });

  it('should stay what they were where nothing is to change', () => {
    const identities: Transform[] = [
      { kind: 'pixels', ops: (['brightness', 'contrast', 'saturation', 'sharpness'] as const).map(op => ({ op, factor: 1 })) },
      { kind: 'pixels', ops: [{ op: 'posterize', bits: 8 }] },
      { kind: 'pixels', ops: [{ op: 'lighting', offsets: [0, 0, 0] }] },
      { kind: 'affine', center: 'middle', interpolation: 'nearest' },
      { kind: 'affine', center: 'corner', interpolation: 'bilinear', shear: [0, 0] },
      { kind: 'sequence', transforms: [] },
    ];
    for (const transform of identities) assert.deepEqual(apply(transform), colour, JSON.stringify(transform));
    assert.deepEqual(apply({ kind: 'affine', center: 'middle', interpolation: 'nearest', angle: 180 }).data.at(-1), colour.data[2]);
  });

  it('should keep few values, or one, as they are', () => {
    const flat = { data: new Uint8Array(27).fill(9), height: 3, width: 3, channels: 3 };
    for (const op of ['autocontrast', 'equalize'] as const)
      assert.deepEqual(applyTransforms(flat, [{ kind: 'pixels', ops: [{ op }] }]), flat);
    const small = { data: Uint8Array.of(1, 200, 3, 4), height: 2, width: 2, channels: 1 };
    assert.deepEqual(applyTransforms(small, [{ kind: 'pixels', ops: [{ op: 'sharpness', factor: 0 }] }]), small);
  });

  it('should be lit by an offset a channel, to the nearest byte within bounds', () => {
    const image = { data: Uint8Array.of(10, 10, 10, 250, 2, 128), height: 1, width: 2, channels: 3 };
    const lit = applyTransforms(image, [{ kind: 'pixels', ops: [{ op: 'lighting', offsets: [0.1, -0.02, 0.01] }] }]);
    assert.deepEqual([...lit.data], [36, 5, 13, 255, 0, 131]);
    assert.throws(() => applyTransforms(fixtures.images.grey, [{ kind: 'pixels', ops: [{ op: 'lighting', offsets: [0, 0, 0] }] }]), {
      message: 'it has 1 channel, lighting needs red, green and blue: use decode({ channels: 3 })',
    });
    // A grey picture that was asked for in colour is colour to the ops.
    assert.equal(applyTransforms(fixtures.images.grey, [{ kind: 'pixels', ops: [{ op: 'lighting', offsets: [0, 0, 0] }] }], 3).channels, 3);
  });
});

describe('boundsAfter', () => {
  it('should bring a box where its pixels went', () => {
    const box = { label: 1, top: 2, left: 3, bottom: 6, right: 9 };
    const size = { height: 20, width: 30 };
    const data = new Uint8Array(600);
    for (let y = 2; y < 6; y++) data.fill(1, y * 30 + 3, y * 30 + 9);
    for (const move of [{ translate: [4, -1] }, { angle: 180 }, { shear: [Math.atan(1) * (180 / Math.PI), 0] }, { angle: -30 }] as const) {
      const drawn: Affine = { center: 'middle', interpolation: 'nearest', ...move };
      const bounds = boundsAfter(box, inverseMatrix(drawn, size), size);
      const moved = applyTransforms({ data, ...size, channels: 1 }, [{ kind: 'affine', ...drawn }]).data;
      const lit = [...moved.keys()].filter(i => moved[i] === 1).map(i => [Math.floor(i / 30), i % 30]);
      const [rows, columns] = [lit.map(([y]) => y), lit.map(([, x]) => x)];
      const found = [Math.min(...rows), Math.min(...columns), Math.max(...rows) + 1, Math.max(...columns) + 1];
      for (const [i, side] of (['top', 'left', 'bottom', 'right'] as const).entries())
        assert.ok(Math.abs(bounds[side] - found[i]) <= 1, `${JSON.stringify(move)} ${side}: ${bounds[side]}, pixels ${found[i]}`);
      assert.equal(bounds.label, 1);
    }
  });
});

describe('erase', () => {
  it('should take the region that torchvision takes, given its random numbers', () => {
    for (const { scale, ratio, draws, expected } of fixtures.erased) {
      const region = erasedRegion({ height: 32, width: 40 }, { scale, ratio, draws });
      // torchvision gives the whole image, unchanged, when no try fitted
      assert.deepEqual(region ? [region.top, region.left, region.height, region.width] : [0, 0, 32, 40], expected);
    }
  });

  const half = { kind: 'erase', scale: [0.5, 0.5], ratio: [1, 1], draws: [0, 0, 0.5, 0.5] } as const;
  const image = { data: new Uint8Array(100 * 3).fill(50), height: 10, width: 10, channels: 3 };
  it('should fill with constants, and leave the rest', () => {
    const { data } = applyTransforms(image, [{ ...half, fill: { kind: 'constant', value: [1, 2.6, 3] } }]);
    const inside = (y: number, x: number): boolean => y >= 2 && y < 9 && x >= 2 && x < 9;
    for (let i = 0; i < 100; i++) {
      const expected = inside(Math.floor(i / 10), i % 10) ? [1, 3, 3] : [50, 50, 50];
      assert.deepEqual([...data.subarray(3 * i, 3 * i + 3)], expected);
    }
  });
  it('should fill with noise of the given mean and deviation, the same for the same seed', () => {
    const noise = (seed: number) =>
      applyTransforms({ ...image, data: new Uint8Array(300), height: 10, width: 10 }, [
        { ...half, scale: [0.8, 0.8], fill: { kind: 'noise', seed, mean: [0.5], std: [0.1] } },
      ]).data;
    assert.deepEqual(noise(3), noise(3));
    assert.notDeepEqual(noise(3), noise(4));
    const values = [...noise(3)].filter(value => value > 0);
    const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / values.length);
    assert.ok(Math.abs(mean - 127.5) < 5 && Math.abs(deviation - 25.5) < 4, `${mean} ± ${deviation}`);
    assert.equal(values.length, 81 * 3);
  });
});
