import {
  type Batch,
  type CompiledModel,
  compile,
  crossEntropy,
  type Device,
  type DeviceName,
  fail,
  macs,
  type Optimizer,
  oneCycle,
  openDevice,
  profileSegments,
  profiles,
  sgd,
} from '../../core/index.ts';
import { chooseModel } from '../run/chooseModel.ts';
import { bytes, figure, inPrecision } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { kernelRows, kernelTable, totalRows, totalTable } from './kernelTable.ts';
import { type LimitOptions, limitsOf } from './limitOptions.ts';
import { median } from './median.ts';
import { syntheticBatch } from './syntheticBatch.ts';

export interface BenchStepOptions extends LimitOptions {
  readonly model: string;
  readonly size?: number;
  readonly channels: number;
  readonly classes: number;
  readonly batch: number;
  readonly device: DeviceName;
  readonly threads?: number;
  readonly steps: number;
  readonly exact?: boolean;
  readonly fuse?: boolean;
  readonly precision?: 'f32' | 'mixed';
  /** Rows of a table of kernels, or true for as many as fit a glance. */
  readonly kernels?: number | true;
}

/** Rows of the table of kernels unless told. */
const glance = 30;
/** Columns of tables where there is no terminal. */
const pipeWidth = 120;
/** How often each launch is timed. */
const profileRounds = 7;

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
    if (options.kernels) checkProfiles(device);
    const model = compile(graph, { device, batch, exact: options.exact, fuse: options.fuse, precision: options.precision });
    output.line(`device  ${device.description}${inPrecision(options.precision)}`);
    output.line(`model   ${graph.name}, images of ${graph.input.join('×')}, batch ${batch}, synthetic data`);
    output.update('compiling …');
    const workload = new Workload(model, steps);
    const times = await timeSteps(workload, steps, n => output.update(`step ${n}`));
    output.clear();
    // a backward pass is two products for the forward pass's one, and none for the images' own gradient, which is small
    const flops = 2 * 3 * macs(graph) * batch;
    const memory = await model.memory();
    const summary = {
      images_per_s: (batch * 1000) / times.step,
      step_ms: times.step,
      forward_ms: times.forward,
      backward_ms: times.backward,
      update_ms: times.update,
      gflops: flops / times.step / 1e6,
      peak_bytes: memory.peak,
      lower_bound_bytes: memory.lowerBound,
      scratch_bytes: memory.scratch,
      device: device.description,
      device_kind: device.kind,
      threads: device.threads ?? null,
      exact: options.exact === true,
      fuse: options.fuse !== false,
      precision: options.precision ?? 'f32',
      model: graph.name,
      batch,
      steps,
    };
    output.line(`${figure(summary.images_per_s)} images/s, ${figure(summary.gflops)} GFLOP/s`);
    output.line(
      `step ${figure(times.step)} ms: forward ${figure(times.forward)}, backward ${figure(times.backward)}, update ${figure(times.update)} (medians of ${steps}; segments timed alone)`,
    );
    output.line(
      `memory ${bytes(memory.peak)} at its peak, ${(memory.peak / memory.lowerBound).toFixed(2)} × what must be there (weights, optimizer state, gradients, what backward needs); ${bytes(memory.scratch)} for kernels`,
    );
    const kernels = options.kernels && (await showKernels(workload, options, output));
    output.summary({ ...summary, ...kernels });
    await model.destroy();
    return 0;
  } finally {
    output.clear();
    await device.destroy();
  }
}

/** What the steps do: a batch, a loss and an optimizer for a model. */
class Workload {
  readonly loss = crossEntropy();
  readonly optimizer: Optimizer;
  readonly batch: Batch;

  constructor(
    readonly model: CompiledModel,
    steps: number,
  ) {
    // so small that synthetic labels cannot make it diverge
    this.optimizer = sgd({ lr: oneCycle(1e-4, steps + warmUp), momentum: 0.9, weightDecay: 1e-4 });
    this.batch = syntheticBatch(model);
  }

  /** Reading a few bytes waits for all that was run before. */
  async finished(): Promise<void> {
    await this.model.readLogits(1);
  }
  upload = () => this.model.upload(this.batch, 'train');
  async forward(): Promise<void> {
    await this.model.forward('train');
    await this.model.loss(this.loss, 'train');
  }
  backward = () => this.model.backward();
  update = () => this.model.update(this.optimizer, 1e-4);
}

async function timeSteps(work: Workload, steps: number, tell: (step: number) => void) {
  const unlock = await work.model.lock.acquire();
  const whole: number[] = [];
  const parts = { forward: [] as number[], backward: [] as number[], update: [] as number[] };
  try {
    // as a run does them: the loss is waited for, what follows it runs while the next batch comes
    let began = performance.now();
    for (let step = -warmUp; step < steps; step++) {
      await work.upload();
      await work.forward();
      await work.backward();
      await work.model.readLoss();
      await work.update();
      const now = performance.now();
      if (step >= 0) whole.push(now - began);
      began = now;
      tell(Math.max(0, step + 1));
    }
    await work.finished();
    for (let step = 0; step < steps; step++) {
      await work.upload();
      await work.finished();
      for (const part of ['forward', 'backward', 'update'] as const) {
        const began = performance.now();
        await work[part]();
        await work.finished();
        parts[part].push(performance.now() - began);
      }
    }
  } finally {
    unlock();
  }
  return { step: median(whole), forward: median(parts.forward), backward: median(parts.backward), update: median(parts.update) };
}

function checkProfiles(device: Device): void {
  if (profiles(device)) return;
  throw fail(
    'usage',
    '--kernels',
    'a device that can time its launches one by one',
    device.description,
    'Use --device wasm, or leave --kernels out.',
  );
}

/** The tables of --kernels, and what they add to the summary. */
async function showKernels({ model, loss, optimizer }: Workload, options: BenchStepOptions, output: Output): Promise<object> {
  const { device } = model;
  const limits = await limitsOf(device, options, output);
  output.update('timing kernels …');
  const unlock = await model.lock.acquire();
  const nodes = await profileSegments(device, await model.stepSegments(loss, optimizer), profileRounds).finally(unlock);
  output.clear();
  const rows = kernelRows(nodes, limits);
  const primitives = totalRows(rows, ({ primitive }) => primitive, limits);
  const parts = totalRows(rows, ({ part }) => part, limits);
  for (const row of rows) output.event('kernel', row);
  for (const row of primitives) output.event('primitive', row);
  for (const row of parts) output.event('part', row);
  const width = output.live ? output.columns : pipeWidth;
  const most = options.kernels === true ? glance : options.kernels!;
  output.line();
  output.line(kernelTable(rows, most, width));
  output.line();
  output.line(totalTable('op', primitives, width));
  output.line();
  output.line(totalTable('part of the step', parts, width));
  const ms = rows.reduce((sum, row) => sum + row.ms, 0);
  output.line();
  output.line(`${figure(ms)} ms in ${rows.length} nodes (median of ${profileRounds} for each launch)`);
  return {
    kernels_ms: ms,
    limit_gflops: limits ? limits.flopsPerSecond / 1e9 : null,
    limit_gb_per_s: limits ? limits.bytesPerSecond / 1e9 : null,
  };
}
