import {
  type Batch,
  type CompiledModel,
  compile,
  crossEntropy,
  Demand,
  type DeviceName,
  fail,
  HeldLeases,
  hash,
  macs,
  oneCycle,
  openDevice,
  sgd,
} from '../../core/index.ts';
import { chooseModel } from '../run/chooseModel.ts';
import { bytes, figure } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { median } from './median.ts';

export interface BenchStepOptions {
  readonly model: string;
  readonly size?: number;
  readonly channels: number;
  readonly classes: number;
  readonly batch: number;
  readonly device: DeviceName;
  readonly threads?: number;
  readonly steps: number;
}

/** Steps before the clock runs: compilers and caches warm up. */
const warmUp = 3;

/**
 * Times training steps on synthetic images: whole steps first, as a run would do them, then each segment alone, waiting for
 * the device after each. Medians, since the first and the disturbed ones say nothing.
 */
export async function benchStep(options: BenchStepOptions, output: Output): Promise<number> {
  const { size, channels, classes, batch, steps } = options;
  const choice = await chooseModel(options.model);
  const graph = choice.kind === 'graph' ? choice.graph : choice.build({ classes, channels, ...(size !== undefined && { size }) });
  if (choice.kind === 'graph' && size !== undefined && size !== graph.input[0]) {
    throw fail(
      'usage',
      '--size',
      `${graph.input[0]}, the input of model "${graph.name}"`,
      String(size),
      'Leave --size out for a graph from a file.',
    );
  }
  const device = await openDevice(options.device, { threads: options.threads });
  try {
    const model = compile(graph, { device, batch });
    output.line(`device  ${device.description}`);
    output.line(`model   ${graph.name}, images of ${graph.input.join('×')}, batch ${batch}, synthetic data`);
    output.update('compiling …');
    const times = await timeSteps(model, steps, n => output.update(`step ${n}`));
    output.clear();
    // a backward pass is two products for the forward pass's one, and none for the images' own gradient, which is small
    const flops = 2 * 3 * macs(graph) * batch;
    const summary = {
      images_per_s: (batch * 1000) / times.step,
      step_ms: times.step,
      forward_ms: times.forward,
      backward_ms: times.backward,
      update_ms: times.update,
      gflops: flops / times.step / 1e6,
      peak_bytes: model.peakBytes,
      device: device.description,
      device_kind: device.kind,
      threads: device.threads ?? null,
      model: graph.name,
      batch,
      steps,
    };
    output.line(`${figure(summary.images_per_s)} images/s, ${figure(summary.gflops)} GFLOP/s, ${bytes(summary.peak_bytes)} on the device`);
    output.line(
      `step ${figure(times.step)} ms: forward ${figure(times.forward)}, backward ${figure(times.backward)}, update ${figure(times.update)} (medians of ${steps}; segments timed alone)`,
    );
    output.summary(summary);
    await model.destroy();
    return 0;
  } finally {
    output.clear();
    await device.destroy();
  }
}

async function timeSteps(model: CompiledModel, steps: number, tell: (step: number) => void) {
  const loss = crossEntropy();
  // so small that synthetic labels cannot make it diverge
  const optimizer = sgd({ lr: oneCycle(1e-4, steps + warmUp), momentum: 0.9, weightDecay: 1e-4 });
  const batch = syntheticBatch(model);
  const unlock = await model.lock.acquire();
  const whole: number[] = [];
  const parts = { forward: [] as number[], backward: [] as number[], update: [] as number[] };
  // reading a few bytes waits for all that was run before
  const finished = () => model.readLogits(1);
  try {
    for (let step = -warmUp; step < steps; step++) {
      const began = performance.now();
      await model.upload(batch, 'train');
      await model.forward('train');
      await model.loss(loss, 'train');
      await model.backward();
      await model.update(optimizer, 1e-4);
      await model.readLoss();
      await finished();
      if (step >= 0) whole.push(performance.now() - began);
      tell(Math.max(0, step + 1));
    }
    for (let step = 0; step < steps; step++) {
      await model.upload(batch, 'train');
      await finished();
      const marks = [performance.now()];
      await model.forward('train');
      await model.loss(loss, 'train');
      await finished();
      marks.push(performance.now());
      await model.backward();
      await finished();
      marks.push(performance.now());
      await model.update(optimizer, 1e-4);
      await finished();
      marks.push(performance.now());
      parts.forward.push(marks[1] - marks[0]);
      parts.backward.push(marks[2] - marks[1]);
      parts.update.push(marks[3] - marks[2]);
    }
  } finally {
    unlock();
  }
  return { step: median(whole), forward: median(parts.forward), backward: median(parts.backward), update: median(parts.update) };
}

/** Images of hashed bytes with labels in turn. */
function syntheticBatch(model: CompiledModel): Batch {
  const [height, width, channels] = model.graph.input;
  const size = height * width * channels;
  const cells = Array.from({ length: model.batch }, (_, n) => Uint8Array.from({ length: size }, (__, i) => hash(n, i) & 255));
  return {
    cells,
    labels: Int32Array.from(cells, (_, n) => n % model.classes),
    keys: cells.map((_, n) => `synthetic ${n}`),
    count: model.batch,
    height,
    width,
    channels,
    epoch: 0,
    index: 0,
    consumed: model.batch,
    normalization: { mean: Array(channels).fill(0.5), std: Array(channels).fill(0.25) },
    lease: new HeldLeases(new Demand(), () => undefined),
  };
}
