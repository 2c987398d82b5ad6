import assert from 'node:assert/strict';
import { boxRegion, iou, localization, moveBox, moveBoxes } from '../../../core/data/boxes.ts';
import { planSteps, type Size } from '../../../core/data/geometry.ts';
import { applyTransforms, type RawPixels } from '../../../core/data/rawPixels.ts';
import type { Box, Transform } from '../../../core/data/sample.ts';
import { purpose, uniforms } from '../../../core/random.ts';

const box = (top: number, left: number, bottom: number, right: number, label = 0): Box => ({ label, top, left, bottom, right });
const bounds = ({ top, left, bottom, right }: Box) => [top, left, bottom, right];

/** Black with a white rectangle. */
function drawn({ height, width }: Size, { top, left, bottom, right }: Box): RawPixels {
  const data = new Uint8Array(height * width);
  for (let y = top; y < bottom; y++) data.fill(255, y * width + left, y * width + right);
  return { data, height, width, channels: 1 };
}
/** Where an image is more white than black. */
function bright({ data, width }: RawPixels): Box | undefined {
  let found: Box | undefined;
  for (const [i, value] of data.entries()) {
    if (value < 128) continue;
    const [y, x] = [Math.floor(i / width), i % width];
    const { top, left, bottom, right } = found ?? box(y, x, y + 1, x + 1);
    found = box(Math.min(top, y), Math.min(left, x), Math.max(bottom, y + 1), Math.max(right, x + 1));
  }
  return found;
}
const uncertain = 0.51; // a pixel is white if its middle is inside

describe('moveBoxes', () => {
  const picture = { height: 60, width: 90 };
  const object = box(10, 20, 40, 50);
  const moved = (transforms: Transform[], minVisible = 0, boxes = [object]) =>
    moveBoxes(boxes, picture, planSteps(transforms, picture.height, picture.width).steps, minVisible).map(bounds);

  it('should be what the transforms say in whole numbers @smoke', () => {
    assert.deepEqual(moved([]), [[10, 20, 40, 50]]);
    assert.deepEqual(moved([{ kind: 'horizontalFlip' }]), [[10, 40, 40, 70]]);
    assert.deepEqual(moved([{ kind: 'resize', height: 30, width: 180 }]), [[5, 40, 20, 100]]);
    assert.deepEqual(moved([{ kind: 'resizeShortSide', size: 120 }]), [[20, 40, 80, 100]]);
    assert.deepEqual(moved([{ kind: 'centerCrop', height: 30, width: 40 }]), [[0, 0, 25, 25]]);
    assert.deepEqual(moved([{ kind: 'centerCrop', height: 80, width: 100 }]), [[20, 25, 50, 55]], 'padded');
    assert.deepEqual(moved([{ kind: 'randomCrop', height: 60, width: 90, padding: 4, u: 0, v: 0.999 }]), [[14, 16, 44, 46]]);
    assert.deepEqual(
      moved([{ kind: 'horizontalFlip' }, { kind: 'centerCrop', height: 60, width: 50 }, { kind: 'resize', height: 120, width: 100 }]),
      [[20, 40, 80, 100]],
    );
  });

  const transforms: Record<string, (random: () => number) => Transform> = {
    resize: random => ({ kind: 'resize', height: 30 + Math.floor(90 * random()), width: 30 + Math.floor(90 * random()) }),
    resizeShortSide: random => ({ kind: 'resizeShortSide', size: 30 + Math.floor(60 * random()) }),
    centerCrop: random => ({ kind: 'centerCrop', height: 20 + Math.floor(60 * random()), width: 20 + Math.floor(90 * random()) }),
    randomCrop: random => ({ kind: 'randomCrop', height: 30, width: 25, padding: 5, u: random(), v: random() }),
    randomResizedCrop: random => ({
      kind: 'randomResizedCrop',
      height: 48,
      width: 48,
      scale: [0.2, 1],
      ratio: [3 / 4, 4 / 3],
      draws: Array.from({ length: 40 }, random),
    }),
    horizontalFlip: () => ({ kind: 'horizontalFlip' }),
    affine: random => ({
      kind: 'affine',
      shear: [0, 0],
      translate: [30 * random() - 15, 20 * random() - 10],
      center: 'middle',
      interpolation: 'nearest',
    }),
  };
  for (const [name, draw] of Object.entries(transforms)) {
    it(`should put a box where ${name} puts the pixels in it, alone and after a flip and a crop`, () => {
      let seen = 0;
      for (let i = 0; i < 40; i++) {
        const random = uniforms(3, 0, i, purpose.augment, 0);
        const whole = box(
          Math.floor(20 * random()),
          Math.floor(30 * random()),
          35 + Math.floor(25 * random()),
          50 + Math.floor(40 * random()),
        );
        const before: Transform[] = i % 2 ? [{ kind: 'horizontalFlip' }, { kind: 'centerCrop', height: 50, width: 70 }] : [];
        const list = [...before, draw(random)];
        const found = bright(applyTransforms(drawn(picture, whole), list));
        const expected = moveBox(whole, picture, planSteps(list, picture.height, picture.width).steps);
        if (!found || !expected) {
          // a sliver of which no pixel's middle is inside
          assert.ok(
            !found && (!expected || expected.box.right - expected.box.left < 1 || expected.box.bottom - expected.box.top < 1),
            name,
          );
          continue;
        }
        seen++;
        for (const edge of ['top', 'left', 'bottom', 'right'] as const) {
          assert.ok(
            Math.abs(found[edge] - expected.box[edge]) <= uncertain,
            `${name} ${i} ${edge}: ${bounds(found)} for ${bounds(expected.box)}`,
          );
        }
      }
      assert.ok(seen >= 35, `${seen} boxes were compared`);
    });
  }

  it('should put a box around what affine turned and sheared', () => {
    const whole = box(20, 30, 40, 60);
    for (const [angle, shear] of [
      [20, 0],
      [-35, 0],
      [0, 15],
      [10, -10],
    ]) {
      const list: Transform[] = [{ kind: 'affine', angle, shear: [shear, 0], center: 'middle', interpolation: 'nearest' }];
      const found = bright(applyTransforms(drawn(picture, whole), list))!;
      const { box: expected } = moveBox(whole, picture, planSteps(list, picture.height, picture.width).steps)!;
      // the corner's last pixels may have their middles outside
      for (const edge of ['top', 'left', 'bottom', 'right'] as const)
        assert.ok(Math.abs(found[edge] - expected[edge]) < 2, `${angle} ${shear} ${edge}: ${bounds(found)} for ${bounds(expected)}`);
    }
  });

  it('should crop to the box wherever earlier transforms have moved it', () => {
    const crop: Transform = { kind: 'cropToBox', box: object, margin: 0 };
    for (const before of [[], [transforms.horizontalFlip(Math.random)], [{ kind: 'resize', height: 120, width: 180 } as const]]) {
      const out = applyTransforms(drawn(picture, object), [...before, crop]);
      const inner = before[0]?.kind === 'resize' ? 60 : 30;
      assert.deepEqual([out.height, out.width], [inner, inner]);
      assert.ok(
        out.data.every(value => value > 127),
        'white alone',
      );
    }
    assert.deepEqual(moved([{ ...crop, margin: 0.5 }]), [[10, 15, 40, 45]], 'as far as the picture goes above');
    assert.deepEqual(
      planSteps([{ kind: 'centerCrop', height: 5, width: 5 }, crop], 200, 200).height,
      5,
      'left whole where nothing of the box is left',
    );
    assert.deepEqual(boxRegion(box(1.5, 2.2, 7.1, 9), { height: 20, width: 20 }, 0), { top: 1, left: 2, height: 7, width: 7 });
  });

  it('should drop a box of which too little is left, counting only what was in the picture', () => {
    const half: Transform = { kind: 'randomCrop', height: 60, width: 55, padding: 0, u: 0, v: 0.999 };
    assert.deepEqual(moved([half], 0.5), [[10, 0, 40, 15]]);
    assert.deepEqual(moved([half], 0.51), []);
    const quarter: Transform[] = [half, { kind: 'resize', height: 120, width: 110 }, { kind: 'centerCrop', height: 20, width: 110 }];
    assert.equal(moved(quarter, 1 / 6 - 1e-9).length, 1, 'shares multiply: 1/2 × 1/3');
    assert.deepEqual(moved(quarter, 1 / 6 + 1e-9), []);
    assert.deepEqual(moved([], 1, [box(-30, 60, 30, 120)]), [[0, 60, 30, 90]], 'clipped to the picture');
    assert.deepEqual(moved([], 0, [box(0, 90, 30, 120), box(-5, 0, 0, 8)]), [], 'outside of it');
  });
});

