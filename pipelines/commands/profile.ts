import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Profile } from '../../core/index.ts';
import {
  type Limits,
  MillraceError,
  measureFixedShare,
  type PipelineReading,
  type PipelineSnapshot,
  profileSegments,
  profiles,
  Trace,
  traceSegments,
  verdict,
} from '../../core/index.ts';
import { snapshots } from '../../operators/index.ts';
import type { Pipeline } from '../definePipeline.ts';
import { Course, excerpt, type ProfileReport } from '../profile/profileReport.ts';
import { compareTable, profileDetails, profileTable } from '../profile/profileTable.ts';
import { readReport, reportFiles, writeReport } from '../profile/writeReport.ts';
import type { Controls } from '../run/controls.ts';
import type { Prepared } from '../run/prepare.ts';
import { stamp } from '../run/prepare.ts';
import { RunFolder } from '../run/runFolder.ts';
import { type Listener, runPipeline } from '../run/runPipeline.ts';
import { versions } from '../run/versions.ts';
import { color } from '../terminal/color.ts';
import { figure } from '../terminal/format.ts';
import { IndexingProgress } from '../terminal/indexing.ts';
import type { Output } from '../terminal/output.ts';
import { TrainingProgress } from '../terminal/progress.ts';
import { Interrupted, onInterrupt } from './interrupt.ts';
import { type KernelRow, kernelRows, kernelTable } from './kernelTable.ts';
import { limitsOf } from './limitOptions.ts';

export interface ProfileOptions {
  /** Steps that are measured. */
  readonly steps: number;
  /** Folder for the report. */
  readonly out?: string;
  /** Another profile to set beside this one. */
  readonly compare?: string;
}
export const profileSteps = 300;
const everyMs = 500;
/** Times that a step is run kernel by kernel. */
const kernelRounds = 5;
/** Steps of either batch size, to know what of a step does not grow with it. */
const stepRounds = 7;
/** Kernels in the terminal. */
const glance = 12;

/** Runs a pipeline for a few hundred steps, says what limits it, and writes the report. Returns the exit status. */
export async function profile(
  pipeline: Pipeline,
  given: Readonly<Record<string, unknown>>,
  options: ProfileOptions,
  output: Output,
): Promise<number> {
  const other = options.compare === undefined ? undefined : await readReport(resolve(options.compare));
  if (options.out !== undefined) await RunFolder.check(resolve(options.out));
  const interrupt = onInterrupt(output, 'Finishing this step and writing the report; Ctrl-C again stops at once.');
  const scratch = await mkdtemp(join(tmpdir(), 'millrace-profile-'));
  const observer = new Observer(options.steps, output);
  let failure: unknown;
  try {
    const run = { ...given, steps: options.steps, out: join(scratch, 'run') };
    await runPipeline({ pipeline, given: run, listener: observer, signal: interrupt.signal });
  } catch (error) {
    failure = error;
  } finally {
    observer.close();
    interrupt.close();
    await rm(scratch, { recursive: true, force: true });
  }
  // nothing ran: there is nothing to write
  if (!observer.prepared) throw interrupt.signal.aborted && failure === interrupt.signal.reason ? new Interrupted() : failure;
  const report = observer.report(failure, other);
  const dir = await reportFolder(options.out, report.facts.model);
  await writeReport(dir, report, observer.trace, other);
  conclude(report, other, dir, output);
  if (failure) throw failure;
  return 0;
}

async function reportFolder(out: string | undefined, model: string): Promise<string> {
  const dir = resolve(out ?? join('profiles', `${stamp(new Date())}-${model}`));
  const folder = await RunFolder.create(dir);
  // no run: written once, at the end
  folder.unlock();
  return folder.path;
}

/** Looks on while the pipeline runs. */
class Observer implements Listener {
  readonly trace = new Trace();
  prepared: Prepared | undefined;
  #controls: Controls | undefined;
  #stop = () => {};
  #last: Profile | undefined;
  /** The numbers at the last look. */
  #looked: PipelineReading | undefined;
  readonly #course = new Course();
  #kernels: readonly KernelRow[] | null = null;
  #limits: Limits | undefined;
  #fixedShare: number | null = null;
  #progress: TrainingProgress | undefined;
  #began = 0;
  #steps = 0;
  #images = 0;
  #seconds = 0;
  readonly #indexing: IndexingProgress;

  constructor(
    private readonly most: number,
    private readonly output: Output,
  ) {
    this.#indexing = new IndexingProgress(output);
    this.indexing = this.#indexing.tell;
  }

  readonly indexing: IndexingProgress['tell'];

  introduce = (what: string, text: string): void => {
    if (what === 'data') this.#indexing.end();
    this.output.line(`${color.dim(what.padEnd(8))}  ${text}`);
  };

