import assert from 'node:assert/strict';
import sharp from 'sharp';
import { bestGuess, ConfusionMatrix } from '../../../pipelines/dashboard/confusionMatrix.ts';
import { pictureSheet } from '../../../pipelines/dashboard/pictureSheet.ts';
import { describeWeights, histogram } from '../../../pipelines/dashboard/values.ts';

describe('histogram', () => {
  it('should count every value once, from the least to the largest @smoke', () => {
    const { low, high, counts, mean, std, not_finite } = histogram(Float32Array.from([-1, -1, 0, 3, Number.NaN, Number.POSITIVE_INFINITY]));
    assert.deepEqual([low, high, not_finite, mean], [-1, 3, 2, 0.25]);
    assert.ok(Math.abs(std - Math.sqrt((1.25 ** 2 * 2 + 0.25 ** 2 + 2.75 ** 2) / 4)) < 1e-6);
    assert.deepEqual([counts[0], counts[10], counts.at(-1), counts.reduce((a, b) => a + b, 0)], [2, 1, 1, 4]);
  });
  it('should take constants, nothing, and far more values than it looks at', () => {
    assert.equal(histogram(new Float32Array(10).fill(2)).counts[0], 10);
    assert.equal(histogram(new Float32Array(0)).low, 0);
    const many = histogram(Float32Array.from({ length: 1_000_000 }, (_, i) => Math.sin(i)));
    assert.ok(many.counts.reduce((a, b) => a + b, 0) <= 65_536 && Math.abs(many.mean) < 0.01 && Math.abs(many.std - Math.SQRT1_2) < 0.01);
  });
});

describe('describeWeights', () => {
  it('should show layers with their gradients, and the first convolution as pictures', async () => {
    const filters = Float32Array.from({ length: 4 * 3 * 3 * 3 }, (_, i) => i);
    const weights = new Map([
      ['conv1.weight', { shape: [4, 3, 3, 3], data: filters }],
      ['bn1.weight', { shape: [4], data: new Float32Array(4) }],
      ['fc.weight', { shape: [2, 4], data: new Float32Array(8).fill(1) }],
      ['fc.bias', { shape: [2], data: new Float32Array(2) }],
    ]);
    const gradients = new Map([['fc.weight', { shape: [2, 4], data: new Float32Array(8).fill(0.5) }]]);
    const { layers, filters: shown } = await describeWeights(9, weights, gradients);
    assert.deepEqual(
      layers.map(({ name, gradients }) => [name, gradients?.mean]),
      [
        ['conv1.weight', undefined],
        ['fc.weight', 0.5],
      ],
    );
    assert.deepEqual([shown?.name, shown?.count], ['conv1.weight', 4]);
    const { width, height } = await sharp(Buffer.from(shown!.sheet.split(',')[1]!, 'base64')).metadata();
    assert.deepEqual([width, height], [shown!.columns * shown!.tile, Math.ceil(4 / shown!.columns) * shown!.tile]);
  });
});

describe('pictureSheet', () => {
  it('should leave small pictures as they are and thin large ones, each in its tile', async () => {
    const small = [0, 255].map(level => ({ data: new Uint8Array(4).fill(level), height: 2, width: 2, channels: 1 }));
    const { sheet, tile, columns } = await pictureSheet(small, { columns: 2, tile: 9 })();
    assert.deepEqual([tile, columns], [2, 2]);
    const { data, info } = await sharp(Buffer.from(sheet.split(',')[1]!, 'base64'))
      .raw()
      .toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height], [4, 2]);
    for (let x = 0; x < 4; x++) assert.equal(data[(4 + x) * info.channels], x < 2 ? 0 : 255);
    const large = { data: new Uint8Array(300 * 200 * 3).fill(77), height: 300, width: 200, channels: 3 };
    const thinned = await pictureSheet([large], { columns: 1, tile: 60 })();
    const pixels = await sharp(Buffer.from(thinned.sheet.split(',')[1]!, 'base64'))
      .raw()
      .toBuffer();
    // 40 wide in the middle of 60
    assert.deepEqual(
      [pixels[(30 * 60 + 9) * 3], pixels[(30 * 60 + 10) * 3], pixels[(30 * 60 + 49) * 3], pixels[(30 * 60 + 50) * 3]],
      [0, 77, 77, 0],
    );
  });
});

describe('ConfusionMatrix', () => {
  it('should count, and leave out the classes with the fewest mistakes where there are many', () => {
    const few = new ConfusionMatrix(3);
    for (const [label, guess] of [
      [0, 0],
      [0, 1],
      [2, 2],
      [2, 1],
    ] as const)
      few.add(label, guess);
    const names = ['a', 'b', 'c'];
    assert.deepEqual(few.confusion(4, names), {
      epoch: 4,
      classes: names,
      places: [0, 1, 2],
      counts: [
        [1, 1, 0],
        [0, 0, 0],
        [0, 1, 1],
      ],
      images: 4,
      left_out: 0,
    });
    const many = new ConfusionMatrix(100);
    for (let i = 0; i < 100; i++) many.add(i, i);
    many.add(90, 7);
    const { places, counts, left_out } = many.confusion(0, []);
    assert.ok(places.length === 40 && left_out === 60 && places.includes(90) && places.includes(7));
    assert.equal(counts[places.indexOf(90)]![places.indexOf(7)], 1);
  });
  it('should guess as softmax does', () => {
    const { guess, share } = bestGuess(Float32Array.of(1, 3, 2));
    assert.equal(guess, 1);
    assert.ok(Math.abs(share - Math.exp(3) / (Math.exp(1) + Math.exp(2) + Math.exp(3))) < 1e-6);
    assert.ok(Math.abs(bestGuess(Float32Array.of(1000, 0)).share - 1) < 1e-9);
  });
});
