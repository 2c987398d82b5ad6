import assert from 'node:assert/strict';
import { delay, filter, identity, type MonoTypeOperatorFunction, map, type Observable, take } from 'rxjs';
import { pull } from '../../core/data/pull.ts';
import type { Batch, Sample } from '../../core/data/sample.ts';
import { MeterSet } from '../../core/meter.ts';
import type { PipelineSnapshot, StageSnapshot } from '../../core/profile/snapshot.ts';
import { hash } from '../../core/random.ts';
import { augment, batch, cutMix, decode, epochs, horizontalFlip, metered, mixUp, prefetch, shuffle } from '../../operators/index.ts';
import { broken, flat, StrayPool } from './tinySource.ts';

/** items in = out + dropped + held, and depth × time = the time of all that went and of all that is inside. */
function checkStage({ name, itemsIn, itemsOut, dropped, depth, meanDepth, elapsedMs, latency, heldMs }: StageSnapshot, what: string): void {
  assert.equal(
    itemsIn,
    itemsOut + dropped + depth,
    `${what}: ${name} lets ${itemsIn} in, ${itemsOut} out, drops ${dropped}, keeps ${depth}`,
  );
  assert.ok(depth >= 0 && dropped >= 0, `${what}: ${name}`);
  const area = meanDepth * elapsedMs;
  const spent = heldMs + (latency.count > 0 ? latency.count * latency.meanMs : 0);
  assert.ok(Math.abs(area - spent) <= 1e-6 * Math.max(1, area), `${what}: ${name}: ${area} ms of queue, ${spent} ms waited`);
}
function check(snapshot: PipelineSnapshot, what: string): void {
  for (const stage of snapshot.stages) checkStage(stage, what);
}

/** Pipelines drawn at random: which stages there are, what they keep, what goes wrong, how they are left. */
function drawn(seed: number) {
  const draw = (what: number, most: number) => hash(seed, what) % most;
  const meters = new MeterSet();
  const count = 50 + draw(0, 100);
  const failing = draw(1, 4) === 0;
  const bad = (index: number) => draw(2, 2) === 0 && hash(seed, index, 1) % 9 === 0;
  const source = pull(
    function* () {
      for (let index = 0; index < count; index++) {
        if (failing && index === 40) throw new Error('the disk is gone');
        yield { key: `s${index}`, label: 0, index, picture: bad(index) ? broken : flat(index) };
      }
    },
    { meters },
  );
  const some = (what: number): MonoTypeOperatorFunction<Sample> => {
    switch (draw(what, 6)) {
      case 0:
        return shuffle({ buffer: 1 + draw(what + 100, 30) });
      case 1:
        return filter(({ index }) => hash(seed, index, what) % 3 > 0);
      case 2:
        return metered(
          `thin ${what}`,
          filter(({ index }) => hash(seed, index, what) % 4 > 0),
        );
      case 3:
        return metered(`slow ${what}`, delay(draw(what + 200, 3)));
      case 4:
        return metered(
          `same ${what}`,
          map(sample => ({ ...sample })),
        );
      default:
        return identity;
    }
  };
  const onError = (['skip', 'replace', 'throw'] as const)[draw(3, 3)];
  const size = 1 + draw(4, 9);
  const mixed: MonoTypeOperatorFunction<Batch> = [identity, mixUp(), cutMix()][draw(5, 3)];
  const ahead: MonoTypeOperatorFunction<Batch> = draw(6, 2) ? prefetch(1 + draw(7, 3)) : identity;
  const samples = source.pipe(
    epochs(1 + draw(8, 2), { seed }),
    some(10),
    some(11),
    decode({ pool: new StrayPool(), onError }),
    augment([horizontalFlip()]),
    some(12),
  );
  const out: Observable<Batch> = samples.pipe(
    batch(size, { dropLast: draw(9, 2) === 0 }),
    ahead,
    mixed,
    metered<Batch, Batch>('seen', identity),
    draw(13, 3) === 0 ? take(4) : identity,
  );
  return { meters, out, leaveAfter: draw(14, 3) === 0 ? 1 + draw(15, 6) : Number.POSITIVE_INFINITY };
}

describe('what flows through a pipeline', () => {
  it("should be conserved in every stage and obey Little's law at every snapshot, whatever happens", async function () {
    this.timeout(20_000);
    const ends = new Set<string>();
    await Promise.all(
      Array.from({ length: 30 }, async (_, seed) => {
        const { meters, out, leaveAfter } = drawn(seed);
        const what = `pipeline ${seed}`;
        let batches = 0;
        const end = await new Promise<string>(resolve => {
          const timer = setInterval(() => check(meters.snapshot(), what), 10);
          const done = (how: string) => {
            clearInterval(timer);
            resolve(how);
          };
          const subscription = out.subscribe({
            next({ lease }) {
              check(meters.snapshot(), what);
              lease.hold();
              setTimeout(() => {
                lease.release();
                if (++batches < leaveAfter) return;
                subscription.unsubscribe();
                done('left');
              }, hash(seed, batches) % 3);
            },
            error: () => done('failed'),
            complete: () => done('completed'),
          });
        });
        ends.add(end);
        // what consumers and workers still have comes back
        for (let i = 0; i < 200 && (meters.places!.inside > 0 || meters.all.some(({ depth }) => depth > 0)); i++)
          await new Promise(resolve => setTimeout(resolve, 5));
        check(meters.snapshot(), what);
        const { stages, places } = meters.snapshot();
        assert.deepEqual(
          stages.map(({ name, depth }) => [name, depth]),
          stages.map(({ name }) => [name, 0]),
          what,
        );
        assert.equal(places.inside, 0, what);
        // what leaves one stage comes in at the next where nothing lies between them
        const named = (name: string) => stages.find(each => each.name === name)!;
        if (end === 'completed' && named('decode').dropped === 0) assert.equal(named('batch').itemsIn, named('decode').itemsOut, what);
      }),
    );
    assert.deepEqual([...ends].sort(), ['completed', 'failed', 'left']);
  });
});
