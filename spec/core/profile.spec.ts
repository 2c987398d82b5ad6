import assert from 'node:assert/strict';
import { durations, Histogram } from '../../core/profile/histogram.ts';
import { predict } from '../../core/profile/predict.ts';
import type { Durations, PipelineSnapshot, Place, StageSnapshot } from '../../core/profile/snapshot.ts';
import { Timeline } from '../../core/profile/timeline.ts';
import { verdict } from '../../core/profile/verdict.ts';

const none: Durations = { count: 0, meanMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 };

interface Drawn {
  readonly runs: Place;
  readonly busyMs: number;
  readonly parallel?: number;
  readonly deviceMs?: number;
}
/** Ten seconds of a pipeline that let through `items`, on four cores. */
function snapshotOf(items: number, stages: Record<string, Drawn>, busyCores = 1, steps = items / 32): PipelineSnapshot {
  const elapsedMs = 10_000;
  const flow = {
    itemsIn: items,
    itemsOut: items,
    dropped: 0,
    returned: 0,
    inPerSecond: items / 10,
    itemsPerSecond: items / 10,
    capacityPerSecond: 0,
  };
  const rest = { waitUpstreamMs: 0, waitDownstreamMs: 0, depth: 0, meanDepth: 0, peakDepth: 0, bound: undefined, heldMs: 0, bytes: 0 };
  const depthOverTime = { fromMs: 0, everyMs: 10, means: [] };
  const all = Object.entries(stages).map(([name, { runs, busyMs, parallel = 1, deviceMs = 0 }]): StageSnapshot => {
    const mainMs = runs === 'main' ? busyMs : 0;
    const busy = { busyMs, busyShare: busyMs / elapsedMs / parallel, mainMs, behindMs: 0, deviceMs };
    return { name, runs, parallel, elapsedMs, ...flow, ...busy, ...rest, depthOverTime, latency: none };
  });
  return {
    ...{
      atMs: 0,
      elapsedMs,
      items,
      itemsPerSecond: items / 10,
      steps,
      batch: items / steps,
      stages: all,
      device: undefined,
      slots: undefined,
    },
    places: { inside: 0, peak: 0, bound: 0, declared: {} },
    machine: { cores: 4, busyCores, mainThreadShare: 0.1 },
  };
}

describe('verdict', () => {
  // 412 images/s: two workers all the time; the device would do 655
  const decoding = (busyCores: number) =>
    snapshotOf(
      4120,
      {
        decode: { runs: 'workers', parallel: 2, busyMs: 19_600 },
        forward: { runs: 'device', busyMs: 2000 },
        backward: { runs: 'device', busyMs: 4290 },
      },
      busyCores,
    );

  it('should say what limits, why, and what would help @smoke', () => {
    const { limits, headline, evidence, changes, text } = verdict(decoding(2));
    assert.equal(limits, 'decode');
    assert.equal(headline, 'decode limits: 420 images/s against 655 of backward');
    assert.deepEqual(evidence, ['2 workers are 98 % busy', 'the device waits for batches 0 % of the time']);
    assert.equal(changes[0].sentence, '4 workers would give about 642 images/s, then backward limits');
    assert.deepEqual([changes[0].known, changes[0].limitsThen], [true, 'backward']);
    assert.match(text, /^Decode limits: 420 images\/s against 655 of backward; 2 workers are 98 % busy; .* 4 workers would give about 642/);
  });

  it('should know that more workers cannot help when all cores are busy', () => {
    const { evidence, changes } = verdict(decoding(3.9));
    assert.ok(evidence.includes('3.9 of 4 cores are busy'));
    const workers = changes.find(({ change }) => change.kind === 'workers')!;
    assert.equal(workers.sentence, '3 workers would not help: all 4 cores are busy');
    assert.ok(workers.gain! < 1.06 && workers.limitsThen === 'cores');
    // a cheaper decode frees cores as well
    assert.ok(changes.find(({ change }) => change.kind === 'faster')!.gain! > 1.2);
  });

  it('should ask for another batch size before it says what one would give, and know it from two', () => {
    const steps = (items: number, ms: number) =>
      snapshotOf(items, { backward: { runs: 'device', busyMs: ms, deviceMs: ms } }, 1, items / (items === 1600 ? 16 : 64));
    // 20 ms a step and 5 ms a sample
    const [small, large] = [steps(1600, 100 * 100), steps(1920, 30 * 340)];
    const change = { kind: 'batch', batch: 160 } as const;
    const alone = predict(small, change);
    assert.deepEqual([alone.known, alone.itemsPerSecond], [false, undefined]);
    assert.match(alone.sentence, /^what a batch of 160 would give is not known: one batch size does not tell/);
    const both = predict(small, change, { other: large });
    assert.ok(Math.abs(both.itemsPerSecond! - 160_000 / 820) < 1, `${both.itemsPerSecond}`);
  });

  it('should know what another batch gives from one profile, where the kernels were timed at two sizes', () => {
    // 16 ms of kernels and 4 ms between them a step of 8; of the kernels a quarter is the same with any batch: 8 ms + 1.5 ms a sample
    const step = snapshotOf(4000, { backward: { runs: 'device', busyMs: 500 * 20, deviceMs: 500 * 16 } }, 1, 500);
    const { itemsPerSecond, known } = predict(step, { kind: 'batch', batch: 32 }, { fixedShare: 0.25 });
    assert.ok(known && Math.abs(itemsPerSecond! - 32_000 / (8 + 32 * 1.5)) < 1, `${itemsPerSecond}`);
    // where it is most of the step, the batch is what limits
    assert.equal(verdict(step, { fixedShare: 0.25 }).limits, 'backward');
    const { limits, evidence, changes } = verdict(step, { fixedShare: 0.75 });
    assert.equal(limits, 'batch');
    assert.equal(evidence[0], "80 % of a step's 20 ms would be the same with any batch (it is 8 now)");
    assert.ok(changes[0].known && changes[0].gain! > 2);
  });

  it('should have nothing to say of a pipeline that nothing has gone through', () => {
    const { limits, text } = verdict(snapshotOf(0, {}));
    assert.deepEqual([limits, text], [undefined, 'Nothing has gone through the pipeline yet.']);
    assert.equal(predict(snapshotOf(0, {}), { kind: 'workers', workers: 4 }).known, false);
  });

  it('should say so where a change concerns nothing that was measured', () => {
    const backward = snapshotOf(100, { backward: { runs: 'device', busyMs: 9000 } });
    assert.match(predict(backward, { kind: 'workers', workers: 4 }).sentence, /is not known: no stage works in worker threads/);
    assert.match(predict(backward, { kind: 'faster', stage: 'decode', times: 2 }).sentence, /no measured work of a stage "decode"/);
  });
});

