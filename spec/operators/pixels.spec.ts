import assert from 'node:assert/strict';
import { lastValueFrom, map, toArray } from 'rxjs';
import { Demand } from '../../core/data/demand.ts';
import { SlotPool } from '../../core/data/slots.ts';
import { decode, pixels } from '../../operators/index.ts';
import { asSource, itBehavesAsAStage, letters, marbles } from './stageContract.ts';
import { broken, flat, ImmediatePool, StrayPool, tinySource } from './tinySource.ts';

describe('pixels', () => {
  itBehavesAsAStage(() => pixels());

  it('should emit each sample with its pixels @smoke', () => {
    marbles(({ cold, expectObservable }) => {
      const source = asSource(cold('--a--b--c|', letters(new Demand())));
      const out = source.pipe(
        decode({ pool: new ImmediatePool(), channels: 1 }),
        pixels(),
        map(s => [...s.pixels.data]),
      );
      expectObservable(out).toBe('  --x--y--z|', { x: [0, 0, 0, 0], y: [1, 1, 1, 1], z: [2, 2, 2, 2] });
    });
  });

  it('should keep the order however the workers finish, and treat bad samples as asked', async () => {
    const demand = new Demand();
    const slots = new SlotPool();
    const out = (onError: 'skip' | 'replace' | 'throw') =>
      lastValueFrom(
        tinySource(30, { demand, picture: i => (i === 7 ? broken : flat(i)) }).pipe(
          decode({ pool: new StrayPool(), slots, onError }),
          pixels(),
          map(s => s.pixels.data[0]),
          toArray(),
        ),
      );
    const all = Array.from({ length: 30 }, (_, i) => i);
    assert.deepEqual(
      await out('skip'),
      all.filter(i => i !== 7),
    );
    assert.deepEqual(
      await out('replace'),
      all.map(i => (i === 7 ? 6 : i)),
    );
    await assert.rejects(out('throw'), /^MillraceError: decode "s7": expected an image, got a bad sample: it is not raw/);
    assert.deepEqual([demand.inside, slots.inUse], [0, 0]);
  });
});
