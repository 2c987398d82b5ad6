import assert from 'node:assert/strict';
import { planSteps, resizedCropRegion } from '../../../core/data/geometry.ts';
import { roundHalfEven } from '../../../core/data/rounding.ts';
import type { Transform } from '../../../core/data/sample.ts';

const draws = (...first: number[]) => [...first, ...Array.from({ length: 40 - first.length }, () => 0)];
const defaults = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;

describe('planSteps', () => {
  it('should scale the short side and truncate the long one, as torchvision does', () => {
    const short: Transform = { kind: 'resizeShortSide', size: 256 };
    assert.deepEqual(planSteps([short], 375, 500).steps, [{ kind: 'resize', height: 256, width: 341 }]);
    assert.deepEqual(planSteps([short], 500, 333).steps, [{ kind: 'resize', height: 384, width: 256 }]);
  });

  it('should place a central crop as torchvision rounds it, and pad a smaller image with the odd pixel last', () => {
    const crop: Transform = { kind: 'centerCrop', height: 4, width: 4 };
    assert.deepEqual(planSteps([crop], 7, 9).steps, [{ kind: 'crop', top: 2, left: 2, height: 4, width: 4 }]); // 1.5 and 2.5 both go to 2
    assert.deepEqual(planSteps([crop], 3, 1).steps, [{ kind: 'crop', top: 0, left: -1, height: 4, width: 4 }]);
  });

  it('should reach every place of a padded crop, the first and the last included', () => {
    const crop = (u: number, v: number): Transform => ({ kind: 'randomCrop', height: 28, width: 28, padding: 4, u, v });
    assert.deepEqual(planSteps([crop(0, 0.9999)], 28, 28).steps, [{ kind: 'crop', top: -4, left: 4, height: 28, width: 28 }]);
  });

  it('should refuse a random crop of more than there is, with the sizes', () => {
    const crop: Transform = { kind: 'randomCrop', height: 30, width: 30, padding: 0, u: 0, v: 0 };
    assert.throws(() => planSteps([crop], 28, 28), /it is 28 x 28 pixels, too small for a randomCrop of 30 x 30/);
  });

  it('should carry the size from one transform to the next', () => {
    const plan = planSteps(
      [{ kind: 'resizeShortSide', size: 8 }, { kind: 'horizontalFlip' }, { kind: 'centerCrop', height: 6, width: 6 }],
      16,
      32,
    );
    assert.deepEqual([plan.height, plan.width], [6, 6]);
    assert.deepEqual(plan.steps.at(-1), { kind: 'crop', top: 1, left: 5, height: 6, width: 6 });
  });
});

describe('resizedCropRegion', () => {
  it('should follow the formula given the draws @smoke', () => {
    // area = 100*200*(0.08 + 0.92*0.5) = 10800; ratio = exp(0) = 1: 104 wide (103.92), but 104 > 100 high: the second candidate counts.
    // area = 100*200*0.08 = 1600, ratio = 3/4: 35 wide (34.64), 46 high (46.19); top = floor(0.5*55), left = floor(0.25*166).
    const region = resizedCropRegion({ height: 100, width: 200 }, { ...defaults, draws: draws(0.5, 0.5, 0, 0, 0, 0, 0.5, 0.25) });
    assert.deepEqual(region, { top: 27, left: 41, height: 46, width: 35 });
  });

  it('should fall back to the central crop with the nearest allowed ratio when ten candidates do not fit', () => {
    const never = Array.from({ length: 40 }, (_, i) => (i % 4 < 2 ? 0.999 : 0.3));
    assert.deepEqual(resizedCropRegion({ height: 10, width: 100 }, { ...defaults, draws: never }), {
      top: 0,
      left: 43,
      height: 10,
      width: 13,
    });
    assert.deepEqual(resizedCropRegion({ height: 100, width: 10 }, { ...defaults, draws: never }), {
      top: 43,
      left: 0,
      height: 13,
      width: 10,
    });
  });

  it('should stay inside the image for any draws', () => {
    for (let i = 0; i < 200; i++) {
      const random = Array.from({ length: 40 }, (_, k) => ((i * 7919 + k * 104729) % 1000) / 1000);
      const { top, left, height, width } = resizedCropRegion({ height: 1 + (i % 13), width: 1 + (i % 29) }, { ...defaults, draws: random });
      assert.ok(
        top >= 0 && left >= 0 && height > 0 && width > 0 && top + height <= 1 + (i % 13) && left + width <= 1 + (i % 29),
        String(i),
      );
    }
  });
});

describe('roundHalfEven', () => {
  it('should round as Python does', () => {
    assert.deepEqual([0.5, 1.5, 2.5, 2.4, 2.6].map(roundHalfEven), [0, 2, 2, 2, 3]);
  });
});