describe('iou', () => {
  it('should be the shared area over the area of both @smoke', () => {
    assert.equal(iou(box(0, 0, 10, 10), box(0, 0, 10, 10)), 1);
    assert.equal(iou(box(0, 0, 10, 10), box(0, 5, 10, 15)), 50 / 150);
    assert.equal(iou(box(0, 0, 10, 10), box(2, 2, 4, 7)), 0.1);
    assert.equal(iou(box(0, 0, 10, 10), box(0, 10, 10, 20)), 0);
    assert.equal(iou(box(3, 3, 3, 3), box(3, 3, 3, 3)), 0);
  });
});

describe('localization', () => {
  it('should count a picture if a guess has the label and half of the box @smoke', () => {
    const truth = [box(0, 0, 10, 10, 7), box(50, 50, 60, 60, 7)];
    const right = box(0, 0, 10, 5, 7);
    const narrow = box(0, 0, 10, 4.9, 7);
    const other = box(0, 0, 10, 10, 8);
    const of = (...guesses: Box[]) => localization([{ guesses, truth }]);
    assert.deepEqual(of(right), { images: 1, top1: 1, top5: 1 });
    assert.deepEqual(of(box(50, 50, 60, 60, 7)), { images: 1, top1: 1, top5: 1 }, 'any of the boxes');
    assert.deepEqual(of(narrow), { images: 1, top1: 0, top5: 0 });
    assert.deepEqual(of(other, narrow, right), { images: 1, top1: 0, top5: 1 });
    assert.deepEqual(of(other, other, other, other, other, right), { images: 1, top1: 0, top5: 0 }, 'the sixth is too late');
    assert.deepEqual(
      localization([
        { guesses: [right], truth },
        { guesses: [], truth },
      ]),
      { images: 2, top1: 0.5, top5: 0.5 },
    );
    assert.deepEqual(localization([]), { images: 0, top1: 0, top5: 0 });
    assert.throws(() => localization([], { overlap: 0 }), /localization: expected overlap above 0 and up to 1, got 0\./);
  });
});
