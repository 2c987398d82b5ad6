import assert from 'node:assert/strict';
import { concat, EMPTY, lastValueFrom, map, of, throwError, toArray } from 'rxjs';
import { Demand } from '../../core/data/demand.ts';
import type { Bad, Picture } from '../../core/data/sample.ts';
import { SlotPool } from '../../core/data/slots.ts';
import { crossEntropy } from '../../core/losses/index.ts';
import {
  augment,
  averageScores,
  batch,
  decode,
  evaluate,
  horizontalFlip,
  pixels,
  type Scores,
  scores,
  tenCrop,
} from '../../operators/index.ts';
import { flat, ImmediatePool, StrayPool, tinySource } from './tinySource.ts';
import { record, useTraining } from './trainingRig.ts';

/** Pixel i is i. */
const counted = (height: number, width: number): Picture => ({
  kind: 'raw',
  pixels: Uint8Array.from({ length: height * width }, (_, i) => i),
  height,
  width,
  channels: 1,
});

describe('tenCrop', () => {
  const views = (picture: Picture, size: Parameters<typeof tenCrop>[0]) =>
    lastValueFrom(
      tinySource(1, { picture: () => picture }).pipe(
        decode({ pool: new ImmediatePool(), channels: 1 }),
        tenCrop(size),
        pixels(),
        map(({ pixels: { data } }) => [...data]),
        toArray(),
      ),
    );

  it("should be torchvision's ten crops in its order @smoke", async () => {
    // TenCrop of torchvision 0.14 on np.arange(height * width): the first two and the last value of each
    const shown = (all: number[][]) => all.map(data => [data[0], data[1], data.at(-1)].join()).join(' ');
    assert.equal(
      shown(await views(counted(7, 10), { height: 4, width: 5 })),
      '0,1,34 5,6,39 30,31,64 35,36,69 22,23,56 9,8,35 4,3,30 39,38,65 34,33,60 27,26,53',
    );
    assert.equal(shown(await views(counted(7, 9), 4)), '0,1,30 5,6,35 27,28,57 32,33,62 20,21,50 8,7,32 3,2,27 35,34,59 30,29,54 24,23,48');
    assert.deepEqual(await views(counted(2, 2), 2), [...Array(5).fill([0, 1, 2, 3]), ...Array(5).fill([1, 0, 3, 2])]);
  });

  it('should keep keys, labels and order, through batches that views straddle, and give everything back', async () => {
    const demand = new Demand();
    const slots = new SlotPool();
    const pool = new StrayPool();
    const out = tinySource(7, { demand, picture: i => flat(i, 3, 3) }).pipe(decode({ pool, slots, channels: 1 }), tenCrop(2), batch(8));
    const labels = await lastValueFrom(
      out.pipe(
        map(each => [...each.labels].map((label, i) => [label, each.keys[i], each.cells[i][3]].join())),
        toArray(),
      ),
    );
    assert.deepEqual(
      labels.flat(),
      Array.from({ length: 70 }, (_, i) => `${Math.floor(i / 10)},s${Math.floor(i / 10)},${Math.floor(i / 10)}`),
    );
    assert.deepEqual([demand.inside, slots.inUse], [0, 0]);
  });

  it('should decode a picture once, also with transforms before', async () => {
    const pool = new ImmediatePool();
    const out = tinySource(2, { picture: () => counted(4, 4) }).pipe(
      decode({ pool, channels: 1 }),
      augment([horizontalFlip({ probability: 1 })]),
      tenCrop(1),
      pixels(),
      map(({ pixels: { data } }) => data[0]),
      toArray(),
    );
    assert.deepEqual((await lastValueFrom(out)).slice(0, 10), [3, 0, 15, 12, 9, 0, 3, 12, 15, 10]);
    assert.equal(pool.submitted, 2 * 11);
  });

  it('should make no view of a picture that is too small, and tell it once', async () => {
    const told: Bad[] = [];
    const out = tinySource(3, { picture: i => counted(i === 1 ? 3 : 4, 9) }).pipe(
      decode({ workers: 1, channels: 1, onError: 'skip', bad: each => told.push(each) }),
      tenCrop(4),
      batch(20),
      map(({ labels }) => labels.join()),
    );
    assert.equal(await lastValueFrom(out), `${Array(10).fill(0)},${Array(10).fill(2)}`);
    assert.deepEqual(
      told.map(({ key, reason }) => [key, reason]),
      [['s1', 'it is 3 x 9 pixels, too small for crops of 4 x 4']],
    );
  });

  it('should pass on an error, and want decode before it', async () => {
    const broken = new Error('the source broke');
    await assert.rejects(lastValueFrom(throwError(() => broken).pipe(tenCrop(2))), broken);
    assert.deepEqual(await lastValueFrom(EMPTY.pipe(tenCrop(2), toArray())), []);
    await assert.rejects(lastValueFrom(tinySource(1).pipe(tenCrop(2))), {
      message: 'tenCrop: expected samples from decode(), got "s0" without a job. Put decode() before tenCrop().',
    });
    assert.throws(() => tenCrop(0), /tenCrop/);
  });
});

