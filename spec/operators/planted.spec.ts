import assert from 'node:assert/strict';
import { openCpu } from '../../core/devices/cpu.ts';
import type { Device } from '../../core/devices/device.ts';
import { WorkerPool } from '../../core/pool/workerPool.ts';
import { predict } from '../../core/profile/predict.ts';
import type { PipelineSnapshot } from '../../core/profile/snapshot.ts';
import { type Change, verdict } from '../../core/profile/verdict.ts';
import { measure, ordinary, type Planted } from './planted.ts';
import { VirtualMachine } from './virtualMachine.ts';

interface Case {
  readonly planted: Planted & { readonly batch: number };
  /** That must be named. */
  readonly stage: string;
  readonly change: Change;
  /** What the change makes of it. */
  readonly after: Partial<Planted>;
  readonly cores?: number;
  /** Times that it must be faster then; by default 1.2. */
  readonly least?: number;
  /** It buys nothing. */
  readonly useless?: true;
}
const burning = { ...ordinary, burns: { deviceThreads: 2 } };

const cases: Record<string, Case> = {
  'a slow source': {
    planted: { ...ordinary, batch: 4, source: 30 },
    stage: 'source',
    change: { kind: 'faster', stage: 'source', times: 2 },
    after: { source: 15 },
  },
  'a slow disk, read in the workers': {
    planted: { ...ordinary, read: 24 },
    stage: 'read',
    change: { kind: 'faster', stage: 'read', times: 2 },
    after: { read: 12 },
  },
  'a slow disk, which more workers wait for': {
    planted: { ...burning, read: 24 },
    stage: 'read',
    change: { kind: 'workers', workers: 6 },
    after: { workers: 6 },
    cores: 2,
  },
  'a slow decode on eight cores': {
    planted: { ...burning, decode: 24 },
    stage: 'decode',
    change: { kind: 'workers', workers: 5 },
    after: { workers: 5 },
    cores: 8,
  },
  'a slow decode whose second worker fills both cores': {
    planted: { ...burning, decode: 12, forward: 2, backward: 4, workers: 1 },
    stage: 'decode',
    change: { kind: 'workers', workers: 2 },
    after: { workers: 2 },
    cores: 2,
  },
  'a slow decode that has all cores already': {
    planted: { ...burning, decode: 24 },
    stage: 'decode',
    change: { kind: 'workers', workers: 4 },
    after: { workers: 4 },
    cores: 2,
    useless: true,
  },
  'a slow decode that is made cheaper on full cores': {
    planted: { ...burning, decode: 24, workers: 3 },
    stage: 'decode',
    change: { kind: 'faster', stage: 'decode', times: 3 },
    after: { decode: 8 },
    cores: 2,
  },
  'a slow augment': {
    planted: { ...burning, augment: 24 },
    stage: 'augment',
    change: { kind: 'faster', stage: 'augment', times: 2 },
    after: { augment: 12 },
    cores: 4,
  },
  'a tiny batch, with much to do for every step on the host and on the device': {
    planted: { ...ordinary, batch: 2, forward: 3, backward: 3, gap: 20, update: 20 },
    stage: 'batch',
    change: { kind: 'batch', batch: 8 },
    after: { batch: 8 },
  },
  'a tiny batch whose steps take all cores': {
    planted: { ...burning, workers: 1, batch: 2, forward: 3, backward: 3, update: 40 },
    stage: 'batch',
    change: { kind: 'batch', batch: 16 },
    after: { batch: 16 },
    cores: 2,
  },
  'a slow kernel': {
    planted: { ...ordinary, backward: 8 },
    stage: 'backward',
    change: { kind: 'faster', stage: 'backward', times: 2 },
    after: { backward: 4 },
  },
  'a slow kernel on cores that decode as well': {
    planted: { ...burning, backward: 24, decode: 4, workers: 1 },
    stage: 'backward',
    change: { kind: 'faster', stage: 'backward', times: 2 },
    after: { backward: 12 },
    cores: 2,
  },
  "a slow operator of the user's on the main thread": {
    planted: { ...ordinary, workers: 8, batch: 4, main: 24, consumer: 0.1 },
    stage: 'filters',
    change: { kind: 'faster', stage: 'filters', times: 2 },
    after: { main: 12 },
  },
  'such an operator beside a model': {
    planted: { ...ordinary, batch: 4, main: 24 },
    stage: 'filters',
    change: { kind: 'faster', stage: 'filters', times: 2 },
    after: { main: 12 },
  },
  "a stage of the user's that waits": {
    planted: { ...ordinary, batch: 4, waiting: 30 },
    stage: 'lookup',
    change: { kind: 'faster', stage: 'lookup', times: 2 },
    after: { waiting: 15 },
  },
  'a decode that is now slow, now fast, with too little room ahead of the device': {
    planted: { ...ordinary, forward: 2.5, backward: 2.5, bursts: 16, prefetch: 1 },
    stage: 'decode',
    change: { kind: 'prefetch', batches: 12 },
    after: { prefetch: 12 },
    least: 1.1,
  },
  'the same, with some more room': {
    planted: { ...ordinary, forward: 2.5, backward: 2.5, bursts: 16, prefetch: 1 },
    stage: 'decode',
    change: { kind: 'prefetch', batches: 4 },
    after: { prefetch: 4 },
    least: 1.05,
  },
};

