import assert from 'node:assert/strict';
import { lastValueFrom, map, toArray } from 'rxjs';
import type { Augmentation } from '../../core/data/transforms.ts';
import { purpose, uniforms } from '../../core/random.ts';
import { augment, batch, decode, normalize, pixels } from '../../operators/index.ts';
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
