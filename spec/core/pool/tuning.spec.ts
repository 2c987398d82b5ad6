import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { Tuning } from '../../../core/pool/tuning.ts';
import { WorkerPool } from '../../../core/pool/workerPool.ts';

/** Lets a pipeline run for some time, in which its rate depends on the number of workers alone; the numbers that were chosen. */
function run(
  tuning: Tuning,
  rateOf: (workers: number) => number,
  { seconds = 60, pipeline = {}, from = 0 }: { seconds?: number; pipeline?: object; from?: number } = {},
): number[] {
  const chosen: number[] = [];
  let items = 0;
  for (let ms = 0; ms < seconds * 1000; ms += 10) {
    items += rateOf(tuning.workers) / 100;
    if (tuning.observe(pipeline, items, from + ms)) chosen.push(tuning.workers);
  }
  return chosen;
}
const make = (most: number, start: number, applied: number[] = [], ready = () => true) =>
  new Tuning(most, start, ready, workers => applied.push(workers));

describe('Tuning', () => {
  it('should go up as long as the rate rises, and tell the pool each number @smoke', () => {
    const applied: number[] = [];
    const tuning = make(8, 3, applied);
    assert.deepEqual(
      run(tuning, workers => 200 * workers),
      [4, 6, 8],
    );
    assert.deepEqual(applied, [4, 6, 8]);
    const { workers, most, settled, tried } = tuning.report;
    assert.deepEqual([workers, most, settled], [8, 8, true]);
    assert.deepEqual(
      tried.map(each => [each.workers, Math.round(each.itemsPerSecond / 200)]),
      [
        [3, 3],
        [4, 4],
        [6, 6],
        [8, 8],
      ],
    );
  });

  it('should come back from a number that gives little more, and end with the fewest that serve', () => {
    assert.deepEqual(
      run(make(8, 4), workers => 100 * Math.min(workers, 2)),
      [6, 3, 2, 1, 2],
    );
    assert.deepEqual(
      run(make(2, 1), () => 500),
      [2, 1],
    );
    assert.deepEqual(
      run(make(2, 1), workers => 500 + 100 * workers),
      [2],
    );
    assert.deepEqual(
      run(make(1, 1), () => 500),
      [],
    );
    // workers that take the cores of what computes
    assert.deepEqual(run(make(4, 3), workers => 500 - 50 * workers).at(-1), 1);
  });

  it('should never take more than the most, nor measure before they are there', () => {
    for (const most of [1, 2, 3, 5, 7, 64]) {
      const applied: number[] = [];
      const tuning = make(most, Math.max(1, most - 1), applied);
      run(tuning, workers => 100 * workers, { seconds: 200 });
      // the last step of the largest is too small to be worth it
      assert.equal(tuning.workers, most === 64 ? 63 : most);
      assert.ok(applied.every(each => each >= 1 && each <= most));
    }
    assert.deepEqual(
      run(
        make(4, 1, [], () => false),
        workers => 100 * workers,
      ),
      [],
    );
  });

  it('should search again when the pace has changed for good, and not for a moment', () => {
    const tuning = make(4, 2);
    const pipeline = {};
    run(tuning, workers => 100 * Math.min(2, workers), { pipeline, seconds: 20 });
    assert.deepEqual([tuning.workers, tuning.settled], [2, true]);
    let items = 1e6;
    const at = (seconds: number, rate: () => number, from: number) => {
      for (let ms = 0; ms < seconds * 1000; ms += 10) {
        items += rate() / 100;
        tuning.observe(pipeline, items, from + ms);
      }
    };
    tuning.observe(pipeline, items, 20_000);
    at(1.5, () => 20, 20_000);
    at(10, () => 100 * Math.min(2, tuning.workers), 21_500);
    assert.deepEqual([tuning.workers, tuning.settled], [2, true]);
    at(30, () => 400 * tuning.workers, 31_500);
    assert.deepEqual([tuning.workers, tuning.settled], [4, true]);
  });

  it('should keep apart what it learns of pipelines that take turns', () => {
    const tuning = make(4, 2);
    const [training, evaluation] = [{}, {}];
    for (let epoch = 0; epoch < 4; epoch++) {
      run(tuning, () => 50, { pipeline: training, from: epoch * 20_000, seconds: 20 });
      assert.equal(tuning.workers, 1);
      run(tuning, workers => 300 * workers, { pipeline: evaluation, from: epoch * 20_000, seconds: 20 });
      assert.equal(tuning.workers, 4);
    }
  });
});

describe('WorkerPool', () => {
  it("should start with one worker fewer than cores when it is 'auto', and refuse other words", async () => {
    const pool = new WorkerPool({ workers: 'auto' });
    try {
      assert.equal(pool.workers, Math.max(1, availableParallelism() - 1));
      assert.equal(pool.tuning?.most, availableParallelism());
    } finally {
      await pool.close();
    }
    assert.throws(() => new WorkerPool({ workers: 'some' as never }), { message: /workers to be a whole number, 1 or more, or 'auto'/ });
  });
});