/** What of the planted costs each stage's time is. */
const costs: Readonly<Record<string, keyof Planted>> = { filters: 'main', lookup: 'waiting', optimize: 'update' };

/** The change, made. */
function changed(planted: Planted, change: Change): Partial<Planted> {
  if (change.kind === 'workers') return { workers: change.workers };
  if (change.kind === 'batch') return { batch: change.batch };
  if (change.kind === 'prefetch') return { prefetch: change.batches };
  const cost = costs[change.stage] ?? (change.stage as keyof Planted);
  return { [cost]: (planted[cost] as number) / change.times };
}

/**
 * In virtual time: what is measured is what was planted and what the stages make of it, however busy this machine is. The same in
 * real time, with real threads, disks and kernels, is spec/bench/planted.ts.
 */
describe('verdict on planted bottlenecks', () => {
  let device: Device;
  before(async () => {
    device = await openCpu();
  });
  after(() => device.destroy());

  const run = (planted: Planted, cores = 4): Promise<PipelineSnapshot> => {
    const machine = new VirtualMachine(cores);
    return machine.run(() => measure(planted, device, planted.bursts ? 10 * planted.bursts : 60, machine));
  };

  for (const [what, { planted, stage, change, after, cores, useless, least = 1.2 }] of Object.entries(cases)) {
    it(`should name ${what}, and know within 15 % what a change buys`, async () => {
      const before = await run(planted, cores);
      const { limits, text } = verdict(before);
      if (process.env.SHOW) console.log(text);
      assert.equal(limits, stage, text);
      const { itemsPerSecond, sentence } = predict(before, change);
      const { itemsPerSecond: measured } = await run({ ...planted, ...after }, cores);
      if (process.env.SHOW) console.log(sentence, '--', before.itemsPerSecond, itemsPerSecond, measured, itemsPerSecond! / measured);
      if (useless) assert.match(sentence, /would not help: all \d cores are busy/);
      else assert.ok(measured > least * before.itemsPerSecond, `${measured} after ${before.itemsPerSecond}`);
      assert.ok(Math.abs(itemsPerSecond! / measured - 1) < 0.15, `${sentence}; it was ${measured}`);
    });
  }

  for (const [what, { planted, cores }] of Object.entries(cases)) {
    it(`should suggest for ${what} what then gives what was said`, async () => {
      const before = await run(planted, cores);
      const { changes, text } = verdict(before);
      let tried = 0;
      for (const { change, known, itemsPerSecond, sentence } of changes) {
        if (!known) continue;
        tried++;
        const { itemsPerSecond: measured } = await run({ ...planted, ...changed(planted, change) }, cores);
        if (process.env.SHOW) console.log(sentence, '--', itemsPerSecond! / measured);
        assert.ok(Math.abs(itemsPerSecond! / measured - 1) < 0.15, `${sentence}; it was ${measured}`);
      }
      assert.ok(tried > 0, text);
    });
  }

  it('should name a consumer that is slower than everything else', async () => {
    const { limits, text, changes } = verdict(await run({ ...ordinary, consumer: 100 }));
    assert.equal(limits, 'consumer', text);
    assert.deepEqual(changes, []);
  });

  it('should suggest a longer queue where speeds vary, as long as it has to be, and only there', async () => {
    const { changes, evidence, text } = verdict(await run({ ...ordinary, forward: 2.5, backward: 2.5, bursts: 16, prefetch: 1 }));
    const { change, sentence } = changes[0];
    assert.ok(change.kind === 'prefetch' && change.batches >= 8 && change.batches <= 20, text);
    assert.match(sentence, /^\d+ batches ahead \(prefetch\) would give about \d+ images\/s/);
    assert.match(evidence.join(), /speeds vary: the device has no batch \d+ % of the time, the workers have no room \d+ %/);
    const even = await run({ ...ordinary, backward: 8, prefetch: 1 });
    assert.ok(verdict(even).changes.every(each => each.change.kind !== 'prefetch'));
    assert.match(predict(even, { kind: 'prefetch', batches: 8 }).sentence, /^8 batches ahead \(prefetch\) would not help: backward limits/);
  });

  it('should name what worker threads do, with their own time', async () => {
    const tasks = new URL('./slowTasks/', import.meta.url);
    const pool = new WorkerPool({ workers: 2, tasks });
    try {
      const snapshot = await measure({ ...ordinary, decode: 12, workers: 2, pool }, device, 4);
      assert.equal(verdict(snapshot).limits, 'decode', verdict(snapshot).text);
      const { workers } = snapshot.stages.find(({ name }) => name === 'decode')!;
      assert.equal(workers!.each.length, 2);
      assert.ok(workers!.run.p50Ms > 13 && workers!.wait.p50Ms > 0);
    } finally {
      await pool.close();
    }
  });
});