  begin(prepared: Prepared, controls: Controls): void {
    this.prepared = prepared;
    this.#controls = controls;
    this.#began = performance.now();
    const { meters } = prepared.context;
    meters.trace = this.trace;
    const subscription = snapshots(meters, { intervalMs: everyMs }).subscribe(each => this.#look(each));
    this.#stop = () => subscription.unsubscribe();
    this.output.update(`warming up, then ${this.most} steps …`);
    const { options, totalSteps, stepsPerEpoch } = prepared.context;
    this.#progress = new TrainingProgress(this.output, { epochs: options.epochs, steps: totalSteps, stepsPerEpoch });
    this.#progress.watch(prepared, controls);
  }

  step(step: Parameters<Listener['step']>[0]): void {
    const { images, seconds } = step;
    this.#steps++;
    this.#images += images;
    this.#seconds += seconds;
    this.#progress?.step(step);
    // the evaluation that would follow is no part of what is measured
    if (this.#steps === this.most) {
      this.#final();
      this.#controls?.act({ control: 'stop' });
    }
  }
  evaluating(): void {}
  evaluation(): void {}
  bad({ key, reason, stage }: Parameters<Listener['bad']>[0]): void {
    this.output.warn(`bad sample "${key}": ${reason} (${stage})`);
  }

  ending(): void {
    if (!this.#last?.final) this.#final();
  }

  close(): void {
    this.#progress?.close();
    this.output.clear();
  }

  /** Before the device is closed: one step kernel by kernel. */
  async finished({ context }: Prepared): Promise<void> {
    this.#progress?.close();
    const { device, model } = context;
    if (!profiles(device) || model.updates === 0) return;
    this.output.update('timing kernels …');
    const unlock = await model.lock.acquire();
    try {
      const segments = await model.stepSegments();
      const nodes = await profileSegments(device, segments, kernelRounds);
      await traceSegments(device, segments, this.trace);
      this.#limits = await limitsOf(device, {}, this.output);
      this.#kernels = kernelRows(nodes, this.#limits);
      // it needs memory for another batch size beside this one
      this.#fixedShare = await measureFixedShare(model, stepRounds).catch((error: unknown) => {
        if (!(error instanceof MillraceError)) throw error;
        this.output.warn(`what a larger batch would give is not known: ${error.message}`);
        return null;
      });
    } finally {
      unlock();
      this.output.clear();
    }
  }

  #look(profile: Profile): void {
    this.#last = profile;
    this.#looked = this.prepared?.context.meters.read();
    this.#course.add(profile);
  }

  #final(): void {
    this.#stop();
    const { meters } = this.prepared!.context;
    const total = meters.snapshot();
    this.#last = { total, settled: meters.snapshot(meters.warm), recent: meters.snapshot(this.#looked), final: true };
    // also of a run that was over before anyone had looked
    this.#course.add(this.#last);
  }

  /** An earlier profile of the same tells what another batch costs, where that was not measured. */
  #comparable(other: ProfileReport | undefined): PipelineSnapshot | undefined {
    const { model, device } = this.prepared!.introduction;
    return other?.profile && other.facts.model === model && other.facts.device === device ? other.profile.settled : undefined;
  }

  report(failure: unknown, other: ProfileReport | undefined): ProfileReport {
    this.ending();
    const { introduction, context } = this.prepared!;
    const seconds = (performance.now() - this.#began) / 1000;
    const profile = this.#last ?? null;
    return {
      format: 'millrace-profile/1',
      facts: {
        pipeline: introduction.pipeline,
        model: introduction.model,
        device: introduction.device,
        data: introduction.data,
        batch: context.options.batch,
        workers: profile?.settled.stages.find(({ runs }) => runs === 'workers')?.parallel ?? 0,
        steps: this.#steps,
        // without the start, as the verdict; of a run that ended before its second batch, all of it
        images_per_s: profile?.settled.itemsPerSecond || (this.#seconds > 0 ? this.#images / this.#seconds : 0),
        seconds,
        started: introduction.started,
        ...versions,
      },
      profile,
      verdict: profile && verdict(profile.settled, { fixedShare: this.#fixedShare ?? undefined, other: this.#comparable(other) }),
      fixed_share: this.#fixedShare,
      course: this.#course.points,
      kernels: this.#kernels,
      limits: this.#limits ?? null,
      spans: excerpt(this.trace.spans),
      error: failure === undefined ? null : String((failure as Error).message ?? failure),
    };
  }
}

function conclude(report: ProfileReport, other: ProfileReport | undefined, dir: string, output: Output): void {
  const { facts, profile, verdict, kernels } = report;
  output.line();
  if (profile) {
    output.line(profileTable(profile.settled, verdict?.limits));
    output.line(color.dim(profileDetails(profile.settled)));
  }
  if (kernels && kernels.length > 0) {
    output.line();
    output.line(kernelTable(kernels, glance, output.live ? output.columns : 160));
  }
  output.line();
  output.line(`${color.bold(figure(facts.images_per_s))} images/s over ${facts.steps} steps of ${facts.batch}`);
  if (verdict) output.line(verdict.text);
  if (other) {
    output.line();
    output.line(compareTable(report, other));
  }
  output.line();
  for (const file of [reportFiles.report, reportFiles.trace, reportFiles.profile]) output.line(color.dim(join(dir, file)));
  output.summary({
    ...facts,
    limits: verdict?.limits ?? null,
    verdict: verdict?.text ?? null,
    changes: verdict?.changes ?? [],
    stages: profile?.settled.stages ?? [],
    kernels: kernels?.length ?? 0,
    out: dir,
  });
}
