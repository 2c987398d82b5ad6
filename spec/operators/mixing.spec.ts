import assert from 'node:assert/strict';
import { firstValueFrom, lastValueFrom, type OperatorFunction, of, toArray } from 'rxjs';
import { shownPixels } from '../../core/data/pixelEdit.ts';
import type { Batch } from '../../core/data/sample.ts';
import { openWasm } from '../../core/devices/wasm/device.ts';
import { crossEntropy, type Loss } from '../../core/losses/index.ts';
import { compile } from '../../core/training/compiledModel.ts';
import { tiny } from '../../models/tiny.ts';
import { cutBox } from '../../operators/cutMix.ts';
import { batch, cutMix, decode, mixUp } from '../../operators/index.ts';
import { showing } from '../showing.ts';
import { fakeBatch } from '../trainingFixtures.ts';
import { ImmediatePool, tinySource } from './tinySource.ts';

const through = (each: Batch, ...operators: OperatorFunction<Batch, Batch>[]) =>
  firstValueFrom(operators.reduce((source, operator) => source.pipe(operator), of(each)));
const numbered = (index: number): Batch => ({ ...fakeBatch(), first: { seed: 1, epoch: 2, index } });

describe('mixUp and cutMix', () => {
  it('should pair each sample with the one before it @smoke', async () => {
    const plain = numbered(0);
    const { mixture, ...rest } = await through(plain, mixUp());
    assert.ok(mixture && !mixture.box);
    assert.deepEqual([...mixture.partners], [7, 0, 1, 2, 3, 4, 5, 6]);
    assert.equal(new Set(mixture.shares).size, 1);
    assert.deepEqual(rest, plain);
  });

  it('should take the share of what is left outside of the rectangle', async () => {
    for (let i = 0; i < 30; i++) {
      const { mixture } = await through(numbered(i), cutMix());
      const { top, left, height, width } = mixture!.box!;
      assert.ok(top >= 0 && left >= 0 && height >= 0 && width >= 0 && top + height <= 8 && left + width <= 8);
      assert.equal(mixture!.shares[0], 1 - (height * width) / 64);
    }
  });

  it("should cut torchvision's rectangles", () => {
    const image = { height: 100, width: 60 };
    // √(1 - 0.64) = 0.6: 30 rows and 18 columns to each side of the centre
    assert.deepEqual(cutBox(0.64, image, 0.5, 0.5), { top: 20, left: 12, height: 60, width: 36 });
    assert.deepEqual(cutBox(0.64, image, 0, 0.999), { top: 69, left: 0, height: 31, width: 18 });
    assert.deepEqual(cutBox(1, image, 0.3, 0.3), { top: 30, left: 18, height: 0, width: 0 });
  });

  it('should depend on the first sample alone, and choose one of two', async () => {
    const shares = async (...operators: OperatorFunction<Batch, Batch>[]) => {
      const mixtures = [];
      for (let i = 0; i < 200; i++) mixtures.push((await through(numbered(i), ...operators)).mixture);
      return mixtures;
    };
    const either = () => shares(mixUp({ alpha: 0.2, probability: 0.5 }), cutMix());
    const first = await either();
    assert.deepEqual(await either(), first);
    const cut = first.filter(each => each!.box).length;
    assert.ok(cut > 70 && cut < 130, String(cut));
    assert.ok((await shares(mixUp({ probability: 0 }))).every(each => each === undefined));
    const source = () => tinySource(6, { seed: 3, epochs: 2 }).pipe(decode({ pool: new ImmediatePool() }), batch(2), mixUp(), toArray());
    const read = (all: Batch[]) => all.map(each => each.mixture!.shares[0]);
    const epochs = read(await lastValueFrom(source()));
    assert.deepEqual(read(await lastValueFrom(source())), epochs);
    assert.equal(new Set(epochs).size, 6);
  });

  it('should say what is wrong with an argument', () => {
    assert.throws(() => mixUp({ alpha: 0 }), {
      message: 'mixUp: expected alpha to be a finite number above 0, got 0. Change the argument.',
    });
    assert.throws(() => cutMix({ probability: 2 }), /cutMix: expected probability between 0 and 1, got 2/);
  });
});

