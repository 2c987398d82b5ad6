import assert from 'node:assert/strict';
import { type Plan, plan } from '../../../core/data/planned.ts';
import { type ShrinkOnLoad, whatToDecode } from '../../../core/data/reduction.ts';
import type { Transform } from '../../../core/data/sample.ts';

const limits = { pixelLimit: 1e9 };
const planned = (height: number, width: number, transforms: readonly Transform[]): Plan =>
  plan({ height, width }, { ...limits, transforms });
function decoded(height: number, width: number, transforms: readonly Transform[], shrinkOnLoad?: ShrinkOnLoad) {
  return whatToDecode(planned(height, width, transforms), transforms, shrinkOnLoad);
}
const resize = (height: number, width = height): Transform => ({ kind: 'resize', height, width });
const box = (top: number, left: number, bottom: number, right: number): Transform => ({
  kind: 'cropToBox',
  box: { label: 0, top, left, bottom, right },
  margin: 0,
});

describe('whatToDecode', () => {
  it('should take the smallest scale at which the crop still has as many pixels as it is resized to', () => {
    const scale = (height: number, width: number, to: number, across = to) =>
      decoded(height, width, [resize(to, across)], 'always').reduction;
    assert.equal(scale(1792, 1792, 224), 8);
    assert.equal(scale(1791, 1792, 224), 4);
    assert.equal(scale(896, 2000, 224), 4);
    assert.equal(scale(895, 2000, 224), 2);
    assert.equal(scale(448, 448, 224), 2);
    assert.equal(scale(500, 447, 224), 1);
    assert.equal(scale(100, 100, 224), 1);
    assert.equal(scale(900, 900, 100, 600), 1);
    assert.equal(scale(8000, 8000, 10), 8);
  });

  it('should resize from where the crop begins and ends between pixels of the smaller picture', () => {
    const { reduction, region, steps, upright } = decoded(600, 800, [box(101, 50, 501, 449), resize(100)], 'always');
    assert.equal(reduction, 2);
    assert.deepEqual(region, { top: 50, left: 25, height: 201, width: 200 });
    assert.deepEqual(steps, [{ kind: 'resize', height: 100, width: 100, from: { top: 0.5, left: 0, height: 200, width: 199.5 } }]);
    assert.deepEqual(upright, { height: 600, width: 800 });
  });

  it('should take a picture whose sides are no multiples of the scale as large as it is', () => {
    const { reduction, region, steps } = decoded(375, 501, [resize(90, 100)], 'always');
    assert.equal(reduction, 4);
    assert.deepEqual(region, { top: 0, left: 0, height: 94, width: 126 });
    assert.deepEqual(steps, [{ kind: 'resize', height: 90, width: 100, from: { top: 0, left: 0, height: 93.75, width: 125.25 } }]);
  });

  it('should shrink where crops are drawn at random alone, unless told otherwise', () => {
    const small: Transform = { kind: 'resizeShortSide', size: 64 };
    const random: Transform = { kind: 'randomCrop', height: 56, width: 56, padding: 0, u: 0.5, v: 0.5 };
    const resized: Transform = { kind: 'randomResizedCrop', height: 56, width: 56, scale: [1, 1], ratio: [1, 1], draws: [] };
    const center: Transform = { kind: 'centerCrop', height: 56, width: 56 };
    const reductions = (transforms: Transform[]) =>
      [undefined, 'random', 'always', 'never'].map(when => decoded(600, 600, transforms, when as ShrinkOnLoad).reduction);
    assert.deepEqual(reductions([small, random]), [8, 8, 8, 1]);
    assert.deepEqual(reductions([resized]), [8, 8, 8, 1]);
    assert.deepEqual(reductions([{ kind: 'sequence', transforms: [resized] }]), [8, 8, 8, 1]);
    assert.deepEqual(reductions([small, center]), [1, 1, 8, 1]);
  });

  it('should decode in full what is changed before it is resized, or not resized at all', () => {
    const flipped = decoded(600, 600, [{ kind: 'horizontalFlip' }, resize(64)], 'always');
    assert.equal(flipped.reduction, 1);
    assert.deepEqual(flipped.region, { top: 0, left: 0, height: 600, width: 600 });
    const cut = decoded(600, 600, [box(10, 20, 110, 220)], 'always');
    assert.deepEqual([cut.reduction, cut.region, cut.steps], [1, { kind: 'crop', top: 10, left: 20, height: 100, width: 200 }, []]);
  });
});
