import { closeSync, openSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Position, type Step, unwritable } from '../../core/index.ts';
import type { EpochEvaluation } from '../definePipeline.ts';
import type { Prepared } from './prepare.ts';
import type { Listener } from './runPipeline.ts';
import { eventBytes, fileVersion, record, records, stepOf } from './tfRecord.ts';

const prefix = 'events.out.tfevents.';
const heldOut = 'held_out/';
/** Scalars reach the disk at least this often while steps come. */
const flushMs = 2000;

/**
 * Writes what TensorBoard shows into the run folder: of each step `train/loss`, `train/top1`, `train/lr` and `train/images_per_s`,
 * after each epoch `held_out/loss`, `held_out/top1` and `held_out/top5`, all over the step. A run that is resumed adds a file, and what the
 * earlier ones say of later steps than the checkpoint's is taken back, as in the metrics.
 */
export class TensorBoard implements Listener {
  /** Whether a run has been written for TensorBoard: one that is resumed goes on with it. */
  static isIn(folder: string): boolean {
    try {
      return eventFiles(folder).length > 0;
    } catch {
      // that there is no such folder is told where it is resumed
      return false;
    }
  }

  #path = '';
  #file: number | undefined;
  #waiting: Buffer[] = [];
  #flushedMs = 0;
  #step = 0;
  #checkpointEvery = 1;
  /** Whether values wait: a file's head alone is not worth one. */
  #any = false;

  introduce(): void {}

  begin({ context }: Prepared): void {
    const { folder, start, options } = context;
    if (start.step > 0) takeBack(folder, start);
    const now = Date.now() / 1000;
    // sorts by time, and of one second by step
    this.#path = join(folder, `${prefix}${Math.floor(now)}.millrace.${String(start.step).padStart(9, '0')}`);
    this.#checkpointEvery = options.checkpointEvery;
    this.#step = start.step;
    this.#waiting.push(record(eventBytes(now, { fileVersion })));
    // at the second of these a TensorBoard forgets what it has read of this step and later ones: what is taken back
    this.#waiting.push(record(eventBytes(now, { beginsAt: start.step + 1 })));
    this.#flushedMs = performance.now();
  }

  step({ step, loss, top1, lr, imagesPerSecond }: Step): void {
    this.#step = step;
    this.#add({ 'train/loss': loss, 'train/top1': top1, 'train/lr': lr, 'train/images_per_s': imagesPerSecond });
    // never behind a checkpoint: a run that goes on from it would leave a gap
    if (step % this.#checkpointEvery === 0 || performance.now() - this.#flushedMs > flushMs) this.flush();
  }

  evaluating(): void {}

  evaluation({ loss, top1, top5 }: EpochEvaluation): void {
    this.#add({ [`${heldOut}loss`]: loss, [`${heldOut}top1`]: top1, [`${heldOut}top5`]: top5 });
    this.flush();
  }

  bad(): void {}

  #add(values: Record<string, number>): void {
    this.#any = true;
    this.#waiting.push(record(eventBytes(Date.now() / 1000, { step: this.#step, values })));
  }

  /** Throws a MillraceError of kind 'data' if the disk is full. */
  flush(): void {
    this.#flushedMs = performance.now();
    const bytes = Buffer.concat(this.#waiting);
    // a disk that was full would be told a second time when the file is closed
    this.#waiting = [];
    this.#any = false;
    try {
      this.#file ??= openSync(this.#path, 'a');
      writeFileSync(this.#file, bytes);
    } catch (error) {
      throw unwritable(this.#path, error);
    }
  }

  /** A run without a finished step leaves no file. */
  close(): void {
    try {
      if (this.#any) this.flush();
    } finally {
      if (this.#file !== undefined) closeSync(this.#file);
      this.#file = undefined;
      this.#waiting = [];
    }
  }

  /** The run has failed, and that is what is told: keeps what can be kept. */
  abandon(): void {
    try {
      this.close();
    } catch {
      // the disk is full, too
    }
  }
}

const eventFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter(name => name.startsWith(prefix))
    .map(name => join(folder, name));

/** Cuts the event files of a run where they go beyond a checkpoint, or where a crash cut a record off. */
function takeBack(folder: string, { step, consumed }: Position): void {
  for (const path of eventFiles(folder)) {
    const file = readFileSync(path);
    let length = 0;
    for (const { data, end } of records(file)) {
      // an epoch may have been evaluated after the checkpoint of its last step: one after the evaluation has used nothing yet
      if (stepOf(data) > step || (stepOf(data) === step && consumed > 0 && data.includes(heldOut))) break;
      length = end;
    }
    try {
      if (length < file.length) truncateSync(path, length);
    } catch (error) {
      throw unwritable(path, error);
    }
  }
}
