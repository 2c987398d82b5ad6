import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { count, lastValueFrom, ReplaySubject, Subject } from 'rxjs';
import {
  type Bad,
  compile,
  type DataSet,
  type Device,
  fail,
  type Graph,
  type Indexing,
  type LearningRate,
  MeterSet,
  openDevice,
  type Position,
  readCheckpoint,
  readOptimizer,
  readWeights,
  type Schedule,
  SlotPool,
  type TensorData,
  type Tuned,
  verify,
  WorkerPool,
} from '../../core/index.ts';
import { type DecodeOptions, openDataSet } from '../../operators/index.ts';
import type { CommonOptions, Images, Pipeline, PipelineContext } from '../definePipeline.ts';
import { shippedData } from '../shippedData.ts';
import { exactly, inPrecision, unfused } from '../terminal/format.ts';
import { tunedText } from '../terminal/tunedText.ts';
import { chooseClasses } from './chooseClasses.ts';
import { chooseImages } from './chooseImages.ts';
import { chooseModel, type ModelChoice } from './chooseModel.ts';
import { parseOptions } from './flags.ts';
import { finishInterruptedWrite } from './interruptedWrite.ts';
import { resumedOptions } from './resumedOptions.ts';
import { files, type RunConfig, RunFolder } from './runFolder.ts';
import { lockRun } from './runLock.ts';
import { versions } from './versions.ts';

/** Everything that a run needs, opened and checked in this order; `close` gives it back in the reverse one. */
export interface Prepared {
  readonly context: PipelineContext;
  readonly folder: RunFolder;
  readonly trainSize: number;
  readonly classes: readonly string[];
  /** What the optimizer kept, of a run that is resumed: until its first step the model has none of its own. */
  readonly optimizer: ReadonlyMap<string, TensorData>;
  /** The device and the data are told before anything is trained. */
  readonly introduction: Introduction;
  readonly stop: () => void;
  close(): Promise<void>;
}
export interface Introduction {
  readonly pipeline: string;
  /** ISO 8601; of a resumed run, when it was first started. */
  readonly started: string;
  readonly device: string;
  readonly device_kind: string;
  readonly data: string;
  readonly held_out: string;
  readonly warnings: readonly string[];
  readonly model: string;
  readonly image: readonly [number, number, number];
  readonly parameters: number;
  readonly run: string;
  readonly resumed_at: number;
}

export interface PrepareOptions {
  readonly pipeline: Pipeline;
  /** As given on the command line: only what was said there. */
  readonly given: Readonly<Record<string, unknown>>;
  readonly tell: (bad: Bad) => void;
  /** Told as soon as each is known, since the next things take time. */
  readonly introduce: (what: 'device' | 'data' | 'held-out' | 'model' | 'warning' | 'workers', text: string) => void;
  /** Aborting it ends what takes long before anything is trained: the index of an archive. Rejects with its reason then. */
  readonly signal?: AbortSignal;
  readonly indexing?: (state: Indexing) => void;
}

