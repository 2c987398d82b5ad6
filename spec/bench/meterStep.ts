/**
 * What metering costs: an item by itself, a step of a pipeline, and whether anything is allocated for it.
 *
 *   node --expose-gc --max-semi-space-size=128 --import tsx spec/bench/meterStep.ts [--allocations]
 *
 * The budget: 2 microseconds an item and 1 % of a step, and no object for an item while nobody records a trace. Exit status 1 if it is
 * not kept. What is allocated is a boxed number here and there, where V8 reads the clock: 40 bytes a sample through all nine stages, none
 * of which stay; an object of one field in each stage would be 250. `--allocations` looks at these alone (spec/bench/meterStep.spec.ts). The step is that of resnet8 at 28 pixels, batch 32: the shortest that anyone trains, so the one on which metering weighs most.
 */
import { performance } from 'node:perf_hooks';
import { MeterSet } from '../../core/meter.ts';
import { charge } from '../../core/profile/mainThread.ts';

const ITEMS = 400_000;
const BATCH = 32;
/** What resnet8's step takes on two cores of an AMD EPYC (`bench step`), in milliseconds. */
const STEP_MS = 32 / 2.232;

// none of its own is made while it is measured
const names = ['source', 'shuffle', 'decode', 'augment', 'batch'];
const late = ['prefetch', 'forward', 'backward', 'optimize'];
const entered = new Float64Array(names.length);

/** What the stages of a training pipeline do on their meters for one sample, and for one batch. */
function samples(meters: MeterSet, count: number): void {
  for (let item = 0; item < count; item++) {
    meters.clock.hold();
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      const meter = meters.stage(name);
      const outer = charge(meter.main);
      if (i === 0 || i === 3) meter.pass(1, 0.02);
      else entered[i] = meter.enter(1);
      charge(meter.behind);
      if (i === 2) meter.workers.ended(1, 0.1, 0.5);
      charge(outer);
    }
    for (let i = 1; i < names.length; i++) if (i !== 3) meters.stage(names[i]).leave(1, entered[i]);
    meters.clock.release();
    if (item % BATCH > 0) continue;
    for (let i = 0; i < late.length; i++) {
      const meter = meters.stage(late[i]);
      const at = meter.enter(BATCH);
      meter.works();
      meter.stands('upstream');
      meter.leave(BATCH, at);
    }
  }
}

/** Bytes a sample: those that were allocated, with a young generation too large to be collected meanwhile, and those that stay. */
function allocated(meters: MeterSet, collect: () => void): { readonly made: number; readonly kept: number } {
  const count = 50_000;
  collect();
  const before = process.memoryUsage().heapUsed;
  samples(meters, count);
  const after = process.memoryUsage().heapUsed;
  collect();
  return { made: (after - before) / count, kept: (process.memoryUsage().heapUsed - before) / count };
}
/** Fewer than an object in one of the stages would take. */
const MOST_BYTES = 100;

const meters = new MeterSet();
samples(meters, ITEMS / 4);
if (globalThis.gc) {
  const rounds = Array.from({ length: 5 }, () => allocated(meters, globalThis.gc!));
  // each its own median: in single rounds something else comes or goes, code that is compiled or dropped for one
  const median = (of: 'made' | 'kept') => rounds.map(round => round[of]).sort((a, b) => a - b)[2];
  const [made, kept] = [median('made'), median('kept')];
  console.log(`${made.toFixed(0)} bytes a sample are allocated through all stages, ${kept.toFixed(2)} stay`);
  if (made > MOST_BYTES || kept > 1) process.exitCode = 1;
}
if (process.argv.includes('--allocations')) process.exit();

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

if (us > 2 || share > 0.01) process.exitCode = 1;
