import assert from 'node:assert/strict';
import { concatMap, filter, lastValueFrom, map, merge, share, toArray } from 'rxjs';
import { shownPixels } from '../../core/data/pixelEdit.ts';
import type { Augmentation } from '../../core/data/transforms.ts';
import { openWasm } from '../../core/devices/wasm/device.ts';
import { hash, purpose, uniforms } from '../../core/random.ts';
import {
  augment,
  batch,
  colorJitter,
  decode,
  horizontalFlip,
  normalize,
  pcaLighting,
  pixels,
  randomErasing,
  trivialAugmentWide,
} from '../../operators/index.ts';
import { showing } from '../showing.ts';
import { itBehavesAsAStage } from './stageContract.ts';
import { ImmediatePool, StrayPool, tinySource } from './tinySource.ts';

const pool = new ImmediatePool();
/** Notes the first number that each sample draws. */
const noting = (notes: string[], name: string): Augmentation => ({
  name,
  draw: (random, sample) => {
    notes.push(`${name} ${sample.index} ${random()}`);
    return undefined;
  },
});
/** Grows the image at one side by a row of zeros. */
const grow: Augmentation = { name: 'grow', draw: () => ({ kind: 'randomCrop', height: 3, width: 2, padding: 1, u: 0.5, v: 0.5 }) };
const flip: Augmentation = { name: 'flip', draw: () => ({ kind: 'horizontalFlip' }) };
const ramp = () => ({ kind: 'raw', pixels: Uint8Array.of(1, 2, 3, 4), height: 2, width: 2, channels: 1 }) as const;

