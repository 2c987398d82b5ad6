import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { firstValueFrom } from 'rxjs';
import {
  type Bad,
  type Checkpoint,
  type CompiledModel,
  compile,
  crossEntropy,
  fail,
  type Graph,
  openDevice,
  readCheckpoint,
  SlotPool,
  WorkerPool,
} from '../../core/index.ts';
import type { CommonOptions, Images } from '../definePipeline.ts';
import { heldOut } from '../heldOut.ts';
import { heldOutViews } from '../heldOutViews.ts';
import { chooseClasses, hierarchyIfAny } from '../run/chooseClasses.ts';
import { chooseSize, lookAt } from '../run/chooseImages.ts';
import { files, type RunConfig, readConfig } from '../run/runFolder.ts';
import { shippedData } from '../shippedData.ts';
import { exactly, figure, share } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { localize } from './localize.ts';
import { openTold } from './openTold.ts';

export type EvaluateOptions = Pick<
  CommonOptions,
  'data' | 'layout' | 'classes' | 'labelsAt' | 'wordnet' | 'device' | 'threads' | 'workers' | 'onError' | 'failOn' | 'shrinkOnLoad'
> & {
  pixelLimit?: number;
} & {
  batch?: number;
  crops?: 1 | 10;
  scales?: readonly number[];
  average?: 'softmax' | 'logits';
  exact?: boolean;
  localization?: boolean;
};

/** Reads a checkpoint back and measures it on the held-out images. */
export async function evaluate(path: string, options: EvaluateOptions, output: Output): Promise<number> {
  if (options.localization) return localize(path, options, output);
  if (/\.csv$/i.test(path)) {
    throw fail('usage', 'evaluate', 'a run folder or a checkpoint', path, 'For guesses with boxes add --localization and --data DIR.');
  }
  const file = (await stat(path).catch(() => undefined))?.isDirectory() ? join(path, files.checkpoint) : path;
  const checkpoint = await readCheckpoint(file);
  const config = await readConfig(dirname(resolve(file))).catch((): Partial<RunConfig> => ({}));
  const folder = resolve(options.data ?? config.data?.folder ?? shippedData());
  const saved = (config.options ?? {}) as Pick<CommonOptions, 'layout' | 'classes' | 'labelsAt' | 'wordnet'>;
  const whole = await openTold(
    folder,
    { split: 'test', layout: options.layout ?? (options.data === undefined ? saved.layout : undefined) },
    output,
  );
  for (const each of whole.warnings ?? []) output.warn(`warning: ${each}`);
  const place = { dir: folder, wordnet: options.wordnet ?? saved.wordnet };
  const [test] = await chooseClasses([whole], {
    ...place,
    classes: options.classes ?? saved.classes,
    labelsAt: options.labelsAt ?? saved.labelsAt,
  });
  checkClasses(checkpoint, test.classes, folder);

  // above all classes of the folder, also where only some are chosen: so that the heights of two runs can be compared
  const found = await hierarchyIfAny(whole, place, options.wordnet === undefined ? why => output.warn(why) : undefined);
  const cost = found && ((predicted: number, label: number) => found.hierarchy.error(test.classes[predicted], test.classes[label]));

  const closing: (() => unknown)[] = [];
  try {
    const device = await openDevice(options.device, { threads: options.threads });
    closing.push(() => device.destroy());
    // as the run computed, unless this asks for it
    const exact = options.exact ?? config.options?.exact === true;
    output.line(`device    ${device.description}${exactly(exact)}`);
    output.line(`held-out  ${test.description} (${folder})`);
    output.line(`model     ${checkpoint.graph.name}, step ${checkpoint.step} (${file})`);
    const workers = options.workers ?? Math.max(1, availableParallelism() - 1);
    const pool = new WorkerPool({ workers });
    closing.push(() => pool.close());
    const slots = new SlotPool();
    const images: Images = { ...chooseSize(await lookAt(test), undefined, checkpoint.graph), normalization: checkpoint.normalization };
    // the run's own batch, so that every number is summed in the same order
    const batch = options.batch ?? Number(config.options?.batch ?? 32);
    // one at a time
    let model: CompiledModel | undefined;
    closing.push(() => model?.destroy());
    const load = async (graph: Graph): Promise<CompiledModel> => {
      model = compile(graph, { device, batch, exact });
      await model.load(checkpoint.tensors);
      return model;
    };
    let [skipped, warned] = [0, 0];
    const tell = (bad: Bad) => {
      // the error itself tells
      if (options.onError === 'throw' && !bad.warning) return;
      if (bad.warning) warned++;
      else skipped++;
      output.event('bad', bad);
      output.warn(`${bad.warning ? 'damaged' : 'bad'} sample "${bad.key}": ${bad.reason} (${bad.stage})`);
    };
    const { onError, pixelLimit, failOn, shrinkOnLoad } = options;
    const taken = { onError, pixelLimit, failOn, shrinkOnLoad };
    const decoding = { workers, pool, slots, channels: images.channels, ...taken, bad: { next: tell } };
    const { crops = 1, scales, average } = options;
    const asked = { data: { test }, images, decoding, ...(cost && { cost }) };
    const several = crops > 1 || scales !== undefined;
    if (!several && average) {
      throw fail('usage', '--average', 'several views of each image', 'one', 'Add --crops 10 or --scales, or leave it out.');
    }
    const measured = several
      ? heldOutViews({ ...asked, graph: checkpoint.graph, open: load, crops, scales, average })
      : heldOut({ ...asked, model: await load(checkpoint.graph) }, crossEntropy());
    const result = await firstValueFrom(measured);
    const { top1, top5, loss, images: count, imagesPerSecond, cost1, cost5 } = result;
    output.line();
    output.line(
      `top-1 ${share(top1)}  top-5 ${share(top5)}  loss ${figure(loss)}  ${count.toLocaleString('en-US')} images, ${figure(imagesPerSecond)} images/s`,
    );
    if (found && cost1 !== undefined && cost5 !== undefined) {
      const height = Math.max(...found.hierarchy.roots.map(({ id }) => found.hierarchy.height(id)));
      output.line(`hierarchical error ${figure(cost1)}, of five guesses ${figure(cost5)}  (0 to ${height}; ${found.origin})`);
    }
    output.summary({
      top1,
      top5,
      ...(cost1 !== undefined && { hierarchical1: cost1, hierarchical5: cost5 }),
      loss,
      images: count,
      ...(several && { crops, scales: scales ?? [checkpoint.graph.input[0]], average: average ?? 'softmax' }),
      images_per_s: imagesPerSecond,
      skipped,
      warned,
      model: checkpoint.graph.name,
      step: checkpoint.step,
      device: device.description,
      device_kind: device.kind,
    });
    return 0;
  } finally {
    for (const each of closing.reverse()) await each();
  }
}

function checkClasses({ classes }: Checkpoint, found: readonly string[], folder: string): void {
  if (classes.length === found.length && classes.every((name, i) => name === found[i])) return;
  const few = (names: readonly string[]) => `${names.length} (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''})`;
  throw fail(
    'data',
    `data folder ${folder}`,
    `the classes of the checkpoint: ${few(classes)}`,
    few(found),
    'Give the data that the model was trained on: --data DIR.',
  );
}