describe('a mixed batch', () => {
  it("should be torchvision's: mixed after normalisation, up to float32 @smoke", async () => {
    const device = await openWasm({ threads: 2 });
    const size = 8 * 8 * 3;
    const { model, logits } = await showing(device, [8, 8, 3], 8);
    for (const operator of [mixUp({ alpha: 5 }), cutMix()]) {
      const mixed = await through({ ...numbered(2), labels: new Int32Array(8) }, operator);
      const found = await logits(mixed);
      const { partners, shares, box } = mixed.mixture!;
      const [mean, std] = [mixed.normalization!.mean[0], mixed.normalization!.std[0]];
      for (let i = 0; i < 8; i++) {
        const [own, other] = [i, partners[i]].map(n => Array.from(mixed.cells[n], value => (value / 255 - mean) / std));
        for (let p = 0; p < size; p++) {
          const [y, x] = [Math.floor(p / 24), Math.floor(p / 3) % 8];
          const inside = box && y >= box.top && x >= box.left && y < box.top + box.height && x < box.left + box.width;
          const expected = box ? (inside ? other[p] : own[p]) : shares[i] * own[p] + (1 - shares[i]) * other[p];
          const value = found[i * size + p];
          assert.ok(Math.abs(value - expected) < 1e-6, `${i}, ${p}: ${value}, ${expected}`);
        }
      }
    }
    await model.destroy();
    await device.destroy();
  });

  it('should have the loss and the gradients of its mixed pixels with both labels, by their shares @smoke', async () => {
    const device = await openWasm({ threads: 2 });
    const loss = crossEntropy({ labelSmoothing: 0.1 });
    const model = compile(tiny(), { device, batch: 8, seed: 1 });
    const pass = async (each: Batch) => {
      await model.upload(each, 'train');
      await model.forward('train');
      await model.loss(loss, 'train');
      await model.backward();
      return { ...(await model.readLoss()), gradients: await model.gradients() };
    };
    for (const operator of [mixUp({ alpha: 5 }), cutMix()]) {
      for (const index of [0, 1, 2]) {
        const drawn = await through(numbered(index), operator);
        // pixels and shares whose products are bytes, so that `shownPixels` need not round
        const mixed: Batch = {
          ...drawn,
          cells: drawn.cells.map(cell => cell.map(value => value & 0xfc)),
          mixture: drawn.mixture!.box ? drawn.mixture : { ...drawn.mixture!, shares: new Float32Array(8).fill([0.25, 0.5, 0.75][index]) },
        };
        const { partners, shares } = mixed.mixture!;
        const cells = mixed.cells.map((_, i) => shownPixels(mixed, i));
        const own: Batch = { ...mixed, cells, mixture: undefined };
        const other: Batch = { ...own, labels: mixed.labels.map((_, i) => mixed.labels[partners[i]]) };
        const [both, first, second] = [await pass(mixed), await pass(own), await pass(other)];
        const s = shares[0];
        const near = (found: number, a: number, b: number, what: string) =>
          assert.ok(Math.abs(found - (s * a + (1 - s) * b)) < 1e-5, `${what}: ${found}, ${a} and ${b} with ${s}`);
        near(both.loss, first.loss, second.loss, 'loss');
        const larger = s >= 0.5 ? first : second;
        assert.deepEqual([both.top1, both.top5, both.samples], [larger.top1, larger.top5, 8]);
        for (const [name, { data }] of both.gradients) {
          const [a, b] = [first.gradients.get(name)!.data, second.gradients.get(name)!.data];
          for (let i = 0; i < data.length; i++) near(data[i], a[i], b[i], name);
        }
      }
    }
    const other: Loss = { name: 'mine', build: () => assert.fail() };
    await model.upload(await through(numbered(1), mixUp()), 'train');
    await assert.rejects(model.loss(other, 'train'), {
      message: 'loss "mine": expected batches of one label a sample, got a mixed one. Use crossEntropy, or leave mixUp and cutMix out.',
    });
    await model.destroy();
    await device.destroy();
  });
});
