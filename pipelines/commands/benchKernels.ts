import {
  crossEntropy,
  type Device,
  type DeviceName,
  fail,
  type Limits,
  leastMs,
  openDevice,
  openProblem,
  type Problem,
  trainingProblems,
  waysOf,
  writeAtomically,
} from '../../core/index.ts';
import { chooseModel } from '../run/chooseModel.ts';
import type { Output } from '../terminal/output.ts';
import { onInterrupt } from './interrupt.ts';
import { type LimitOptions, limitsOf } from './limitOptions.ts';
import { median } from './median.ts';
import { title, type WayRow, wayTable } from './wayTable.ts';

export interface BenchKernelsOptions extends LimitOptions {
  readonly device: DeviceName;
  readonly threads?: number;
  /** `alexnet:16`: a model and its batch size. */
  readonly models: readonly { readonly model: string; readonly batch: number }[];
  readonly size?: number;
  readonly channels: number;
  readonly classes: number;
  readonly filter?: string;
  readonly fuse?: boolean;
  /** Seconds for each way of computing each problem. */
  readonly seconds: number;
  /** Seconds that a single run of a gpu.js kernel may be expected to take. */
  readonly patience: number;
  readonly out?: string;
}

/** A way is timed at least and at most so often, unless one run takes longer than all should. */
const leastRuns = 3;
const mostRuns = 50;

/**
 * Times every op of the models in every pass, at each shape that occurs in a training step: each variant that takes it, and
 * the op's own gpu.js kernels. One problem is on the device at a time.
 */
export async function benchKernels(options: BenchKernelsOptions, output: Output): Promise<number> {
  const problems = await collect(options);
  const device = await openDevice(options.device, { threads: options.threads });
  const interrupt = onInterrupt(output, 'Stopping after this kernel.');
  const rows: WayRow[] = [];
  try {
    output.line(`device  ${device.description}`);
    const limits = await limitsOf(device, options, output);
    output.line(
      `models  ${options.models.map(({ model, batch }) => `${model} at batch ${batch}`).join(', ')}: ${problems.length} problems`,
    );
    const clock = new Clock(device, options, limits);
    let done = 0;
    for (const problem of problems) {
      output.update(`${++done} of ${problems.length}  ${problem.primitive}`);
      rows.push(...(await clock.time(problem, interrupt.signal, row => output.event('kernel', row))));
      if (interrupt.signal.aborted) break;
    }
  } finally {
    interrupt.close();
    output.clear();
    await device.destroy();
  }
  const interrupted = interrupt.signal.aborted;
  output.line();
  output.line(wayTable(rows, output.live ? output.columns : 120));
  const skipped = rows.filter(({ ms }) => ms === null).length;
  if (skipped > 0) output.line(`${skipped} gpu.js kernels were left out: expected to take more than ${options.patience} s (--patience)`);
  const summary = {
    device: device.description,
    device_kind: device.kind,
    threads: device.threads ?? null,
    models: options.models,
    problems: problems.length,
    rows: rows.length,
    skipped,
    interrupted,
  };
  if (options.out !== undefined) await writeAtomically([[options.out, `${JSON.stringify({ ...summary, kernels: rows }, null, 1)}\n`]]);
  output.summary(summary);
  return interrupted ? 130 : 0;
}

/** The problems of all models, a shared one once. */
async function collect({ models, size, channels, classes, filter = '', fuse }: BenchKernelsOptions): Promise<Problem[]> {
  const found = new Map<string, Problem>();
  for (const { model, batch } of models) {
    const choice = await chooseModel(model);
    const graph = choice.kind === 'graph' ? choice.graph : choice.build({ channels, classes, ...(size !== undefined && { size }) });
    for (const problem of trainingProblems(graph, { batch, loss: crossEntropy(), fuse })) {
      const { uses, node, ...itself } = problem;
      const key = JSON.stringify(itself);
      const known = found.get(key);
      found.set(key, known ? { ...known, uses: known.uses + uses } : { ...problem, node: `${graph.name} ${node}`.trim() });
    }
  }
  const all = [...found.values()];
  const chosen = all.filter(problem => title(problem).includes(filter));
  if (chosen.length > 0) return chosen;
  const names = [...new Set(all.map(title))].sort().join(', ');
  throw fail('usage', '--filter', `a part of one of ${names}`, `"${filter}"`, 'Leave it out for all of them.');
}

/** Times problems, and remembers how fast each op's gpu.js kernels were, to leave out those that would take minutes. */
class Clock {
  readonly #slowest = new Map<string, number>();

  constructor(
    private readonly device: Device,
    private readonly options: BenchKernelsOptions,
    private readonly limits: Limits | undefined,
  ) {}

  async time(problem: Problem, signal: AbortSignal, tell: (row: WayRow) => void): Promise<WayRow[]> {
    const rows: WayRow[] = [];
    const ways = [...waysOf(this.device, problem), null];
    for (const [i, variant] of ways.entries()) {
      if (signal.aborted) break;
      rows.push(await this.#way(problem, variant, i === 0));
    }
    const definition = rows.find(({ variant }) => variant === null)?.ms ?? null;
    const compared = rows.map(row => ({ ...row, speedup: definition === null || row.ms === null ? null : definition / row.ms }));
    for (const row of compared) tell(row);
    return compared;
  }

  async #way(problem: Problem, variant: string | null, chosen: boolean): Promise<WayRow> {
    const { primitive, attributes, inputs, output, uses, node } = problem;
    const open = await openProblem(this.device, problem, variant);
    try {
      const { flops, bytes } = open.cost;
      const shapes = { inputs: inputs.map(({ shape }) => shape), output: output.shape };
      const row = { primitive, attributes, ...shapes, uses, node, variant, chosen, flops, bytes, speedup: null };
      const work = Math.max(flops, bytes);
      const expected = variant === null ? work * (this.#slowest.get(primitive) ?? 0) : 0;
      if (expected > 1000 * this.options.patience) return { ...row, runs: 0, ms: null, gflops: null, gb_per_s: null, of_limit: null };
      const times = await this.#runs(open);
      const ms = median(times);
      if (variant === null) this.#slowest.set(primitive, Math.max(ms / work, this.#slowest.get(primitive) ?? 0));
      const of_limit = this.limits ? leastMs(this.limits, { flops, bytes }) / ms : null;
      return { ...row, runs: times.length, ms, gflops: flops / ms / 1e6, gb_per_s: bytes / ms / 1e6, of_limit };
    } finally {
      open.close();
    }
  }

  /** The first run warms up and counts only if it alone takes longer than all should. */
  async #runs({ run }: { run(): Promise<number> }): Promise<number[]> {
    const budgetMs = this.options.seconds * 1000;
    const began = performance.now();
    const first = await run();
    if (performance.now() - began > budgetMs) return [first];
    const times: number[] = [];
    while (times.length < leastRuns || (performance.now() - began < budgetMs && times.length < mostRuns)) times.push(await run());
    return times;
  }
}
