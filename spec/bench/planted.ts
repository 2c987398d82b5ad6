/**
 * The verdict in real time: pipelines with a planted bottleneck, on real threads, timers and kernels; what a change was said to buy beside
 * what is then measured. (spec/operators/planted.spec.ts does so in virtual time, for many more cases.)
 *
 *   npx tsx spec/bench/planted.ts [--turns 3]
 *
 * Exit status 1 if the wrong stage is named, or a prediction is more than 15 % off in the median of the turns.
 */
import { pull } from '../../core/data/pull.ts';
import type { CompiledSegment, Device, SegmentEnded } from '../../core/devices/device.ts';
import { openWasm } from '../../core/devices/wasm/device.ts';
import { crossEntropy } from '../../core/losses/index.ts';
import { MeterSet } from '../../core/meter.ts';
import { sgd } from '../../core/optimizers/index.ts';
import { WorkerPool } from '../../core/pool/workerPool.ts';
import { predict } from '../../core/profile/predict.ts';
import type { PipelineSnapshot } from '../../core/profile/snapshot.ts';
import { type Change, verdict } from '../../core/profile/verdict.ts';
import { compile } from '../../core/training/compiledModel.ts';
import { measureFixedShare } from '../../core/training/profile.ts';
import { resnet8 } from '../../models/index.ts';
import { augment, backward, batch, decode, forward, horizontalFlip, optimize, prefetch } from '../../operators/index.ts';
import { compute, type Delays } from '../operators/slowTasks/decodeImage.ts';

interface Planted {
  readonly source?: number;
  readonly read?: number;
  readonly decode?: number;
  readonly augment?: number;
  readonly workers: number;
  readonly batch: number;
  /** Times that the gradients are computed. */
  readonly backward?: number;
}
interface Case {
  readonly planted: Planted;
  readonly stage: string;
  readonly change: Change;
  readonly after: Partial<Planted>;
}
const ordinary: Planted = { read: 0.2, decode: 1, augment: 0.3, workers: 1, batch: 8 };
const faster = (stage: string): Change => ({ kind: 'faster', stage, times: 2 });
const cases: Record<string, Case> = {
  'a slow source': { planted: { ...ordinary, source: 16 }, stage: 'source', change: faster('source'), after: { source: 8 } },
  'a slow disk': { planted: { ...ordinary, read: 30 }, stage: 'read', change: { kind: 'workers', workers: 3 }, after: { workers: 3 } },
  'a slow decode, 1 to 2 workers': {
    planted: { ...ordinary, decode: 20 },
    stage: 'decode',
    change: { kind: 'workers', workers: 2 },
    after: { workers: 2 },
  },
  'a slow augment': { planted: { ...ordinary, augment: 20 }, stage: 'augment', change: faster('augment'), after: { augment: 10 } },
  'a tiny batch': {
    planted: { ...ordinary, decode: 0.05, augment: 0.05, read: 0.01, batch: 1 },
    stage: 'batch',
    change: { kind: 'batch', batch: 8 },
    after: { batch: 8 },
  },
  'a slow kernel': {
    planted: { ...ordinary, backward: 4 },
    stage: 'backward',
    change: faster('backward'),
    after: { backward: 2 },
  },
};

const runMs = 1500;
const side = 28;
const tasks = new URL('../operators/slowTasks/', import.meta.url);
compute(1e6);
const roundsPerMs = 3e7 / compute(3e7);

/** Runs the segments of one part several times. */
class SlowDevice implements Pick<Device, 'run'> {
  #runs = 0;
  constructor(
    private readonly inner: Device,
    private readonly times: number,
  ) {}
  async run(segment: CompiledSegment, ended?: SegmentEnded): Promise<void> {
    // forward, loss, its gradient, backward, update
    const backward = this.#runs++ % 5 === 3;
    let began: number | undefined;
    for (let i = backward ? this.times : 1; i > 0; i--)
      await this.inner.run(segment, (from, to) => {
        began ??= from;
        if (i === 1) ended?.(began, to);
      });
  }
}
function slowed(device: Device, times: number): Device {
  const slow = new SlowDevice(device, times);
  return new Proxy(device, {
    get: (inner, name) => {
      if (name === 'run') return slow.run.bind(slow);
      const own = Reflect.get(inner, name, inner) as unknown;
      return typeof own === 'function' ? own.bind(inner) : own;
    },
  });
}

async function measure(planted: Planted, device: Device): Promise<{ snapshot: PipelineSnapshot; fixedShare: number | undefined }> {
  const pool = new WorkerPool({ workers: planted.workers, tasks });
  const model = compile(resnet8({ classes: 10, size: side, channels: 3 }), {
    device: slowed(device, planted.backward ?? 1),
    batch: planted.batch,
  });
  const meters = new MeterSet();
  const { read, decode: own, augment: more } = planted;
  const path = JSON.stringify({ read, decode: own, augment: more, roundsPerMs, side } satisfies Delays);
  const samples = pull(
    async function* () {
      for (let index = 0; ; index++) {
        if (planted.source) await new Promise(resolve => setTimeout(resolve, planted.source));
        yield { key: `s${index}`, label: index % 10, index, picture: { kind: 'file', path } };
      }
    },
    { meters },
  );
  const steps = samples.pipe(
    decode({ pool, workers: planted.workers }),
    augment([horizontalFlip()]),
    batch(planted.batch),
    prefetch(2),
    forward(model),
    backward(crossEntropy()),
    optimize(sgd({ lr: 0.01 })),
  );
  try {
    const snapshot = await new Promise<PipelineSnapshot>((resolve, reject) => {
      let seen = 0;
      let [before, since]: [ReturnType<MeterSet['read']> | undefined, number] = [undefined, 0];
      const subscription = steps.subscribe({
        next() {
          if (++seen === 6) [before, since] = [meters.read(), performance.now()];
          if (!before || performance.now() - since < runMs) return;
          resolve(meters.snapshot(before));
          subscription.unsubscribe();
        },
        error: reject,
      });
    });
    return { snapshot, fixedShare: planted.batch < 8 ? await measureFixedShare(model, 15) : undefined };
  } finally {
    await model.destroy();
    await pool.close();
  }
}

const turns = Number(process.argv[process.argv.indexOf('--turns') + 1]) || 3;
const device = await openWasm({ threads: 1 });
const off: Record<string, number[]> = {};
try {
  for (let turn = 0; turn < turns; turn++) {
    for (const [what, { planted, stage, change, after }] of Object.entries(cases)) {
      const { snapshot, fixedShare } = await measure(planted, device);
      const { limits, text } = verdict(snapshot, { fixedShare });
      const { sentence, itemsPerSecond = Number.NaN } = predict(snapshot, change, { fixedShare });
      const measured = (await measure({ ...planted, ...after }, device)).snapshot.itemsPerSecond;
      const ratio = itemsPerSecond / measured;
      off[what] = [...(off[what] ?? []), ratio];
      const now = snapshot.itemsPerSecond.toFixed(0);
      console.log(`${what}: ${limits} limits (${now}/s). ${sentence}; it was ${measured.toFixed(0)}: ${ratio.toFixed(2)} of it`);
      if (limits === stage) continue;
      console.log(`  expected ${stage}: ${text}`);
      process.exitCode = 1;
    }
  }
} finally {
  await device.destroy();
}
for (const [what, ratios] of Object.entries(off)) {
  const median = ratios.sort((a, b) => a - b)[ratios.length >> 1]!;
  if (!(Math.abs(median - 1) < 0.15)) process.exitCode = 1;
  console.log(`${what}: ${median.toFixed(2)} in the median`);
}
