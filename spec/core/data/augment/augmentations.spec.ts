import assert from 'node:assert/strict';
import { colorJitter, grayscale, pcaLighting, randomErasing, randomShortSide } from '../../../../core/data/augment/index.ts';
import { lightingOffsets } from '../../../../core/data/augment/pcaLighting.ts';
import { applyTransforms } from '../../../../core/data/rawPixels.ts';
import type { Sample } from '../../../../core/data/sample.ts';
import type { Augmentation } from '../../../../core/data/transforms.ts';
import { uniforms } from '../../../../core/random.ts';
import { torchvisionFixtures } from './torchvision.ts';

const { colour } = torchvisionFixtures().images;
const sample = {} as Sample;
const given =
  (...numbers: number[]) =>
  () =>
    numbers.shift() ?? 0;
const pixelsOf = (entry: Augmentation, index: number) => {
  const transform = entry.draw(uniforms(1, 2, index), sample);
  // as it crosses to the worker
  return applyTransforms(colour, transform ? [structuredClone(transform)] : []).data;
};

describe('augmentations of values', () => {
  it('should give the same pixels for the same stream, and others for another', () => {
    for (const entry of [
      colorJitter({ brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 }),
      pcaLighting(),
      randomErasing({ probability: 1, value: 'random' }),
      randomShortSide([5, 30]),
    ]) {
      assert.deepEqual(pixelsOf(entry, 3), pixelsOf(entry, 3), entry.name);
      assert.notDeepEqual(pixelsOf(entry, 3), pixelsOf(entry, 4), entry.name);
    }
  });

  it('should draw a short side from both ends and all between', () => {
    const draw = (u: number) => randomShortSide([256, 480]).draw(given(u), sample);
    assert.deepEqual(draw(0), { kind: 'resizeShortSide', size: 256 });
    assert.deepEqual(draw(0.99999), { kind: 'resizeShortSide', size: 480 });
  });

  it('should jitter in any order, each factor within its range', () => {
    const entry = colorJitter({ brightness: 0.4, contrast: [0.9, 1.1], saturation: 2, hue: 0.5 });
    const orders = new Set<string>();
    for (let i = 0; i < 400; i++) {
      const transform = entry.draw(uniforms(i), sample);
      assert.ok(transform?.kind === 'pixels');
      orders.add(transform.ops.map(({ op }) => op).join());
      for (const op of transform.ops) {
        if (op.op === 'brightness') assert.ok(op.factor >= 0.6 && op.factor <= 1.4);
        else if (op.op === 'contrast') assert.ok(op.factor >= 0.9 && op.factor <= 1.1);
        else if (op.op === 'saturation') assert.ok(op.factor >= 0 && op.factor <= 3);
        else assert.ok(op.op === 'hue' && Math.abs(op.shift) <= 0.5);
      }
    }
    assert.equal(orders.size, 24);
    assert.equal(colorJitter({}).draw(given(), sample), undefined);
    assert.equal(colorJitter({ hue: 0.1 }).name, 'colorJitter(brightness 1 to 1, contrast 1 to 1, saturation 1 to 1, hue -0.1 to 0.1)');
  });

  it('should turn grey with the given probability', () => {
    assert.deepEqual(grayscale().draw(given(0.999), sample), { kind: 'pixels', ops: [{ op: 'grayscale' }] });
    assert.equal(grayscale({ probability: 0.1 }).draw(given(0.1), sample), undefined);
  });

  it("should change the light along ImageNet's colours", () => {
    const close = (found: readonly number[], expected: readonly number[]) => {
      for (const [i, each] of expected.entries()) assert.ok(Math.abs(found[i] - each) < 1e-12, `${found} is not ${expected}`);
    };
    close(lightingOffsets([1, 0, 0]), [-0.5675 * 0.2175, -0.5808 * 0.2175, -0.5836 * 0.2175]);
    close(lightingOffsets([0, 1, -1]), [
      0.7192 * 0.0188 - 0.4009 * 0.0045,
      -0.0045 * 0.0188 + 0.814 * 0.0045,
      -0.6948 * 0.0188 - 0.4203 * 0.0045,
    ]);
    const squares = [0, 0, 0];
    for (let i = 0; i < 2000; i++) {
      const transform = pcaLighting().draw(uniforms(i), sample);
      assert.ok(transform?.kind === 'pixels' && transform.ops[0].op === 'lighting');
      for (const [c, offset] of transform.ops[0].offsets.entries()) squares[c] += offset ** 2 / 2000;
    }
    // the deviation is 0.1 times that of the first component, nearly
    for (const each of squares) assert.ok(Math.abs(Math.sqrt(each) - 0.0125) < 0.001, String(Math.sqrt(each)));
  });

  it('should erase with the given probability and value', () => {
    assert.equal(randomErasing({ probability: 0.25 }).draw(given(0.25), sample), undefined);
    const fillOf = (value: 'zero' | 'mean' | 'random' | number) => {
      const transform = randomErasing({ probability: 1, value }).draw(uniforms(1), sample);
      assert.ok(transform?.kind === 'erase' && transform.draws.length === 40);
      return transform.fill;
    };
    assert.deepEqual(fillOf('zero'), { kind: 'constant', value: [0] });
    assert.deepEqual(fillOf('mean'), { kind: 'constant', value: [255 * 0.485, 255 * 0.456, 255 * 0.406] });
    assert.deepEqual(fillOf(7), { kind: 'constant', value: [7] });
    assert.equal(fillOf('random').kind, 'noise');
  });

  it('should say what is wrong with an argument', () => {
    assert.throws(() => randomShortSide([480, 256]), {
      message: 'randomShortSide: expected range to be [low, high] with 1 <= low <= high, got [480,256]. Change the argument.',
    });
    assert.throws(() => randomShortSide([1.5, 2]), /randomShortSide: expected range in whole pixels, got \[1.5,2\]/);
    assert.throws(
      () => colorJitter({ hue: 0.6 }),
      /colorJitter: expected hue to be \[low, high\] with -0.5 <= low <= high <= 0.5, got \[-0.6,0.6\]/,
    );
    assert.throws(() => colorJitter({ contrast: -1 }), /colorJitter: expected contrast to be 0 or more, or \[low, high\], got -1/);
    assert.throws(() => colorJitter({ brightness: [-1, 1] }), /brightness to be \[low, high\] with 0 <= low <= high, got \[-1,1\]/);
    assert.throws(() => grayscale({ probability: 1.1 }), /grayscale: expected probability between 0 and 1, got 1.1/);
    assert.throws(() => pcaLighting({ sigma: -1 }), /pcaLighting: expected sigma to be a finite number, 0 or more, got -1/);
    assert.throws(() => randomErasing({ scale: [0, 2] }), /randomErasing: expected scale to be \[low, high\] with 0 <= low <= high <= 1/);
    assert.throws(() => randomErasing({ ratio: [0, 1] }), /randomErasing: expected ratio to be \[low, high\] with 0 < low, got \[0,1\]/);
    assert.throws(
      () => randomErasing({ value: 256 }),
      /randomErasing: expected value to be 'zero', 'mean', 'random' or bytes from 0 to 255, got 256/,
    );
  });
});