describe('averageScores', () => {
  const training = useTraining();
  const said = (keys: string[], labels: number[], ...logits: number[][]): Scores => ({
    keys,
    indices: Uint32Array.from(keys, key => key.charCodeAt(0)),
    labels: Int32Array.from(labels),
    logits: Float32Array.from(logits.flat()),
  });
  const measured = async (options: Parameters<typeof averageScores>[0], ...all: Scores[]) => {
    const { seconds: _, imagesPerSecond: __, ...rest } = await lastValueFrom(of(...all).pipe(averageScores(options)));
    return rest;
  };
  const ln = Math.log;

  it('should average probabilities or logits of the views of each image', async () => {
    // one view is sure of class 1, the other leans to class 0
    const both = [
      said(['a', 'b'], [0, 1], [ln(0.9), ln(0.1)], [ln(0.5), ln(0.5)]),
      said(['b', 'a'], [1, 0], [ln(0.2), ln(0.8)], [ln(0.3), ln(0.7)]),
    ];
    const ofProbabilities = await measured({ views: 2 }, ...both);
    assert.deepEqual([ofProbabilities.images, ofProbabilities.top1, ofProbabilities.top5], [2, 1, 1]);
    assert.ok(Math.abs(ofProbabilities.loss + (ln(0.6) + ln(0.65)) / 2) < 1e-6);
    const geometric = (p: number, q: number) => Math.sqrt(p * q) / (Math.sqrt(p * q) + Math.sqrt((1 - p) * (1 - q)));
    const ofLogits = await measured({ views: 2, of: 'logits' }, ...both);
    assert.ok(Math.abs(ofLogits.loss + (ln(geometric(0.9, 0.3)) + ln(geometric(0.5, 0.8))) / 2) < 1e-6);
    const costs = await measured({ views: 2, cost: (predicted, label) => (predicted === label ? 0 : 3) }, ...both);
    assert.deepEqual([costs.cost1, costs.cost5], [0, 0]);
  });

  it('should keep two images of one key apart, and refuse two at one position', async () => {
    const twins = (...logits: number[][]) => ({ ...said(['a', 'a'], [0, 1], ...logits), indices: Uint32Array.of(0, 1) });
    const { images, top1, loss } = await measured({ views: 2 }, twins([9, 0], [0, 9]), twins([9, 0], [0, 9]));
    assert.deepEqual([images, top1], [2, 1]);
    assert.ok(loss < 0.001, 'mixed it would be ln 2');
    await assert.rejects(measured({ views: 2 }, { ...said(['a', 'b'], [0, 1], [1, 0], [1, 0]), indices: Uint32Array.of(3, 3) }), {
      message: 'averageScores: expected one image at each position of the data set, got "a" and "b" at 3. Measure one data set at a time.',
    });
  });

  it('should leave out images that lack a view', async () => {
    const { images, top1 } = await measured({ views: 2 }, said(['a', 'b', 'a'], [0, 1, 0], [1, 0], [1, 0], [1, 0]));
    assert.deepEqual([images, top1], [1, 1]);
    assert.deepEqual(await measured({ views: 3 }), { images: 0, loss: 0, top1: 0, top5: 0 });
    assert.throws(() => averageScores({ views: 0 }), /averageScores: expected views to be a whole number, 1 or more, got 0/);
  });

  it('should say of one view what evaluate says, and of the same view twice the same', async () => {
    const rig = training.rig();
    const batches = () =>
      rig.batches(2).pipe(
        map((each, i) => ({
          ...each,
          keys: each.keys.map(key => `${i} ${key}`),
          indices: each.indices.map(index => 100 * i + index),
        })),
      );
    const { values } = await record(rig.batches(2).pipe(evaluate(rig.model, crossEntropy())));
    const once = await lastValueFrom(batches().pipe(scores(rig.model), averageScores({ views: 1 })));
    const twice = await lastValueFrom(
      concat(batches().pipe(scores(rig.model)), batches().pipe(scores(rig.model))).pipe(averageScores({ views: 2 })),
    );
    for (const each of [once, twice]) {
      assert.deepEqual([each.images, each.top1, each.top5], [values[0]!.images, values[0]!.top1, values[0]!.top5]);
      assert.ok(Math.abs(each.loss - values[0]!.loss) < 1e-6);
    }
  });
});
