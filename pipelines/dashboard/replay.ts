import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fail, type Profile, readCheckpoint, type Step, verdict } from '../../core/index.ts';
import type { EpochEvaluation } from '../definePipeline.ts';
import type { ControlAction } from '../run/controls.ts';
import { files, type RunConfig } from '../run/runFolder.ts';
import type { Hub } from './hub.ts';
import { lookAt } from './lookAt.ts';
import { describeWeights } from './values.ts';

/** How often the folder is looked at for news. */
const lookMs = 1000;
/** A run that has written nothing for so long may be over, or stand still. */
const silentMs = 60_000;
/** Steps that go to the hub together. */
const together = 500;

/**
 * Shows a run from its folder, finished or still going on in another process, by reading its metrics and following them. Lines
 * that are no JSON (cut off by a crash) are left out and counted; an unfinished last line waits for its end.
 */
export class Replay {
  #offset = 0;
  #bad = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #grown = Date.now();
  #checkpointMs = 0;
  #ended = false;
  #step = 0;

  private constructor(
    private readonly hub: Hub,
    private readonly dir: string,
    readonly config: RunConfig,
  ) {}

  static async open(dir: string, hub: Hub): Promise<Replay> {
    const config = await runConfig(dir);
    const replay = new Replay(hub, dir, config);
    await replay.#introduce();
    await replay.#look();
    return replay;
  }

  /** Follows the run until closed. */
  follow(): void {
    this.#timer = setTimeout(() => {
      void this.#look()
        .catch(error => this.hub.tell('warning', { text: String((error as Error).message ?? error) }))
        .then(() => {
          if (!this.#closed) this.follow();
        });
    }, lookMs);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #introduce(): Promise<void> {
    const { config, dir } = this;
    const { options } = config;
    const graph = await readFile(join(dir, files.model), 'utf8')
      .then(text => JSON.parse(text) as { name: string; input: number[] })
      .catch(() => ({ name: 'unknown model', input: [] }));
    this.hub.tell('run', {
      run: dir,
      pipeline: config.pipeline,
      model: graph.name,
      parameters: null,
      device: config.device.description,
      data: config.data.train,
      held_out: config.data.test,
      image: graph.input,
      classes: config.data.classes,
      batch: Number(options.batch),
      epochs: Number(options.epochs),
      total_steps: null,
      steps_per_epoch: null,
      started: config.started,
      options,
      live: false,
    });
  }

  /** Reads what has been added since the last look. */
  async #look(): Promise<void> {
    const path = join(this.dir, files.metrics);
    const size = await stat(path).then(
      ({ size }) => size,
      () => 0,
    );
    // a resumed run takes lines back
    if (size < this.#offset) this.#offset = 0;
    if (size > this.#offset) {
      this.#grown = Date.now();
      await this.#read(path, size);
    } else if (!this.#ended && Date.now() - this.#grown > silentMs)
      this.#end('unknown', 'nothing new for a minute: the run stands still, or is over');
    await this.#weights();
  }

  async #read(path: string, size: number): Promise<void> {
    const whole = await lastLineEnd(path, this.#offset, size);
    if (whole <= this.#offset) return;
    const input = createReadStream(path, { start: this.#offset, end: whole - 1 });
    let steps: Step[] = [];
    const flush = () => {
      if (steps.length > 0) this.hub.tell('steps', steps);
      steps = [];
    };
    const bad = this.#bad;
    // a run that was resumed has several ends: the last counts
    let ended: Record<string, unknown> | undefined;
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const record = parsed(line);
      if (record?.event === 'step' && typeof record.step === 'number') {
        this.#step = record.step;
        ended = undefined;
        if (steps.push(record as unknown as Step) >= together) flush();
        continue;
      }
      flush();
      if (record?.event === 'epoch') this.hub.tell('epoch', record as unknown as EpochEvaluation);
      else if (record?.event === 'control') this.hub.tell('applied', { step: this.#step, action: record as unknown as ControlAction });
      else if (record?.event === 'end') ended = record;
      else if (record?.event === 'profile') this.#profile(record as unknown as Pick<Profile, 'total' | 'settled'>);
      else if (!record && line.trim() !== '') this.#bad++;
    }
    flush();
    if (ended) this.#end(ended.outcome === 'done' ? 'done' : 'interrupted', `step ${ended.step}`);
    this.#offset = whole;
    if (this.#bad > bad) {
      const text = `${files.metrics}: ${this.#bad === 1 ? '1 line that is' : `${this.#bad} lines that are`} not JSON left out (cut off by a crash, or changed)`;
      this.hub.tell('warning', { text });
    }
  }

  #profile({ total, settled }: Pick<Profile, 'total' | 'settled'>): void {
    const memory = { rss: Number.NaN, device: settled.device?.memory?.total ?? 0 };
    this.hub.totals = () => ({ total, memory });
    this.hub.tell('look', lookAt(settled, verdict(settled), memory));
  }

  #end(outcome: 'done' | 'interrupted' | 'unknown', text: string): void {
    this.#ended = outcome !== 'unknown';
    if (this.hub.last('end')?.text !== text) this.hub.tell('end', { outcome, text });
  }

  async #weights(): Promise<void> {
    const path = join(this.dir, files.checkpoint);
    const changed = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
    if (changed === this.#checkpointMs) return;
    this.#checkpointMs = changed;
    try {
      const { tensors, step } = await readCheckpoint(path);
      this.hub.tell('weights', await describeWeights(step, tensors, undefined));
    } catch (error) {
      // the rest of the run can be seen without
      this.hub.tell('warning', { text: String((error as Error).message ?? error) });
    }
  }
}

async function runConfig(dir: string): Promise<RunConfig> {
  const path = join(dir, files.config);
  const fix = 'Give the folder that a run printed when it began.';
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const got = error.code === 'ENOENT' ? `${dir}, which has no ${files.config}` : `${dir}: ${error.message}`;
    throw fail('usage', 'dashboard', 'the folder of a run', got, fix, error);
  });
  const config = parsed(text) as RunConfig | undefined;
  if (config?.format !== 'millrace-run/1' || !config.data || !config.device || !config.options) {
    const got = config?.format === 'millrace-run/1' ? 'some of them only' : (config?.format ?? (config ? 'something else' : 'no JSON'));
    throw fail('data', path, 'the settings of a run (millrace-run/1)', got, fix);
  }
  return config;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Offset behind the last line feed between `from` and `to`, or `from` if there is none: looks at the end alone. */
async function lastLineEnd(path: string, from: number, to: number): Promise<number> {
  const piece = 65_536;
  for (let end = to; end > from; end -= piece) {
    const start = Math.max(from, end - piece);
    const chunks: Buffer[] = [];
    for await (const chunk of createReadStream(path, { start, end: end - 1 })) chunks.push(chunk as Buffer);
    const at = Buffer.concat(chunks).lastIndexOf(10);
    if (at >= 0) return start + at + 1;
  }
  return from;
}
