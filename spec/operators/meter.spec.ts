import assert from 'node:assert/strict';
import { lastValueFrom, map, of, tap } from 'rxjs';
import { Demand } from '../../core/data/demand.ts';
import { MeterSet } from '../../core/meter.ts';
import { batch, decode, meter } from '../../operators/index.ts';
import { itBehavesAsAStage } from './stageContract.ts';
import { ImmediatePool, tinySource } from './tinySource.ts';

describe('meter', () => {
  itBehavesAsAStage(() => meter('here'));

  it('should count samples and batches as samples, where it stands @smoke', async () => {
    const demand = new Demand();
    const out = tinySource(10, { demand }).pipe(
      meter('first'),
      decode({ pool: new ImmediatePool() }),
      batch(4, { dropLast: true }),
      meter('second'),
    );
    await lastValueFrom(out);
    const counts = demand.meters.snapshot().stages.map(({ name, itemsIn, itemsOut }) => [name, itemsIn, itemsOut]);
    assert.deepEqual(counts, [
      ['first', 10, 10],
      ['decode', 10, 10],
      ['batch', 10, 8],
      ['second', 8, 8],
    ]);
  });

  it('should count what the stages behind it take as busy', async () => {
    const meters = new MeterSet();
    const wait = () => {
      const until = performance.now() + 3;
      while (performance.now() < until);
    };
    await lastValueFrom(of(1, 2, 3).pipe(meter('slow', { meters }), tap(wait)));
    const { itemsOut, busyMs } = meters.stage('slow').snapshot();
    assert.equal(itemsOut, 3);
    assert.ok(busyMs >= 9, `${busyMs} ms`);
  });

  it('should ask for meters where no sample brings them', async () => {
    await assert.rejects(lastValueFrom(of(1).pipe(meter('x'))), {
      message:
        'meter("x"): expected samples or batches, which carry meters, got a value without a lease. Pass { meters }, or put it before the stage that unpacks batches.',
    });
    await assert.rejects(
      lastValueFrom(
        of({ lease: {} }).pipe(
          map(each => each),
          meter('y'),
        ),
      ),
      /meter\("y"\): expected samples or batches/,
    );
  });
});