export async function prepare({ pipeline, given, tell, introduce, signal, indexing }: PrepareOptions): Promise<Prepared> {
  const closing: (() => unknown)[] = [];
  const close = async () => {
    for (const each of closing.splice(0).reverse()) await each();
  };
  try {
    const resumed = given.resume === undefined ? undefined : await readRun(String(given.resume), pipeline, given, closing);
    const options = parseOptions(pipeline.options, resumed?.options ?? given) as CommonOptions;
    const named: ModelChoice | undefined = resumed
      ? { kind: 'graph', name: resumed.graph.name, graph: resumed.graph }
      : options.model === undefined
        ? undefined
        : await chooseModel(options.model);

    if (!resumed && options.out !== undefined) await RunFolder.check(resolve(options.out));

    const device = await openDevice(options.device, { threads: options.threads });
    closing.push(() => device.destroy());
    introduce('device', `${device.description}${exactly(options.exact)}${unfused(options.fuse)}${inPrecision(options.precision)}`);

    const dataFolder = resolve(options.data ?? shippedData());
    const { layout } = options;
    const open = (split: 'train' | 'test') => openDataSet(dataFolder, { split, layout, signal, indexing });
    const whole = [await open('train'), await open('test')];
    const [trainSet, testSet] = await chooseClasses(whole, {
      dir: dataFolder,
      classes: options.classes,
      labelsAt: options.labelsAt,
      wordnet: options.wordnet,
    });
    const data = { train: trainSet, test: testSet };
    const { classes } = data.train;
    checkSameClasses(dataFolder, data);
    introduce('data', `${data.train.description} (${dataFolder})`);
    introduce('held-out', data.test.description);
    const warnings = [...new Set([...(data.train.warnings ?? []), ...(data.test.warnings ?? [])])];
    for (const each of warnings) introduce('warning', each);
    const trainSize = data.train.size ?? (await lastValueFrom(data.train.samples({ boxes: false }).pipe(count())));
    if (options.batch > trainSize) {
      throw fail(
        'usage',
        '--batch',
        `at most ${trainSize}, the number of training images`,
        String(options.batch),
        'Give a smaller batch, or more data.',
      );
    }

    const workers = options.workers ?? Math.max(1, availableParallelism() - 1);
    const pool = new WorkerPool({ workers });
    closing.push(() => pool.close());
    const slots = new SlotPool();
    closing.push(() => slots.close());
    const choice = await chooseImages(
      data.train,
      { size: options.size, graph: named?.kind === 'graph' ? named.graph : undefined, normalization: resumed?.normalization },
      { pool, slots, pixelLimit: options.pixelLimit, failOn: options.failOn },
    );
    const images: Images = choice;
    // with 'throw' the error itself tells
    const bad = { next: (each: Bad) => (each.warning || options.onError !== 'throw') && tell(each) };
    const { onError, pixelLimit, failOn, shrinkOnLoad } = options;
    const tuned = (found: Tuned) => found.settled && introduce('workers', tunedText(found));
    const taken = { onError, pixelLimit, failOn, shrinkOnLoad };
    const decoding: DecodeOptions = { workers, pool, slots, channels: images.channels, ...taken, bad, tuned };

    const graph = await graphFor(named, images, classes.length);
    verify(graph, { classes: classes.length });
    const model = compile(graph, {
      device,
      batch: options.batch,
      seed: options.seed,
      exact: options.exact,
      fuse: options.fuse,
      precision: options.precision,
    });
    closing.push(() => model.destroy());
    if (resumed) {
      await model.load(resumed.tensors);
      if (resumed.start.step > 0) model.loadOptimizerState(resumed.optimizer);
    } else if (options.weights !== undefined) await model.load(await readWeights(options.weights));
    const parameterCount = model.parameters.reduce(
      (sum, { role, shape }) => (role === 'parameter' ? sum + shape.reduce((a, b) => a * b, 1) : sum),
      0,
    );
    introduce(
      'model',
      `${graph.name}, ${parameterCount.toLocaleString('en-US')} parameters, images of ${graph.input.join('×')}, batch ${options.batch}`,
    );
    await model.ready();

    const start: Position = resumed?.start ?? { epoch: 0, step: 0, consumed: 0, state: { seed: options.seed, epoch: 0, position: -1 } };
    const stepsPerEpoch = Math.floor(trainSize / options.batch);
    const totalSteps = Math.min(options.epochs * stepsPerEpoch, options.steps ?? Number.POSITIVE_INFINITY);
    const out = resumed?.folder ?? resolve(options.out ?? join('runs', `${stamp(new Date())}-${graph.name}`));
    const folder = resumed ? await RunFolder.resume(out, start, resumed.unlock) : await RunFolder.create(out);
    closing.push(
      () => folder.unlock(),
      () => folder.close(),
    );
    // replayed, so that what is only begun later ends at once
    const stop$ = new ReplaySubject<void>(1);
    let stopped = false;
    const { lr, lr$ } = steering();

    const stepsLeft = (epoch: number): number => {
      const used = epoch === start.epoch ? start.consumed : 0;
      const inEpoch = Math.floor((trainSize - used) / options.batch);
      return stopped ? 0 : Math.max(0, Math.min(inEpoch, totalSteps - model.updates));
    };
    const context: PipelineContext = {
      options: { ...options, workers },
      device,
      model,
      data,
      images,
      decoding,
      stepsPerEpoch,
      totalSteps,
      stepsLeft,
      // a resumed run may have to evaluate the epoch that it was stopped at the end of
      finished: epoch => stopped || (epoch > start.epoch && stepsLeft(epoch) === 0),
      start,
      meters: new MeterSet(),
      stop$,
      lr,
      lr$,
      folder: out,
    };
    const config: RunConfig = {
      format: 'millrace-run/1',
      pipeline: pipeline.name,
      options: { ...options, ...absolute(options), out, workers },
      device: describe(device),
      data: { folder: dataFolder, train: data.train.description, test: data.test.description, classes },
      images: { ...images },
      versions,
      started: resumed?.started ?? new Date().toISOString(),
    };
    if (!resumed) {
      try {
        await folder.begin(
          config,
          { graph, classes, normalization: images.normalization, ...start, seed: options.seed, device: device.description },
          await model.state(),
        );
      } catch (error) {
        await folder.discard();
        throw error;
      }
    }
    return {
      context,
      folder,
      trainSize,
      classes,
      optimizer: resumed?.optimizer ?? new Map(),
      introduction: {
        pipeline: pipeline.name,
        started: config.started,
        device: device.description,
        device_kind: device.kind,
        data: data.train.description,
        held_out: data.test.description,
        warnings,
        model: graph.name,
        image: graph.input,
        parameters: parameterCount,
        run: out,
        resumed_at: start.step,
      },
      stop() {
        stopped = true;
        stop$.next();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The run that `--resume` names: its options with what may be changed, and where it stands. */
async function readRun(dir: string, pipeline: Pipeline, given: Readonly<Record<string, unknown>>, closing: (() => unknown)[]) {
  const folder = resolve(dir);
  const { options, started } = await resumedOptions(folder, pipeline, given);
  // before its files are put right: another process may be writing them
  const unlock = lockRun(folder);
  closing.push(unlock);
  await finishInterruptedWrite(folder);
  const { graph, normalization, tensors, epoch, step, consumed, state } = await readCheckpoint(join(folder, files.checkpoint));
  const optimizer = step > 0 ? await readOptimizer(join(folder, files.optimizer), step) : new Map<string, TensorData>();
  return { folder, unlock, options, started, graph, normalization, tensors, optimizer, start: { epoch, step, consumed, state } };
}

/** A builder is asked for the data's size and classes; without --model, by the size of the images. */
async function graphFor(named: ModelChoice | undefined, { height, width, channels, small }: Images, classes: number): Promise<Graph> {
  const choice = named ?? (await chooseModel(small ? 'resnet8' : 'resnet18'));
  if (choice.kind === 'graph') return choice.graph;
  return choice.build({ classes, size: height === width ? height : [height, width], channels });
}

function checkSameClasses(folder: string, { train, test }: { readonly train: DataSet; readonly test: DataSet }): void {
  if (train.classes.length === test.classes.length) return;
  throw fail(
    'data',
    `data folder ${folder}`,
    `the ${train.classes.length} training classes in the held-out part too`,
    String(test.classes.length),
    'Name the classes alike in both parts.',
  );
}

/** A rate that follows its schedule until someone steers it. */
function steering(): Pick<PipelineContext, 'lr' | 'lr$'> {
  let steered: number | undefined;
  const lr$ = new Subject<number | undefined>();
  lr$.subscribe(rate => {
    steered = rate;
  });
  return {
    lr$,
    lr:
      (schedule: Schedule): LearningRate =>
      (step, epoch) =>
        steered ?? schedule(step, epoch),
  };
}

/** A resumed run may be started from another folder. */
function absolute({ data, wordnet, weights, model }: CommonOptions): Partial<CommonOptions> {
  return {
    ...(data !== undefined && { data: resolve(data) }),
    ...(wordnet !== undefined && { wordnet: resolve(wordnet) }),
    ...(weights !== undefined && { weights: resolve(weights) }),
    ...(model !== undefined && /\.(json|[mc]?[jt]s)$/i.test(model) && { model: resolve(model) }),
  };
}

export function describe({ kind, description, threads }: Device): RunConfig['device'] {
  return { kind, description, ...(threads !== undefined && { threads }) };
}

/** `2025-01-31-174205`, local time: sorts by name. */
export function stamp(now: Date): string {
  const two = (n: number) => String(n).padStart(2, '0');
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}
