import assert from 'node:assert/strict';
import type { Device } from '../../core/devices/device.ts';
import { openWasm } from '../../core/devices/wasm/device.ts';
import { WorkerPool } from '../../core/pool/workerPool.ts';
import { predict } from '../../core/profile/predict.ts';
import { type Change, verdict } from '../../core/profile/verdict.ts';
import { measure, ordinary, type Planted } from './planted.ts';

/** What is planted, the stage that must be named, a change, and how the pipeline is after it. */
const cases: Record<
  string,
  { readonly planted: Planted & { readonly batch: number }; readonly stage: string; readonly change: Change; readonly after: Planted }
> = {
  'a slow source': {
    planted: { ...ordinary, batch: 4, source: 30 },
    stage: 'source',
    change: { kind: 'faster', stage: 'source', times: 2 },
    after: { ...ordinary, batch: 4, source: 15 },
  },
  'a slow disk, read in the workers': {
    planted: { ...ordinary, read: 24 },
    stage: 'read',
    change: { kind: 'faster', stage: 'read', times: 2 },
    after: { ...ordinary, read: 12 },
  },
  'a slow decode': {
    planted: { ...ordinary, decode: 24 },
    stage: 'decode',
    change: { kind: 'workers', workers: 4 },
    after: { ...ordinary, decode: 24, workers: 4 },
  },
  'a slow augment': {
    planted: { ...ordinary, augment: 24 },
    stage: 'augment',
    change: { kind: 'faster', stage: 'augment', times: 2 },
    after: { ...ordinary, augment: 12 },
  },
  'a tiny batch, with much to do for every step on the host and on the device': {
    planted: { ...ordinary, batch: 2, forward: 3, backward: 3, gap: 20, update: 20 },
    stage: 'batch',
    change: { kind: 'batch', batch: 8 },
    after: { ...ordinary, batch: 8, forward: 3, backward: 3, gap: 20, update: 20 },
  },
  'a slow kernel': {
    planted: { ...ordinary, backward: 8 },
    stage: 'backward',
    change: { kind: 'faster', stage: 'backward', times: 2 },
    after: { ...ordinary, backward: 4 },
  },
  "a slow operator of the user's on the main thread": {
    // no model: what answers its device would have to wait for the main thread as well
    planted: { ...ordinary, workers: 8, batch: 4, main: 24, consumer: 0.1 },
    stage: 'filters',
    change: { kind: 'faster', stage: 'filters', times: 2 },
    after: { ...ordinary, workers: 8, batch: 4, main: 12, consumer: 0.1 },
  },
  "a stage of the user's that waits": {
    planted: { ...ordinary, batch: 4, waiting: 30 },
    stage: 'lookup',
    change: { kind: 'faster', stage: 'lookup', times: 2 },
    after: { ...ordinary, batch: 4, waiting: 15 },
  },
};

describe('verdict on planted bottlenecks', function () {
  // the machine may do something else for a while: then two measurements in a row do not fit each other
  this.retries(3);

  let device: Device;
  before(async () => {
    device = await openWasm({ threads: 1 });
  });
  after(() => device.destroy());

  for (const [what, { planted, stage, change, after }] of Object.entries(cases)) {
    it(`should name ${what}, and know within 15 % what a change buys`, async () => {
      const steps = planted.batch < 8 ? 8 : 5;
      const before = await measure(planted, device, steps);
      const { limits, text } = verdict(before);
      if (process.env.SHOW) console.log(text);
      assert.equal(limits, stage, text);
      const { itemsPerSecond, sentence } = predict(before, change);
      const { itemsPerSecond: measured } = await measure(after, device, steps);
      if (process.env.SHOW) console.log(sentence, '--', before.itemsPerSecond, itemsPerSecond, measured);
      assert.ok(measured > 1.2 * before.itemsPerSecond, `${measured} after ${before.itemsPerSecond}`);
      assert.ok(Math.abs(itemsPerSecond! / measured - 1) < 0.15, `${sentence}; it was ${measured}`);
    });
  }

  it('should name a consumer that is slower than everything else', async () => {
    const { limits, text, changes } = verdict(await measure({ ...ordinary, consumer: 100 }, device, 5));
    assert.equal(limits, 'consumer', text);
    assert.deepEqual(changes, []);
  });

  it('should say the same of worker threads', async () => {
    const tasks = new URL('./slowTasks/', import.meta.url);
    const pools = [new WorkerPool({ workers: 1, tasks }), new WorkerPool({ workers: 2, tasks })];
    try {
      const delays = { ...ordinary, decode: 12, augment: 2 };
      const before = await measure({ ...delays, workers: 1, pool: pools[0] }, device, 6);
      assert.equal(verdict(before).limits, 'decode', verdict(before).text);
      const { itemsPerSecond, sentence } = predict(before, { kind: 'workers', workers: 2 });
      const { itemsPerSecond: measured, stages } = await measure({ ...delays, workers: 2, pool: pools[1] }, device, 6);
      assert.ok(Math.abs(itemsPerSecond! / measured - 1) < 0.15, `${sentence}; it was ${measured}`);
      const { workers } = stages.find(({ name }) => name === 'decode')!;
      assert.equal(workers!.each.length, 2);
      assert.ok(workers!.run.p50Ms > 13 && workers!.wait.p50Ms > 0);
    } finally {
      for (const pool of pools) await pool.close();
    }
  });
});
