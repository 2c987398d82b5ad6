import { verdict } from '../../core/index.ts';
import type { Pipeline } from '../definePipeline.ts';
import type { Controls } from '../run/controls.ts';
import type { Prepared } from '../run/prepare.ts';
import { type Listener, type Result, runPipeline, together } from '../run/runPipeline.ts';
import { TensorBoard } from '../run/tensorBoard.ts';
import { color } from '../terminal/color.ts';
import { duration, figure, paragraph, share } from '../terminal/format.ts';
import { IndexingProgress } from '../terminal/indexing.ts';
import type { Output } from '../terminal/output.ts';
import { TrainingProgress } from '../terminal/progress.ts';
import { stageRows, stageTable } from '../terminal/stageTable.ts';
import { Interrupted, onInterrupt } from './interrupt.ts';
import { LiveDashboard } from './liveDashboard.ts';

export interface TrainOptions {
  /** Serves the dashboard while the run goes: from this port on, or true for the usual one. */
  readonly dashboard?: number | true;
  /** Writes an event file for TensorBoard into the run folder. A run that has one already goes on with it, asked or not. */
  readonly tensorBoard?: boolean;
}

/** Runs a pipeline and tells people or programs about it. Returns the exit status. */
export async function train(
  pipeline: Pipeline,
  given: Readonly<Record<string, unknown>>,
  output: Output,
  options: TrainOptions = {},
): Promise<number> {
  const interrupt = onInterrupt(output, 'Finishing this step and writing a checkpoint; Ctrl-C again stops at once.');
  const teller = new Teller(output);
  const goesOn = typeof given.resume === 'string' && TensorBoard.isIn(given.resume);
  const events = options.tensorBoard || goesOn ? new TensorBoard() : undefined;
  let dashboard: LiveDashboard | undefined;
  try {
    if (options.dashboard !== undefined) dashboard = await LiveDashboard.open(options.dashboard, output);
    const listener = together([teller, ...(events ? [events] : []), ...(dashboard ? [dashboard.feed] : [])]);
    const result = await runPipeline({ pipeline, given, listener, signal: interrupt.signal });
    events?.close();
    teller.close();
    teller.conclude(result);
    dashboard?.end({ outcome: result.interrupted ? 'interrupted' : 'done', text: `step ${result.steps}` });
    return result.interrupted ? 130 : 0;
  } catch (error) {
    // before there was a run
    if (interrupt.signal.aborted && error === interrupt.signal.reason) throw new Interrupted();
    dashboard?.end({ outcome: 'failed', text: (error as Error).message });
    throw error;
  } finally {
    teller.close();
    events?.abandon();
    await dashboard?.close();
    interrupt.close();
  }
}

class Teller implements Listener {
  #progress: TrainingProgress | undefined;
  #prepared: Prepared | undefined;

  readonly #indexing: IndexingProgress;

  constructor(private readonly output: Output) {
    this.#indexing = new IndexingProgress(output);
    this.indexing = this.#indexing.tell;
  }

  readonly indexing: IndexingProgress['tell'];

  introduce = (what: string, text: string): void => {
    if (what === 'data') this.#indexing.end();
    if (what === 'warning') this.output.warn(`warning: ${text}`);
    else this.output.line(`${color.dim(what.padEnd(8))}  ${text}`);
  };

  begin(prepared: Prepared, controls: Controls): void {
    this.#prepared = prepared;
    const { introduction, context } = prepared;
    const { options, totalSteps, stepsPerEpoch, start } = context;
    this.introduce('run', `${introduction.run}${start.step > 0 ? `, from step ${start.step} on` : ''}`);
    this.output.event('start', { ...introduction, options, total_steps: totalSteps });
    this.output.line();
    this.#progress = new TrainingProgress(this.output, { epochs: options.epochs, steps: totalSteps, stepsPerEpoch });
    this.#progress.watch(prepared, controls);
  }

  /** Takes the live block away. */
  close(): void {
    this.#progress?.close();
    this.output.clear();
  }

  step(step: Parameters<Listener['step']>[0]): void {
    this.output.event('step', step);
    this.#progress?.step(step);
  }
  evaluating(epoch: number): void {
    this.#progress?.evaluating(epoch);
  }
  evaluation(evaluation: Parameters<Listener['evaluation']>[0]): void {
    this.output.event('epoch', evaluation);
    this.#progress?.evaluation(evaluation);
  }
  bad(bad: Parameters<Listener['bad']>[0]): void {
    this.output.event('bad', bad);
    this.output.warn(`${bad.warning ? 'damaged' : 'bad'} sample "${bad.key}": ${bad.reason} (${bad.stage})`);
  }

  conclude(result: Result): void {
    const { introduction, evaluation, epochs, steps, images, loss, seconds, trainingSeconds, skipped, warned, interrupted, kept } = result;
    const { context } = this.#prepared!;
    // the start of threads and the first compilation would make everything look slower than it is
    const { meters } = context;
    const settled = meters.snapshot(meters.warm);
    const { limits, headline, evidence, changes, text } = verdict(settled);
    const rows = stageRows(settled);
    const imagesPerSecond = trainingSeconds > 0 ? images / trainingSeconds : 0;
    this.output.event('stages', { stages: rows });
    this.output.event('verdict', { limits: limits ?? null, headline, evidence, changes, text });
    if (rows.length > 0) {
      this.output.line();
      this.output.line(stageTable(rows));
      if (limits !== undefined) this.output.line(paragraph(text, this.output.columns));
    }
    this.output.line();
    const outcome = interrupted ? 'interrupted' : 'done';
    const accuracy = evaluation ? `, held-out top-1 ${color.green(share(evaluation.top1))}, top-5 ${share(evaluation.top5)}` : '';
    this.output.line(
      `${color.bold(outcome)}: step ${steps}, ${figure(imagesPerSecond)} images/s in training, ${duration(seconds)}${accuracy}`,
    );
    if (skipped > 0) this.output.line(`${skipped} bad sample${skipped === 1 ? '' : 's'}, told above and in the run's metrics`);
    if (warned > 0) this.output.line(`${warned} damaged sample${warned === 1 ? '' : 's'} taken as far as they could be read, told above`);
    if (kept) this.output.line(color.dim(`${interrupted ? 'go on with' : 'in'} ${interrupted ? '--resume ' : ''}${introduction.run}`));
    this.output.summary({
      device: introduction.device,
      device_kind: introduction.device_kind,
      model: introduction.model,
      epochs,
      steps,
      images,
      images_per_s: imagesPerSecond,
      loss,
      top1: evaluation?.top1 ?? null,
      top5: evaluation?.top5 ?? null,
      held_out_loss: evaluation?.loss ?? null,
      seconds,
      skipped,
      warned,
      interrupted,
      run: kept ? introduction.run : null,
    });
  }
}
