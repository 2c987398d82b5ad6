import assert from 'node:assert/strict';
import type { Sample } from '../../../core/data/sample.ts';
import { centerCrop, horizontalFlip, normalize, randomCrop, randomResizedCrop, resize } from '../../../core/data/transforms.ts';

const sequence =
  (...numbers: number[]) =>
  () =>
    numbers.shift() ?? 0;
const sample = {} as Sample;

describe('augmentations', () => {
  it('should be plain data once drawn', () => {
    assert.deepEqual(resize(256).draw(sequence(), sample), { kind: 'resizeShortSide', size: 256 });
    assert.deepEqual(resize({ height: 3, width: 4 }).draw(sequence(), sample), { kind: 'resize', height: 3, width: 4 });
    assert.deepEqual(centerCrop(224).draw(sequence(), sample), { kind: 'centerCrop', height: 224, width: 224 });
    assert.deepEqual(randomCrop(28, { padding: 4 }).draw(sequence(0.25, 0.75), sample), {
      kind: 'randomCrop',
      height: 28,
      width: 28,
      padding: 4,
      u: 0.25,
      v: 0.75,
    });
    const crop = randomResizedCrop(224).draw(sequence(0.1, 0.2), sample);
    assert.ok(crop?.kind === 'randomResizedCrop' && crop.draws.length === 40);
    assert.deepEqual(
      [crop.scale, crop.ratio, crop.draws.slice(0, 2)],
      [
        [0.08, 1],
        [3 / 4, 4 / 3],
        [0.1, 0.2],
      ],
    );
  });

  it('should flip with the given probability and no other', () => {
    assert.deepEqual(horizontalFlip().draw(sequence(0.49), sample), { kind: 'horizontalFlip' });
    assert.equal(horizontalFlip().draw(sequence(0.5), sample), undefined);
    assert.equal(horizontalFlip({ probability: 0 }).draw(sequence(0), sample), undefined);
    assert.deepEqual(horizontalFlip({ probability: 1 }).draw(sequence(0.999), sample), { kind: 'horizontalFlip' });
  });

  it('should leave normalization to the device', () => {
    const entry = normalize({ mean: [0.5], std: [0.25] });
    assert.equal(entry.draw(sequence(), sample), undefined);
    assert.deepEqual(entry.normalization, { mean: [0.5], std: [0.25] });
  });

  it('should say what is wrong with an argument', () => {
    assert.throws(() => resize(0), { message: 'resize: expected a size in whole pixels, 1 or more, got 0. Change the argument.' });
    assert.throws(
      () => centerCrop({ height: 2.5, width: 2 }),
      /centerCrop: expected a size in whole pixels, 1 or more, got {"height":2.5,"width":2}/,
    );
    assert.throws(() => randomCrop(8, { padding: -1 }), /randomCrop: expected padding to be a whole number of pixels, 0 or more, got -1/);
    assert.throws(
      () => randomResizedCrop(8, { scale: [0, 1] }),
      /randomResizedCrop: expected scale to be \[low, high\] with 0 < low <= high, got \[0,1\]/,
    );
    assert.throws(() => horizontalFlip({ probability: 2 }), /horizontalFlip: expected probability between 0 and 1, got 2/);
    assert.throws(() => normalize({ mean: [0.5], std: [0] }), /normalize: expected finite means and positive deviations/);
    assert.throws(() => normalize({ mean: [0.5, 0.5], std: [1, 1] }), /normalize: expected as many means as deviations, one or three/);
  });
});
