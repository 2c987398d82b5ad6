/**
 * A run folder holds all that is left of a run, and all that is needed to go on with it:
 *
 *   config.json              options as resolved, device, data, versions
 *   model.json               the graph
 *   metrics.jsonl            one line a step, an evaluation, a bad sample
 *   checkpoint.safetensors   weights under torchvision's names; the metadata says what they are of
 *   optimizer.safetensors    what the optimizer keeps, of the same step
 *   run.lock                 while a process works in it: which
 *
 * Whatever is replaced is replaced at once. A folder without a finished step is removed again.
 */
import { closeSync, existsSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, rmdir, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type CheckpointFacts,
  checkpointBytes,
  fail,
  graphToJson,
  optimizerBytes,
  type Position,
  type TensorData,
  unwritable,
  writeAtomically,
} from '../../core/index.ts';
import { lockFile, lockRun } from './runLock.ts';

export const files = {
  config: 'config.json',
  model: 'model.json',
  metrics: 'metrics.jsonl',
  checkpoint: 'checkpoint.safetensors',
  optimizer: 'optimizer.safetensors',
} as const;

export interface RunConfig {
  readonly format: 'millrace-run/1';
  readonly pipeline: string;
  /** As resolved; paths are absolute. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly device: { readonly kind: string; readonly description: string; readonly threads?: number };
  readonly data: { readonly folder: string; readonly train: string; readonly test: string; readonly classes: readonly string[] };
  readonly images: Readonly<Record<string, unknown>>;
  readonly versions: { readonly millrace: string; readonly node: string };
  readonly started: string;
}

/** Lines wait for the disk at most about so long while more come. */
const flushEveryMs = 1000;

export class RunFolder {
  readonly #made: string[];
  #log: number | undefined;
  #lines: string[] = [];
  #flushedMs = performance.now();
  /** Keys of bad samples that the metrics of a resumed run tell already. */
  readonly #told = new Set<string>();

  private constructor(
    readonly path: string,
    made: readonly string[],
    /** Gives the folder back to other processes. */
    readonly unlock: () => void,
  ) {
    this.#made = [...made];
  }

  /** Makes the folder. One that is there must be empty. */
  static async create(path: string): Promise<RunFolder> {
    await RunFolder.check(path);
    const missing: string[] = [];
    for (let each = path; !existsSync(each) && dirname(each) !== each; each = dirname(each)) missing.push(each);
    const made: string[] = [];
    try {
      // one by one: Node's recursive mkdir goes round for ever where the system refuses in an odd way (/proc)
      for (const each of missing.reverse()) {
        await mkdir(each);
        made.unshift(each);
      }
    } catch (error) {
      for (const each of made) await rmdir(each).catch(() => undefined);
      throw unwritable(path, error);
    }
    return new RunFolder(path, made, lockRun(path));
  }

  /** Refuses a folder with something in it. */
  static async check(path: string): Promise<void> {
    const entries = await readdir(path).catch((error): string[] => {
      if (error.code === 'ENOENT') return [];
      throw unwritable(path, error);
    });
    // whether that one is left over is seen when it is taken
    if (entries.every(name => name.startsWith(lockFile))) return;
    const fix = entries.includes(files.config)
      ? `To go on with that run: --resume ${path}. Otherwise give another --out.`
      : 'Give another --out.';
    throw fail('usage', '--out', 'a new or an empty folder', `${path}, which holds ${entries.slice(0, 3).join(', ')}`, fix);
  }

  /** Opens a run to go on with it, which this process has locked. What its metrics say of later steps or epochs than the checkpoint's is taken back. */
  static async resume(path: string, { step, epoch }: Pick<Position, 'step' | 'epoch'>, unlock: () => void): Promise<RunFolder> {
    const folder = new RunFolder(path, [], unlock);
    const metrics = join(path, files.metrics);
    const text = await readFile(metrics, 'utf8').catch(() => '');
    let length = 0;
    for (const line of text.split('\n').slice(0, -1)) {
      const record = parse(line);
      // an epoch may have been evaluated after the checkpoint of its last step
      if (!record || (record.step ?? 0) > step || (record.event === 'epoch' && (record.epoch ?? 0) >= epoch)) break;
      if (record.event === 'bad' && record.key !== undefined) folder.#told.add(record.key);
      length += Buffer.byteLength(line) + 1;
    }
    if (text !== '') await truncate(metrics, length);
    return folder;
  }

  async begin(config: RunConfig, facts: CheckpointFacts, tensors: ReadonlyMap<string, TensorData>): Promise<void> {
    // in this order: a folder with a config is whole
    await writeAtomically([
      [join(this.path, files.model), graphToJson(facts.graph)],
      [join(this.path, files.checkpoint), checkpointBytes(facts, tensors)],
      [join(this.path, files.config), `${JSON.stringify(config, null, 2)}\n`],
    ]);
  }

  async checkpoint(
    facts: CheckpointFacts,
    tensors: ReadonlyMap<string, TensorData>,
    optimizer: ReadonlyMap<string, TensorData>,
  ): Promise<void> {
    this.flush();
    await writeAtomically([
      [join(this.path, files.optimizer), optimizerBytes(facts.step, optimizer)],
      [join(this.path, files.checkpoint), checkpointBytes(facts, tensors)],
    ]);
  }

  /** Adds a line to the metrics; they reach the disk with `flush`. A bad sample that they tell already is not told again. */
  log(record: Readonly<Record<string, unknown>>): void {
    if (record.event === 'bad' && this.#told.has(String(record.key))) return;
    this.#lines.push(`${JSON.stringify(record)}\n`);
    // whoever follows the file sees the run as it goes
    if (this.#lines.length >= 256 || performance.now() - this.#flushedMs > flushEveryMs) this.flush();
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    const path = join(this.path, files.metrics);
    try {
      if (this.#log === undefined) {
        mkdirSync(this.path, { recursive: true });
        this.#log = openSync(path, 'a');
      }
      writeSync(this.#log, this.#lines.join(''));
    } catch (error) {
      throw unwritable(path, error);
    }
    this.#lines = [];
    this.#flushedMs = performance.now();
  }

  close(): void {
    try {
      this.flush();
    } finally {
      if (this.#log !== undefined) closeSync(this.#log);
      this.#log = undefined;
    }
  }

  /** Takes back what `create` made: for a run that failed before its first step was done. */
  async discard(): Promise<void> {
    this.#lines = [];
    this.close();
    this.unlock();
    await Promise.all(Object.values(files).map(name => rm(join(this.path, name), { force: true })));
    // a folder that someone else has put something into stays
    for (const each of this.#made) await rmdir(each).catch(() => undefined);
  }
}

export async function readConfig(dir: string): Promise<RunConfig> {
  const path = join(dir, files.config);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw fail(
      'usage',
      '--resume',
      'the folder of a run',
      `${dir}, which has no ${files.config}`,
      'Give the folder that the run printed when it began.',
      error,
    );
  }
  try {
    return JSON.parse(text) as RunConfig;
  } catch (error) {
    throw fail(
      'data',
      path,
      'JSON',
      (error as Error).message,
      'The file was changed: put it right, or begin a new run with --weights.',
      error,
    );
  }
}

interface LoggedRecord {
  readonly event?: string;
  readonly step?: number;
  readonly epoch?: number;
  readonly key?: string;
}

/** Undefined for a line that a crash cut off. */
function parse(line: string): LoggedRecord | undefined {
  try {
    return JSON.parse(line) as LoggedRecord;
  } catch {
    return undefined;
  }
}