describe('Histogram', () => {
  it('should know percentiles to 5 %, of all and of what came since', () => {
    const histogram = new Histogram();
    for (let i = 1; i <= 1000; i++) histogram.record(i / 10);
    const { count, meanMs, p50Ms, p95Ms, p99Ms, maxMs } = durations(histogram.read());
    assert.deepEqual([count, maxMs], [1000, 100]);
    assert.ok(Math.abs(meanMs - 50.05) < 1e-9);
    for (const [got, exact] of [
      [p50Ms, 50],
      [p95Ms, 95],
      [p99Ms, 99],
    ])
      assert.ok(Math.abs(got / exact - 1) < 0.05, `${got} for ${exact}`);
    const before = histogram.read();
    histogram.record(0.5, 10);
    const recent = durations(histogram.read(), before);
    assert.equal(recent.count, 10);
    assert.ok(Math.abs(recent.p99Ms / 0.5 - 1) < 0.05 && Math.abs(recent.meanMs - 0.5) < 1e-6);
    assert.ok(Number.isNaN(durations(new Histogram().read()).p50Ms));
  });

  it('should take durations beyond its ends', () => {
    const histogram = new Histogram();
    for (const ms of [0, 1e-9, 1e12]) histogram.record(ms);
    const { count, p50Ms, maxMs } = durations(histogram.read());
    assert.equal(count, 3);
    assert.ok(p50Ms <= 1e-3 && maxMs > 1e6);
  });
});

describe('Timeline', () => {
  it('should keep at most 256 spans of a long run, and lose none of its area', () => {
    const timeline = new Timeline(100);
    let [now, area] = [100, 0];
    for (let i = 0; i < 10_000; i++) {
      const ms = (i * 7) % 23;
      timeline.add(i % 5, now, now + ms);
      area += (i % 5) * ms;
      now += ms;
    }
    const { fromMs, everyMs, means } = timeline.read(now);
    assert.ok(means.length <= 256 && means.length > 120 && fromMs === 100);
    const last = now - fromMs - (means.length - 1) * everyMs;
    const sum = means.reduce((total, mean, i) => total + mean * (i === means.length - 1 ? last : everyMs), 0);
    assert.ok(Math.abs(sum - area) < 1e-3, `${sum} for ${area}`);
  });
});
