/**
 * What metering costs: an item by itself, a step of a pipeline, and whether anything is allocated for it.
 *
 *   node --expose-gc --import tsx spec/bench/meterStep.ts
 *
 * The budget: 2 microseconds an item and 1 % of a step, and nothing that the garbage collector has to look for. Exit status 1 if it is
 * not kept. The step is that of resnet8 at 28 pixels, batch 32: the shortest that anyone trains, so the one on which metering weighs most.
 */
import { performance } from 'node:perf_hooks';
import { MeterSet } from '../../core/meter.ts';
import { charge } from '../../core/profile/mainThread.ts';

const ITEMS = 400_000;
const BATCH = 32;
/** What resnet8's step takes on two cores of an AMD EPYC (`bench step`), in milliseconds. */
const STEP_MS = 32 / 2.232;

/** What the stages of a training pipeline do on their meters for one sample, and for one batch. */
function samples(meters: MeterSet, count: number): void {
  const names = ['source', 'shuffle', 'decode', 'augment', 'batch'];
  const entered = new Float64Array(names.length);
  for (let item = 0; item < count; item++) {
    meters.clock.hold();
    for (const [i, name] of names.entries()) {
      const meter = meters.stage(name);
      const outer = charge(meter.main);
      if (i === 0 || i === 3) meter.pass(1, 0.02);
      else entered[i] = meter.enter(1);
      charge(meter.behind);
      if (i === 2) meter.workers.ended(1, 0.1, 0.5);
      charge(outer);
    }
    for (const i of [1, 2, 4]) meters.stage(names[i]).leave(1, entered[i]);
    meters.clock.release();
    if (item % BATCH > 0) continue;
    for (const name of ['prefetch', 'forward', 'backward', 'optimize']) {
      const meter = meters.stage(name);
      const at = meter.enter(BATCH);
      meter.works();
      meter.stands('upstream');
      meter.leave(BATCH, at);
    }
  }
}

const meters = new MeterSet();
samples(meters, ITEMS / 4);
const rounds = Array.from({ length: 5 }, () => {
  const began = performance.now();
  samples(meters, ITEMS);
  return ((performance.now() - began) * 1e3) / ITEMS;
}).sort((a, b) => a - b);
const us = rounds[2];
const share = (us * BATCH) / 1000 / STEP_MS;
console.log(
  `${us.toFixed(2)} microseconds a sample through all stages (median of 5 rounds, ${rounds.map(each => each.toFixed(2)).join(' ')})`,
);
console.log(`${(100 * share).toFixed(2)} % of a step of resnet8, batch ${BATCH} (${STEP_MS.toFixed(1)} ms)`);

if (globalThis.gc) {
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  samples(meters, ITEMS);
  globalThis.gc();
  console.log(`${((process.memoryUsage().heapUsed - before) / ITEMS).toFixed(3)} bytes a sample are kept`);
}
if (us > 2 || share > 0.01) process.exitCode = 1;