describe('augment', () => {
  itBehavesAsAStage(() => augment([flip]));

  it('should apply its list in order, and further lists after it @smoke', async () => {
    const read = (...lists: Augmentation[][]) =>
      lastValueFrom(
        lists
          .reduce((out, list) => out.pipe(augment(list)), tinySource(1, { picture: ramp }).pipe(decode({ pool, channels: 1 })))
          .pipe(
            pixels(),
            map(s => [...s.pixels.data]),
          ),
      );
    const expected = [2, 1, 4, 3, 0, 0];
    assert.deepEqual(await read([flip, { ...grow, draw: () => ({ kind: 'centerCrop', height: 3, width: 2 }) }]), expected);
    assert.deepEqual(await read([flip], [{ ...grow, draw: () => ({ kind: 'centerCrop', height: 3, width: 2 }) }]), expected);
  });

  it('should draw from a stream of (seed, epoch, index, position), counting on from list to list', async () => {
    const notes: string[] = [];
    const out = tinySource(2, { seed: 5 }).pipe(
      decode({ pool }),
      augment([noting(notes, 'a'), noting(notes, 'b')]),
      augment([noting(notes, 'c')]),
      batch(2),
    );
    await lastValueFrom(out);
    const first = (index: number, position: number) => uniforms(5, 0, index, purpose.augment, position)();
    const expected = [0, 1].flatMap(i => ['a', 'b', 'c'].map((name, position) => `${name} ${i} ${first(i, position)}`));
    assert.deepEqual(notes, expected);
  });

  it('should show the model the same bytes, wherever they are computed @smoke', async () => {
    const [height, width, size] = [9, 11, 297];
    const picture = (index: number) =>
      ({ kind: 'raw', pixels: Uint8Array.from({ length: size }, (_, p) => hash(index, p) & 255), height, width, channels: 3 }) as const;
    const list = () => [
      horizontalFlip(),
      trivialAugmentWide(),
      colorJitter({ brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.2 }),
      pcaLighting({ sigma: 1 }),
      randomErasing({ probability: 0.6, value: 'random' }),
    ];
    const decoded = () => tinySource(8, { picture, seed: 3 }).pipe(decode({ pool, channels: 3 }));
    const single = await lastValueFrom(
      decoded().pipe(
        augment(list()),
        pixels(),
        map(s => [...s.pixels.data]),
        toArray(),
      ),
    );
    // every sample's pixels are made twice: for `pixels`, and for the device
    const shared = await lastValueFrom(
      decoded().pipe(
        augment(list()),
        share(),
        source => merge(source.pipe(batch(8)), source.pipe(pixels())),
        filter(each => 'pixels' in each),
        map(s => [...s.pixels.data]),
        toArray(),
      ),
    );
    assert.deepEqual(shared, single);

    const device = await openWasm({ threads: 2 });
    const { model, logits } = await showing(device, [height, width, 3], 8);
    for (const source of [decoded().pipe(augment(list())), decoded().pipe(augment(list().slice(0, 3)), augment(list().slice(3)))]) {
      await lastValueFrom(
        source.pipe(
          batch(8),
          concatMap(async each => {
            each.lease.hold();
            assert.ok(each.edits!.every(edit => edit!.ops!.length >= 5) && each.edits!.some(edit => edit?.erased));
            for (let i = 0; i < 8; i++) assert.deepEqual([...shownPixels(each, i)], single[i], `sample ${i}`);
            const values = await logits(each);
            assert.deepEqual(
              Array.from(values, value => Math.round(255 * value)),
              single.flat(),
            );
            for (const value of values) assert.ok(Math.abs(255 * value - Math.round(255 * value)) < 1e-4);
            each.lease.release();
          }),
        ),
      );
    }
    await model.destroy();
    await device.destroy();
  });

  it('should leave to the device only what nothing follows that it cannot do', async () => {
    const picture = () => ({ kind: 'raw', pixels: new Uint8Array(300).fill(100), height: 10, width: 10, channels: 3 }) as const;
    const sharpness: Augmentation = { name: 'sharpness', draw: () => ({ kind: 'pixels', ops: [{ op: 'sharpness', factor: 2 }] }) };
    for (const last of [horizontalFlip({ probability: 1 }), sharpness]) {
      const out = tinySource(2, { picture }).pipe(decode({ pool, channels: 3 }), augment([pcaLighting(), last]), batch(2));
      const { edits, changed } = await lastValueFrom(out.pipe(map(b => ({ edits: b.edits, changed: b.cells[0].some(v => v !== 100) }))));
      assert.deepEqual([edits, changed], [undefined, true]);
    }
  });

  it('should run as a second task on pixels that are there already', async () => {
    const stray = new StrayPool();
    const out = tinySource(3, { picture: ramp }).pipe(decode({ pool: stray, channels: 1 }), pixels(), augment([flip]), batch(3));
    const { cells } = await lastValueFrom(out.pipe(map(b => ({ cells: b.cells.map(cell => [...cell]) }))));
    assert.deepEqual(cells, [
      [2, 1, 4, 3],
      [2, 1, 4, 3],
      [2, 1, 4, 3],
    ]);
  });

  it('should leave normalization to the device', async () => {
    const normalization = { mean: [0.5], std: [0.5] };
    const out = tinySource(2).pipe(
      decode({ pool }),
      augment([normalize(normalization), flip]),
      map(s => s.job?.normalization),
      toArray(),
    );
    assert.deepEqual(await lastValueFrom(out), [normalization, normalization]);
    assert.throws(() => augment([normalize(normalization), normalize(normalization)]), {
      message: 'augment: expected normalize once, got 2 times. Keep one of them.',
    });
  });

  it('should ask for decode', async () => {
    await assert.rejects(lastValueFrom(tinySource(1).pipe(augment([]))), {
      message: 'augment: expected samples from decode(), got "s0" without a job. Put decode() before augment().',
    });
  });

  it('should pass on what a transform throws', async () => {
    const faulty: Augmentation = {
      name: 'faulty',
      draw: () => {
        throw new Error('no transform today');
      },
    };
    await assert.rejects(lastValueFrom(tinySource(1).pipe(decode({ pool }), augment([faulty]))), /no transform today/);
  });
});
